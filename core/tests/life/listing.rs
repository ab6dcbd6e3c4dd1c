//! Lists of tools without what their caller could never call.

use countersign_core::facts::RequestFacts;
use countersign_core::life::{Events, Form, Listing, Next, Unreadable};
use serde_json::json;

use crate::fixture::{World, request};
use crate::mcp::{POLICIES, ROUTES, call, files, post, read, rpc, world};

/// A gateway that hides tools, and what it shows of the answer to a request.
fn hiding(facts: RequestFacts) -> (World, Option<Listing>) {
    let mut bundle = files(POLICIES);
    bundle["files"]["routes.yaml"] =
        ROUTES.replace("server: github", "server: github\n      hide_unlisted: true").into();
    let mut world = World::with(json!({"bundle": bundle}));
    let Next::Continue(permit) = world.decide(facts).next else { panic!("it does not go on") };
    let listing = permit.listing().cloned();
    (world, listing)
}

#[test]
fn only_lists_are_looked_through_and_only_where_it_is_configured() {
    let list = post("2025-11-25", &rpc("tools/list", json!({})));
    assert!(hiding(list.clone()).1.is_some());
    assert!(hiding(request("GET", "/mcp")).1.is_some(), "a list may come again on the stream");
    assert!(hiding(post("2025-11-25", &call("x", json!({})))).1.is_none());
    let Next::Continue(permit) = world().decide(list).next else { panic!("it does not go on") };
    assert!(permit.listing().is_none());
}

#[test]
fn a_list_is_shown_without_what_could_never_be_called() {
    let (world, listing) = hiding(post("2025-11-25", &rpc("tools/list", json!({}))));
    let listing = listing.unwrap();
    let tool = |name: &str| format!("{{ \"name\":\"{name}\",\"x\": 1.50 }}");
    let list = |names: &[&str]| {
        let tools: Vec<_> = names.iter().map(|name| tool(name)).collect();
        format!(
            "{{\"jsonrpc\":\"2.0\", \"id\":7,\"result\":{{\"tools\":[{}] ,\"nextCursor\":\"c\"}}}}",
            tools.join(",")
        )
    };
    let all = list(&["create_issue", "drop", "merge", "other"]);
    let shown = list(&["create_issue", "merge", "other"]);
    assert_eq!(listing.filter(&world.engine, &all).unwrap(), shown);
    assert_eq!(
        listing.filter(&world.engine, &format!("[{all},{all}]")).unwrap(),
        format!("[{shown},{shown}]")
    );
    for other in [r#"{"jsonrpc":"2.0","id":1,"error":{"tools":[{}]}}"#, r#"{"method":"notifications/x"}"#] {
        assert_eq!(listing.filter(&world.engine, other).unwrap(), other);
    }
    for bad in [
        "nothing",
        r#"{"result":{"tools":[{"name":"a"}],"tools":[{"name":"drop"}]}}"#,
        r#"{"result":{"Tools":[{"name":"drop"}]}}"#,
        r#"{"result":{"tools":{}}}"#,
        r#"{"result":{"tools":[{"title":"drop"}]}}"#,
        r#"{"result":{"tools":[{"name":"a","name":"drop"}]}}"#,
    ] {
        assert_eq!(listing.filter(&world.engine, bad), Err(Unreadable), "{bad}");
    }
    let refusal = read(&listing.refusal());
    assert_eq!((&refusal["id"], &refusal["error"]["code"]), (&json!(7), &json!(502)));

    for at in 0..all.len() {
        let stream = format!(": hi\n\nid: 1\r\ndata: \r\n\r\nevent: message\nid: 2\ndata: {all}\n\n");
        let mut events = Events::default();
        let mut push = |bytes: &[u8]| events.push(&listing, &world.engine, bytes, 10_000).unwrap();
        let cut = at.min(stream.len());
        let came = [push(&stream.as_bytes()[..cut]), push(&stream.as_bytes()[cut..])].concat();
        let expected = format!(": hi\n\nid: 1\r\ndata: \r\n\r\nevent: message\nid: 2\ndata: {shown}\n\n");
        assert_eq!(String::from_utf8(came).unwrap(), expected);
    }
    for bad in ["data: x\n\n", "data: {}\rdata: {}\n\n", "\u{feff}data: {}\n\n"] {
        let pushed = Events::default().push(&listing, &world.engine, bad.as_bytes(), 10_000);
        assert_eq!(pushed, Err(Unreadable), "{bad:?}");
    }
    let long = vec![b'x'; 101];
    assert_eq!(Events::default().push(&listing, &world.engine, &long, 100), Err(Unreadable));
}

#[test]
fn an_answer_is_looked_through_in_the_forms_that_clients_read() {
    let of = |status: &str, media: &str, encoding: Option<&str>| {
        Form::of(status.as_bytes(), Some(media.as_bytes()), encoding.map(str::as_bytes))
    };
    assert_eq!(of("200", "application/json; charset=utf-8", None), Ok(Form::Json));
    assert_eq!(of("200", "Text/Event-Stream", Some("identity")), Ok(Form::Events));
    assert_eq!(of("405", "text/plain", None), Ok(Form::Other));
    assert_eq!(of("200", "text/plain", None), Err(Unreadable));
    assert_eq!(of("200", "application/json", Some("gzip")), Err(Unreadable));
}
