//! Fields of gRPC messages by their descriptor: what is taken is what every parser reads, or nothing is.

use countersign_core::denial::Denial;
use countersign_core::facts::RequestFacts;
use countersign_core::routes::Routes;
use countersign_core::value::Value;

use crate::support::{Schema, map, request};

const MESSAGES: &str = "
methods:
  shop.Orders/Export: shop.Export
messages:
  shop.Export:
    id: { number: 1, type: string }
    limit: { number: 2, type: int64 }
    dry: { number: 3, type: bool, presence: true }
    columns: { number: 4, type: string, repeated: true }
    total: { number: 5, type: shop.Money }
    by: { number: 6, type: string, oneof: who }
    robot: { number: 7, type: string, oneof: who }
    levels: { number: 8, type: sint32, repeated: true }
    items: { number: 9, type: shop.Item, repeated: true }
    ratio: { number: 10, type: double }
    state: { number: 11, type: shop.State }
    labels: { number: 12, type: 'map<string, shop.Item>' }
    memo: { number: 13, type: int64 }
    everything: { number: 14, type: shop.Nothing, oneof: which }
    inner: { number: 15, type: shop.Export }
  shop.Money:
    units: { number: 1, type: int64 }
  shop.Item:
    sku: { number: 1, type: string }
  shop.Nothing: {}
enums:
  shop.State: { NEW: 0, PAID: 2 }
";

const EXPORT: &str = r#"
routes:
  - match: { host: api.example, grpc: shop.Orders/Export }
    action: Action::"export"
    resource: Table::"{message:id}"
    context:
      limit: { from: "message:limit", type: Long }
      columns: { from: "message:columns", type: Set<String>, optional: true }
      dry: { from: "message:dry", type: Bool, optional: true }
      by: { from: "message:by", type: User, optional: true }
      to: { from: "message:state", type: String, optional: true }
"#;

const TAG: &str = r#"
routes:
  - match: { host: api.example, grpc: shop.Orders/Export }
    action: Action::"tag"
    resource: File::"it"
    context:
      tags: { from: "message:items.sku", type: Set<String> }
      levels: { from: "message:levels", type: Set<Long> }
      target:
        optional: true
        fields:
          name: { from: "message:robot", type: String }
          port: { from: "message:total.units", type: Long, optional: true }
"#;

