//! Lists: a page at a time, of what one person may see, however much else is open.

use countersign_approvals::GroupChange;
use std::time::Duration;

use countersign_approvals::Limits;
use serde_json::{Value, json};

use crate::harness::{Service, gate, question, with_gates};
use crate::inbox::browse;

const MANY: Limits = Limits {
    open: 10_000,
    open_per_audience: 10_000,
    open_per_principal: 10_000,
    open_per_gate: 10_000,
    asked_per_minute: 10_000,
    longest_poll: Duration::from_secs(25),
    rejection_holds: Duration::from_secs(60),
};

/// The tickets on the pages of a list, page after page, each of at most `limit`.
async fn pages(service: &Service, session: &str, query: &str, limit: usize) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let reply = service.get(&format!("/v1/requests?limit={limit}{query}{after}"), session).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        let items = reply.body["items"].as_array().unwrap();
        pages.push(items.iter().map(|item| item["ticket"].as_str().unwrap().to_owned()).collect());
        let Some(next) = reply.body["next"].as_str() else { return pages };
        after = format!("&after={next}");
    }
}

/// A question for a group that lapses after so long, milliseconds.
fn lapsing(group: &str, expires_ms: i64) -> Value {
    let mut question = with_gates(&[gate(group, 1)]);
    question["terms"]["expires_ms"] = json!(expires_ms);
    question
}

#[tokio::test]
async fn pages_hold_everything_once_and_in_order() {
    let service = Service::limited(MANY).await;
    let mut asked = Vec::new();
    for n in [5, 2, 9, 1, 7] {
        asked.push((n, service.open(lapsing("sre", 3_600_000 + n * 1000)).await));
    }
    let ada = service.log_in("ada").await;
    let latest: Vec<_> = asked.iter().rev().map(|(_, ticket)| ticket.clone()).collect();
    asked.sort();
    let urgent: Vec<_> = asked.into_iter().map(|(_, ticket)| ticket).collect();
    for limit in [1, 2, 5, 500] {
        let pending = pages(&service, &ada, "&state=pending", limit).await;
        assert!(pending.iter().all(|page| page.len() <= limit));
        assert_eq!(pending.concat(), urgent, "what lapses first is on top");
        // What is asked within the same millisecond has no order but is all there.
        let mut all = pages(&service, &ada, "", limit).await.concat();
        let mut sorted = latest.clone();
        all.sort();
        sorted.sort();
        assert_eq!(all, sorted);
    }
}

#[tokio::test]
async fn a_small_group_finds_its_own_below_much_of_others() {
    let service = Service::limited(MANY).await;
    for _ in 0..30 {
        service.open(lapsing("sre", 1_000_000)).await;
    }
    let own = service.open(lapsing("dba", 2_000_000)).await;
    let dan = service.log_in("dan").await;
    for state in ["&state=pending", ""] {
        assert_eq!(pages(&service, &dan, state, 5).await, [vec![own.clone()]], "{state}");
    }
    service.answer(&dan, &own, "reject").await;
    assert_eq!(pages(&service, &dan, "&state=rejected", 5).await, [vec![own]]);
}

#[tokio::test]
async fn those_in_whose_name_it_was_sent_find_it() {
    let service = Service::limited(MANY).await;
    service.app.place_user("eve", None, &"auditors".parse().unwrap(), GroupChange::Join).await.unwrap();
    let ticket = service.open(lapsing("dba", 1_000_000)).await;
    for (user, sees) in [("oda", true), ("dan", true), ("ada", false), ("root", true), ("eve", true)] {
        let session = service.log_in(user).await;
        assert_eq!(pages(&service, &session, "", 5).await.concat().contains(&ticket), sees, "{user}");
    }
}

#[tokio::test]
async fn bad_places_and_limits_are_named() {
    let service = Service::limited(MANY).await;
    let ada = service.log_in("ada").await;
    for query in ["after=x", "after=1-", "limit=0", "limit=501", "state=maybe"] {
        let reply = service.get(&format!("/v1/requests?{query}"), &ada).await;
        assert_eq!((reply.status.as_u16(), &reply.body["code"]), (400, &json!("malformed_query")), "{query}");
    }
}

