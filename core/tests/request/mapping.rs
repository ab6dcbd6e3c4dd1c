//! Routes: the most specific wins, hosts are closed, facts are typed.

use countersign_core::clock::Zone;
use countersign_core::denial::{Denial, Reason};
use countersign_core::facts::Peer;
use countersign_core::reading::{Reading, Relaxed, Rule};
use countersign_core::routes::{COMMON_FACTS, Routes, common_facts};
use countersign_core::value::Value;

use crate::support::{Fields, Schema, map, read, request, routes};

const ROUTES: &str = r#"
hosts:
  open.example: { fallback: http }
  shut.example: { fallback: deny }
routes:
  - match: { host: api.example, method: DELETE, path: "/repos/{owner}/{repo}" }
    action: Action::"delete"
    resource: Repo::"{path.owner}/{path.repo}"
    parents:
      - Org::"{path.owner}"
    fold: [owner, repo]
    context: { confirm: { from: "header:x-confirm", type: String, optional: true } }
  - match: { host: api.example, path: "/repos/{owner}/{repo}" }
    action: Action::"read"
    resource: Repo::"any/{path.repo}"
  - match: { host: api.example, path: "/repos/mine/{repo}" }
    action: Action::"read"
    resource: Repo::"mine/{path.repo}"
  - match: { host: api.example, path: "/repos/mine/{repo}", headers: { x-as: org } }
    action: Action::"read"
    resource: Repo::"org/{path.repo}"
  - match: { host: api.example, path: "/files/{bucket}/{rest*}" }
    action: Action::"read"
    resource: File::"{path.bucket}/{path.rest}"
  - match: { host: "*.example", path: "/{rest*}" }
    action: Action::"read"
    resource: File::"wild-{path.rest}"
  - match: { host: api.example, method: POST, path: /export }
    action: Action::"export"
    resource: Table::"{body:/table}"
    redact: x-key
    volatile: [x-nonce]
    context:
      limit: { from: "body:/limit", type: Long }
      columns: { from: "body:/columns", type: Set<String>, optional: true }
      to: { from: "body:/to/0", type: String, optional: true }
      dry: { from: "query:dry", type: Bool, optional: true }
      share: { from: "body:/share", type: decimal, optional: true }
      at: { from: "header:x-at", type: datetime, optional: true }
      from_ip: { from: "header:x-from", type: ipaddr, optional: true }
      by: { from: "body:/by", type: User, optional: true }
  - match: { host: open.example, path: /known }
    action: Action::"read"
    resource: File::"known"
"#;