fn routes(text: &str) -> Result<Routes, Vec<String>> {
    let errors = |errors: Vec<countersign_core::load::LoadError>| {
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    Routes::load(Some(text), Some(MESSAGES), &Schema).map_err(errors)
}

/// A unary call with this message.
fn call(message: &[u8]) -> RequestFacts {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    framed(&[&[0], &length[..], message].concat())
}

fn framed(body: &[u8]) -> RequestFacts {
    let facts = request("POST", "/shop.Orders/Export", &[("content-type", "application/grpc+proto")]);
    RequestFacts { body: Some(body.to_vec()), ..facts }
}

/// The resource's id and the context in a few words, or the denial.
fn taken(routes: &Routes, facts: &RequestFacts) -> String {
    let said = |Denial { reason, detail, .. }: Denial| format!("{} {detail}", reason.meaning().code);
    map(routes, facts).map_or_else(said, |(_, mapped)| {
        let context = mapped.context.iter().map(|(name, value)| format!(" {name}={}", shown(value)));
        mapped.resource.id + &context.collect::<String>()
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Long(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Entity(entity) => entity.id.clone(),
        Value::Set(members) => members.iter().map(shown).collect::<Vec<_>>().join(","),
        Value::Record(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}={}", shown(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(" "))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn fields_become_facts_as_their_descriptor_says() {
    let routes = routes(EXPORT).unwrap();
    for (message, expected) in [
        (&b"\x0a\x01a\x10\x07"[..], "a columns= limit=7 to=NEW"),
        // What is not there has the default of its type, unless its presence can be told.
        (b"\x0a\x01a", "a columns= limit=0 to=NEW"),
        (b"\x0a\x01a\x18\x00\x22\x01x\x22\x01y\x58\x02", "a columns=x,y dry=false limit=0 to=PAID"),
        (b"\x0a\x01a\x32\x03ann", "a by=ann columns= limit=0 to=NEW"),
        (b"\x0a\x01a\x3a\x03bot", "a columns= limit=0 to=NEW"),
        // What no descriptor knows is nothing to policy.
        (b"\x0a\x01a\xa2\x06\x01z\x10\x01", "a columns= limit=1 to=NEW"),
        (b"\x10\x07", "`message:id` is empty or has control characters"),
    ] {
        let said = taken(&routes, &call(message));
        assert!(said.ends_with(expected), "{message:?}: {said}");
    }
}

#[test]
fn lists_are_gathered_and_ways_lead_through_messages() {
    let routes = routes(TAG).unwrap();
    for (message, expected) in [
        (&b""[..], "it levels= tags="),
        (b"\x4a\x03\x0a\x01a\x4a\x03\x0a\x01b\x4a\x00", "it levels= tags=a,b,"),
        (b"\x42\x02\x01\x04\x40\x06", "it levels=-1,2,3 tags="),
        (b"\x3a\x03bot\x2a\x02\x08\x05", "it levels= tags= target={name=bot port=5}"),
        (b"\x3a\x03bot\x2a\x00", "it levels= tags= target={name=bot port=0}"),
        (b"\x3a\x03bot", "it levels= tags= target={name=bot}"),
        (b"\x2a\x00", "bad_fact routes.yaml:3: `message:robot` is missing"),
    ] {
        let said = taken(&routes, &call(message));
        assert_eq!(said, expected, "{message:?}");
    }
}

#[test]
fn what_parsers_could_read_differently_is_refused() {
    let routes = routes(EXPORT).unwrap();
    let twin = "ambiguous_request message-fields: ";
    let cases: [(&[u8], String); 14] = [
        (b"\x0a\x01a\x0a\x01b", format!("{twin}`message:id` is there more than once")),
        (b"\x0a\x01a\x10\x01\x10\x01", format!("{twin}`message:limit` is there more than once")),
        (
            b"\x0a\x01a\x32\x03ann\x3a\x03bot",
            format!("{twin}`message:by` shares its `oneof` with another field that is there"),
        ),
        (b"\x0a\x01a\x18\x02", format!("{twin}`message:dry` is a number beyond its type")),
        (b"\x0a\x02\xc3(", format!("{twin}`message:id` is not UTF-8")),
        (b"\x08\x01", OTHER_KIND.into()),
        // Readers that go by the number alone would take the number behind it for another `limit`.
        (b"\x0a\x01a\x10\x01\x6a\x04\x10\xc0\x84\x3d", OTHER_KIND.into()),
        (b"\x0a\x01a\x10\x01\x2a\x02\x0a\x00", OTHER_KIND.into()),
        (b"\x0a\x01a\x10\x01\x4a\x02\x0a\x05", "bad_fact the message is cut short".into()),
        (b"\x0a\x01a\x10\x01\x62\x03\x0a\x02a", "bad_fact the message is cut short".into()),
        (b"\x0a\x01a\x52\x01\x00", OTHER_KIND.into()),
        (b"\x0a\x01a\x58\x01", "bad_fact `message:state` has a value that its enum does not name".into()),
        (b"\x0a\x01a\x0b\x0c", "bad_fact the message has a group, which is not read".into()),
        (b"\x0a\x05a", "bad_fact the message is cut short".into()),
    ];
    for (message, expected) in cases {
        let said = taken(&routes, &call(message));
        let place = "routes.yaml:3: ";
        assert!(said.replace(place, "").ends_with(&expected), "{message:?}: {said}");
    }
    let fields = b"\xa0\x06\x00".repeat(60_000);
    let said = taken(&routes, &call(&fields));
    assert!(said.contains("the message has more than 50000 fields"), "{said}");
    let said = taken(&routes, &call(&b"\x22\x01a".repeat(1_001)));
    assert!(said.contains("`message:columns` has more than 1000 members"), "{said}");
    let deep = (0..40).fold(Vec::new(), |inner: Vec<u8>, _| {
        let length = u8::try_from(inner.len()).unwrap();
        [&[0x7a, length], &inner[..]].concat()
    });
    let said = taken(&routes, &call(&deep));
    assert!(said.contains("nests more than 32 messages"), "{said}");
}

const OTHER_KIND: &str = "ambiguous_request message-fields: the message has a field of another type on the wire than its descriptor says";

#[test]
fn whether_a_message_is_there_is_a_fact() {
    let routes = routes(
        r#"
routes:
  - match: { host: api.example, grpc: shop.Orders/Export }
    action: Action::"export"
    resource: Table::"it"
    context:
      limit: { from: "message:limit", type: Long }
      dry: { from: "message:everything", type: Bool }
"#,
    );
    let routes = routes.unwrap();
    assert_eq!(taken(&routes, &call(b"\x10\x01")), "it dry=false limit=1");
    assert_eq!(taken(&routes, &call(b"\x72\x00")), "it dry=true limit=0");
    let said = taken(&routes, &call(b"\x72\x00\x72\x00"));
    assert!(said.ends_with("`message:everything` is there more than once"), "{said}");
}

#[test]
fn a_record_is_there_with_its_message() {
    let routes = self::routes(
        &TAG.replace("        optional: true\n", "        optional: true\n        from: \"message:total\"\n")
            .replace("{ from: \"message:robot\", type: String }", "{ from: \"message:id\", type: String }"),
    );
    let routes = routes.unwrap();
    assert_eq!(taken(&routes, &call(b"\x0a\x01a")), "it levels= tags=");
    assert_eq!(taken(&routes, &call(b"\x0a\x01a\x2a\x00")), "it levels= tags= target={name=a port=0}");
    let other =
        TAG.replace("        optional: true\n", "        optional: true\n        from: \"message:id\"\n");
    let errors = self::routes(&other).map(|_| ()).unwrap_err().join("; ");
    assert!(errors.contains("beside `fields`, `from` names a message"), "{errors}");
}

#[test]
fn more_facts_than_a_request_has_time_for_are_a_load_error() {
    // Each place of an id is a fact, beside the five of the context.
    let with = |count: usize| {
        let id = vec!["{message:id}"; count].join("/");
        routes(&EXPORT.replace("{message:id}", &id)).map(|_| ())
    };
    assert_eq!(with(251), Ok(()));
    let errors = with(252).unwrap_err().join("; ");
    let expected = "routes.yaml:3: the route reads 257 fields of a message, at most 256 are read";
    assert!(errors.starts_with(expected), "{errors}");
}

#[test]
fn the_body_is_one_message_that_is_not_compressed() {
    let routes = routes(EXPORT).unwrap();
    for (body, expected) in [
        (&b""[..], "`message:limit` is missing"),
        (b"\0\0\0\0\x03\x0a\x01", "is not one gRPC message"),
        (b"\0\0\0\0\x03\x0a\x01a\0\0\0\0\0", "is not one gRPC message"),
        (b"\x01\0\0\0\x03\x0a\x01a", "content-encodings: the message is compressed"),
    ] {
        let said = taken(&routes, &framed(body));
        assert!(said.contains(expected), "{body:?}: {said}");
    }
    let mut json = call(b"{}");
    json.headers.retain(|(name, _)| name != b"content-type");
    json.headers.push((b"content-type".to_vec(), b"application/grpc+json".to_vec()));
    let said = taken(&routes, &json);
    assert!(said.contains("`content-type` is not gRPC with Protocol Buffers"), "{said}");
}

#[test]
fn a_way_that_leads_nowhere_is_a_load_error() {
    let with = |from: &str, ty: &str| {
        let text = format!(
            "routes:\n  - match: {{ host: api.example, grpc: shop.Orders/Export }}\n    action: Action::\"tag\"\n    \
             resource: File::\"it\"\n    context: {{ {from}, type: {ty}, optional: true }} }}\n"
        );
        routes(&text).map(|_| ()).unwrap_err().join("; ")
    };
    for (from, ty, expected) in [
        ("note: { from: \"message:nope\"", "String", "`shop.Export` has no field `nope`"),
        ("note: { from: \"message:total\"", "String", "by its descriptor, `message:total` is no `String`"),
        ("note: { from: \"message:id.x\"", "String", "`messages.yaml` has no `string`"),
        ("note: { from: \"message:ratio\"", "String", "is of the type `double`"),
        (
            "note: { from: \"message:columns\"",
            "String",
            "by its descriptor, `message:columns` is no `String`",
        ),
        (
            "tags: { from: \"message:id\"",
            "Set<String>",
            "by its descriptor, `message:id` is no `Set<String>`",
        ),
        ("levels: { from: \"message:columns\"", "Set<Long>", "is no `Set<Long>`"),
        ("note: { from: \"body:/id\"", "String", "in a gRPC message only `message:…` is read"),
    ] {
        let said = with(from, ty);
        assert!(said.starts_with("routes.yaml:") && said.contains(expected), "{from}: {said}");
    }
    let other = r#"
routes:
  - match: { host: api.example, grpc: shop.Orders/Watch }
    action: Action::"read"
    resource: File::"{message:id}"
  - match: { host: api.example, grpc: shop.Orders/Export }
    action: Action::"read"
    resource: File::"{message:columns}"
  - match: { host: api.example, path: /plain }
    action: Action::"read"
    resource: File::"{message:id}"
"#;
    let said = routes(other).map(|_| ()).unwrap_err();
    for expected in [
        "routes.yaml:5: `message:id`: `messages.yaml` describes no request message of `shop.Orders/Watch`",
        "routes.yaml:8: `message:columns` is a list, and an id is one text",
        "routes.yaml:11: `message:id` says not where it comes from",
    ] {
        assert!(said.iter().any(|error| error.starts_with(expected)), "{said:?}");
    }
}

#[test]
fn mistakes_in_the_file_are_named_with_their_lines() {
    let text = "methods:\n  a.B/C: a.X\nmessages:\n  a.D:\n    x: { number: 1, type: string }\n    y: { number: 1, type: string }\n\
                enums:\n  a.E: { A: 0, B: 0 }\n";
    let errors = Routes::load(None, Some(text), &Schema).map(|_| ()).unwrap_err();
    let said: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let expected = [
        "messages.yaml:2: `a.B/C`: `messages` has no `a.X`",
        "messages.yaml:6: `a.D`: `x` and `y` both have the number 1",
        "messages.yaml:8: `a.E`: two names have one number: leave out all but one",
    ];
    assert_eq!(said, expected);
}