#[tokio::test]
async fn the_queue_goes_on_on_another_page() {
    let service = Service::limited(MANY).await;
    for n in 0..103 {
        service.open(lapsing("sre", 1_000_000 + n)).await;
    }
    let ada = service.log_in("ada").await;
    let first = browse(&service, &ada, "/inbox", None).await.text;
    assert_eq!(first.matches("class=\"row ").count(), 100);
    assert!(first.contains("Waiting for you <span class=\"count\">100+</span>"), "{first}");
    let mut next = first.split("href=\"").filter_map(|link| link.split('"').next());
    let next = next.find(|link| link.starts_with("/inbox?list=yours")).unwrap();
    let second = browse(&service, &ada, &next.replace("&amp;", "&"), None).await.text;
    assert_eq!(second.matches("class=\"row ").count(), 3, "{second}");
}

/// The same question of another severity or for another host.
fn about(severity: &str, host: &str) -> Value {
    let mut question = lapsing("sre", 1_000_000);
    question["terms"]["severity"] = json!(severity);
    question["request"]["authority"] = json!(host);
    question
}

#[tokio::test]
async fn lists_are_narrowed_by_severity_and_words() {
    let service = Service::limited(MANY).await;
    let mut more = about("low", "a_b.example");
    more["also"] = json!([{ "principal": "P::\"p\"", "action": "Api::Action::\"deleteAll\"", "resource": "Shop::\"main\"",
        "context": {} }]);
    let low = service.open(more).await;
    let medium = service.open(about("medium", "aXb.example")).await;
    let high = service.open(about("high", "100%.Example")).await;
    let ada = service.log_in("ada").await;
    for (query, expected) in [
        ("", vec![&low, &medium, &high]),
        ("&severity=high", vec![&high]),
        ("&words=a_b", vec![&low]),
        ("&words=deleteall+shop", vec![&low]),
        ("&words=AXB", vec![&medium]),
        ("&words=100%25.example", vec![&high]),
        ("&words=deployer+production+axb", vec![&medium]),
        ("&words=deployer&severity=low", vec![&low]),
        ("&words=nothing", vec![]),
        ("&words=%5C", vec![]),
    ] {
        for state in ["&state=pending", ""] {
            let mut found = pages(&service, &ada, &format!("{state}{query}"), 2).await.concat();
            let mut expected: Vec<_> = expected.iter().map(|ticket| (*ticket).clone()).collect();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{state}{query}");
        }
    }
    let also = "and for <b>deleteAll</b> on <b>main</b>";
    for page in ["/inbox", &format!("/inbox/{low}")] {
        let text = browse(&service, &ada, page, None).await.text;
        assert_eq!(text.matches(also).count(), 1, "{page}: {text}");
    }
}

#[tokio::test]
async fn the_page_says_what_came_before_it() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    let mut before = question();
    before["request"]["body"]["text"] = json!("{\"build\":41,\"canary\":true}");
    let before = service.open(before).await;
    service.answer(&ada, &before, "approve").await;
    let now = service.open(question()).await;
    let page = browse(&service, &ada, &format!("/inbox/{now}"), None).await.text;
    let row = |field: &str, was: &str, is: &str| {
        format!("<th scope=\"row\"><code>Body: body.{field}</code></th><td>{was}</td><td>{is}</td>")
    };
    let build = row("build", "<del><code>41</code></del>", "<ins><code>42</code></ins>");
    let canary = row("canary", "<del><code>true</code></del>", "<span class=\"quiet\">not there</span>");
    assert!(page.contains(&build) && page.contains(&canary), "{page}");
    assert!(page.contains(&format!("<a href=\"/inbox/{before}\"><b>create</b>")), "what else it did: {page}");
    // Whoever may not see the one before learns nothing of it.
    let mut other = with_gates(&[gate("dba", 1)]);
    other["request"]["body"]["text"] = json!("{\"build\":43}");
    let other = service.open(other).await;
    let page = browse(&service, &service.log_in("dan").await, &format!("/inbox/{other}"), None).await.text;
    assert!(!page.contains("<del>") && !page.contains(&before), "{page}");
}