#[test]
fn the_more_specific_wins_and_the_rest_is_closed() {
    let routes = routes(ROUTES);
    let cases: &[(&str, &str, &Fields, &str)] = &[
        ("DELETE", "/repos/Acme/Web", &[], r#"Repo::"acme/web""#),
        ("GET", "/repos/Acme/Web", &[], r#"Repo::"any/Web""#),
        ("GET", "/repos/mine/x", &[], r#"Repo::"mine/x""#),
        ("GET", "/repos/mine/x", &[("x-as", "org")], r#"Repo::"org/x""#),
        ("DELETE", "/repos/mine/x", &[("x-as", "org")], r#"Repo::"org/x""#),
        ("GET", "/files/b/c/d%20e/", &[], r#"File::"b/c/d e/""#),
        ("GET", "/repos", &[], r#"File::"wild-repos""#),
        ("GET", "/x", &[(":authority", "b.a.example:8443")], r#"File::"wild-x""#),
        ("GET", "/a/b", &[(":authority", "other.test")], r#"Http::Path::"other.test/a/b""#),
        ("GET", "/", &[(":authority", "other.test.")], r#"Http::Path::"other.test/""#),
        ("GET", "/", &[], "no_route"),
        ("GET", "/", &[(":authority", "open.example")], r#"Http::Path::"open.example/""#),
        ("GET", "/", &[(":authority", "shut.example")], "no_route"),
        ("PUT", "/a", &[(":authority", "other.test")], "no_route"),
        ("GET", "/repos/mine/x", &[("x-as", "org"), ("x-as", "me")], "ambiguous_request"),
    ];
    for (method, path, fields, expected) in cases {
        let found = match map(&routes, &request(method, path, fields)) {
            Ok((_, mapped)) => mapped.resource.to_string(),
            Err(denial) => denial.reason.meaning().code.to_owned(),
        };
        assert_eq!(found, *expected, "{method} {path} {fields:?}");
    }
}

#[test]
fn plain_http_has_its_prefixes_as_ancestors() {
    let routes = Routes::load(None, None, &Schema).unwrap();
    let (name, mapped) = map(&routes, &request("GET", "/a/b/c?d", &[])).unwrap();
    assert_eq!(name, "http");
    assert_eq!(mapped.action.to_string(), r#"Http::Action::"GET""#);
    let ancestors: Vec<_> = mapped.parents.iter().map(ToString::to_string).collect();
    let expected = [
        r#"Http::Host::"api.example""#,
        r#"Http::Path::"api.example/a""#,
        r#"Http::Path::"api.example/a/b""#,
    ];
    assert_eq!(ancestors, expected);
    let deep = map(&routes, &request("GET", &"/a".repeat(65), &[])).unwrap_err();
    assert_eq!(deep.reason, Reason::BadFact);
}

fn export(body: &str, fields: &[(&str, &str)]) -> Result<String, String> {
    let mut fields = fields.to_vec();
    if !fields.iter().any(|(name, _)| *name == "content-type") {
        fields.push(("content-type", "application/json; charset=UTF-8"));
    }
    let path = if fields.contains(&("x-path", "dry")) { "/export?dry=true" } else { "/export" };
    let mut facts = request("POST", path, &fields);
    facts.body = Some(body.as_bytes().to_vec());
    match map(&routes(ROUTES), &facts) {
        Ok((_, mapped)) => Ok(format!("{} {:?}", mapped.resource, mapped.context)),
        Err(denial) => Err(format!("{}: {}", denial.reason.meaning().code, denial.detail)),
    }
}

#[test]
fn facts_are_typed() {
    let body = r#"{"table":"people","limit":9,"columns":["a","b"],"to":["s3"],"share":0.25,"by":"ana"}"#;
    let fields = [("x-at", "2026-01-01T00:00:00Z"), ("x-from", "10.0.0.0/8"), ("x-path", "dry")];
    let all = export(body, &fields).unwrap();
    let few = export(r#"{"table":7,"limit":-1,"to":null}"#, &[]).unwrap();
    insta::assert_snapshot!(format!("{all}\n{few}"));
}

#[test]
fn a_nul_is_read_only_where_that_is_relaxed() {
    let mut facts = request("POST", "/export", &[("content-type", "application/json")]);
    facts.body = Some(br#"{"table":"t","limit":1,"to":["a\u0000b"]}"#.to_vec());
    let read = |relaxed: &Relaxed| {
        let reading = Reading::of(&facts, relaxed)?;
        let (routes, body) = (routes(ROUTES), facts.body.as_deref());
        let mapped = routes.find(&reading, body).unwrap().map(&reading, body)?;
        Ok::<_, Denial>(format!("{:?}", mapped.first.context))
    };
    assert_eq!(read(&Relaxed::default()).unwrap_err().rule, Some(Rule::ControlCharacters));
    let context = read(&Relaxed::from_iter([Rule::ControlCharacters])).unwrap();
    assert!(context.contains(r"a\0b"), "{context}");
}

#[test]
fn bodies_that_do_not_say_one_thing_are_refused() {
    let long = format!(r#"{{"table":"t","limit":1,"to":["{}"]}}"#, "x".repeat(8193));
    let many = format!(r#"{{"table":"t","limit":1,"columns":[{}"x"]}}"#, r#""x","#.repeat(1000));
    let deep = format!(r#"{{"table":"t","limit":1,"x":{}{}}}"#, "[".repeat(32), "]".repeat(32));
    let bodies = [
        r#"{"table":"t"}"#,
        r#"{"table":"t","limit":"1"}"#,
        r#"{"table":"t","limit":1.0}"#,
        r#"{"table":"t","limit":9223372036854775808}"#,
        r#"{"table":"t","limit":1,"limit":2}"#,
        r#"{"table":"t","limit":1,"Limit":2}"#,
        r#"{"table":"t","limit":1,"x":{"k":1,"\u212a":2}}"#,
        r#"{"Table":"t","limit":1}"#,
        r#"{"table":"","limit":1}"#,
        r#"{"table":"a\nb","limit":1}"#,
        r#"{"table":"t","limit":1,"to":["a\u0000b"]}"#,
        r#"{"table":["t"],"limit":1}"#,
        r#"{"table":"t","limit":1} x"#,
        "\u{feff}{}",
        "table=t&limit=1",
        "",
        &long,
        &many,
        &deep,
    ];
    let mut answers = String::new();
    for body in bodies {
        let answer = export(body, &[]).unwrap_err();
        answers.push_str(&format!("{}\n    {answer}\n", body.get(..60).unwrap_or(body)));
    }
    let good = r#"{"table":"t","limit":1}"#;
    for field in [
        ("content-type", "text/plain"),
        ("content-type", "application/json; charset=utf-16"),
        ("content-encoding", "gzip"),
        ("x-at", "yesterday"),
        ("x-at", "2026-01-01T00:00:00Z, 2027-01-01T00:00:00Z"),
        ("x_at", "2026-01-01T00:00:00Z"),
    ] {
        answers.push_str(&format!("{field:?}\n    {}\n", export(good, &[field]).unwrap_err()));
    }
    insta::assert_snapshot!(answers);
}

#[test]
fn a_value_never_reaches_over_its_separator() {
    let text = r#"
routes:
  - match: { host: api.example, path: "/{a}/{b}" }
    action: Action::"read"
    resource: Repo::"{path.a}:{path.b}"
"#;
    let routes = routes(text);
    let denial = map(&routes, &request("GET", "/a/b:c", &[])).unwrap_err();
    assert_eq!(denial.detail, "routes.yaml:3: `path.b` contains the separator `:`");
    assert!(map(&routes, &request("GET", "/a/b", &[])).is_ok());
}

#[test]
fn a_parent_needs_no_list() {
    let text = r#"
routes:
  - match: { host: api.example, method: DELETE, path: "/repos/{owner}/{repo}" }
    action: Action::"delete"
    resource: Repo::"{path.owner}/{path.repo}"
    parents: Org::"{path.owner}"
"#;
    let (_, mapped) = map(&routes(text), &request("DELETE", "/repos/a/b", &[])).unwrap();
    assert_eq!(mapped.parents[0].to_string(), r#"Org::"a""#);
}

#[test]
fn a_route_says_what_it_needs() {
    let routes = routes(ROUTES);
    let reading = read(&request("POST", "/export", &[])).unwrap();
    let target = routes.find(&reading, None).unwrap();
    assert!(target.needs_body());
    assert_eq!((target.redacted(), target.volatile()), (&["x-key".into()][..], &["x-nonce".into()][..]));
    assert_eq!(target.map(&reading, None).unwrap_err().reason, Reason::BadFact);
    let reading = read(&request("DELETE", "/repos/a/b", &[])).unwrap();
    assert!(!routes.find(&reading, None).unwrap().needs_body());
}

#[test]
fn common_facts_are_those_that_are_wanted() {
    let mut facts = request("GET", "/%61/b?c", &[("countersign-justification", "because")]);
    facts.peer = Peer { address: Some("::ffff:10.1.2.3".parse().unwrap()), uri_san: None };
    let reading = read(&facts).unwrap();
    let zone = Zone::named("Europe/Zurich").unwrap();
    let now = 1_774_745_940_000;
    let all = common_facts(&reading, &facts, now, &zone, &|_| true).unwrap();
    let text = |text: &str| Value::String(text.into());
    let expected = [
        ("host", text("api.example")),
        ("hour", Value::Long(1)),
        ("justification", text("because")),
        ("method", text("GET")),
        ("minute", Value::Long(59)),
        ("now", Value::Datetime(now)),
        ("path", text("/a/b")),
        ("source_ip", Value::Ip("10.1.2.3".into())),
        ("weekday", text("sunday")),
    ];
    assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value)).into());
    assert_eq!(all.len(), COMMON_FACTS.len());
    let some = common_facts(&reading, &facts, now, &zone, &|name| name == "hour").unwrap();
    assert_eq!(some.len(), 1);
    let long = read(&request("GET", &format!("/{}", "a".repeat(8192)), &[])).unwrap();
    assert!(common_facts(&long, &facts, now, &zone, &|name| name == "path").is_err());
    assert!(common_facts(&long, &facts, now, &zone, &|name| name == "host").is_ok());
}