#[tokio::test]
async fn a_request_is_compared_with_the_last_to_the_same_resource() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    let to = |tool: &str, build: u32| {
        let mut asked = question();
        asked["cedar"]["resource"] = json!(format!("MCP::Tool::\"{tool}\""));
        asked["request"]["body"]["text"] = json!(format!("{{\"build\":{build}}}"));
        asked
    };
    for (tool, build) in [("delete", 1), ("delete", 2), ("read", 3)] {
        let before = service.open(to(tool, build)).await;
        assert_eq!(service.answer(&ada, &before, "approve").await.status, 200);
    }
    let compared = async |tool: &str| {
        let now = service.open(to(tool, 9)).await;
        let page = browse(&service, &ada, &format!("/inbox/{now}"), None).await.text;
        page.split("<del><code>")
            .filter_map(|part| part.split_once("</code></del>"))
            .map(|(was, _)| was.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(compared("delete").await, ["2"]);
    assert_eq!(
        compared("write").await,
        ["MCP::Tool::&#34;read&#34;", "3"],
        "the last of all, and it says so"
    );
}

#[tokio::test]
async fn many_are_rejected_at_once_and_each_by_who_may() {
    let service = Service::start().await;
    let (ada, dan) = (service.log_in("ada").await, service.log_in("dan").await);
    let (one, two) =
        (service.open(lapsing("sre", 1_000_000)).await, service.open(lapsing("sre", 1_000_000)).await);
    let other = service.open(lapsing("dba", 1_000_000)).await;
    let page = browse(&service, &ada, "/inbox", None).await;
    let csrf = page.field("csrf");
    let chosen = async |ticket: &str| {
        format!("&request={ticket}%3A{}", service.show(ticket).await["shown"].as_str().unwrap())
    };
    let form = format!(
        "csrf={csrf}&preset=Talk+to+us+first&reason=please{}{}{}",
        chosen(&one).await,
        chosen(&two).await,
        chosen(&other).await
    );
    let sent = browse(&service, &ada, "/inbox/reject", Some(&form)).await;
    assert_eq!((sent.status.as_u16(), sent.location()), (303, "/inbox?rejected=2&failed=1"));
    for ticket in [&one, &two] {
        let shown = service.show(ticket).await;
        assert_eq!(
            (&shown["state"], &shown["answers"][0]["reason"]),
            (&json!("rejected"), &json!("Talk to us first: please"))
        );
    }
    assert_eq!(service.show(&other).await["state"], "pending");
    let page = browse(&service, &ada, sent.location(), None).await.text;
    assert!(page.contains("2 rejected. 1 could not be"), "{page}");
    for (bad, status) in [
        (form.replace(&csrf, "x"), 403),
        (format!("csrf={csrf}&reason=x"), 400),
        (format!("csrf={csrf}&reason=x&request=1"), 400),
        (format!("csrf={csrf}&reason=+{}", chosen(&other).await), 422),
        (format!("csrf={csrf}&reason=x&kind=approve{}", chosen(&other).await), 400),
    ] {
        assert_eq!(browse(&service, &ada, "/inbox/reject", Some(&bad)).await.status, status, "{bad}");
    }
    let mine = browse(&service, &ada, "/inbox/mine", None).await.text;
    assert_eq!(mine.matches("<b>rejected</b>").count(), 2, "{mine}");
    let history = browse(&service, &ada, "/inbox/history?words=production&severity=", None).await.text;
    assert_eq!(history.matches("class=\"row ").count(), 2, "{history}");
    assert!(!browse(&service, &dan, "/inbox/history", None).await.text.contains("class=\"row "));
}
