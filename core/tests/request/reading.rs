//! The table of every rule: what breaks it, and that it can be relaxed by its name.

use countersign_core::denial::Reason;
use countersign_core::facts::RequestFacts;
use countersign_core::reading::{Reading, Relaxed, Rule};

use crate::support::{Fields, read, request};

const PATHS: &[(Rule, &str)] = &[
    (Rule::DotSegments, "/a/../b"),
    (Rule::DotSegments, "/a/./b"),
    (Rule::DotSegments, "/a/.."),
    (Rule::DotSegments, "/a/%2e%2E/b"),
    (Rule::DotSegments, "/a/.%2e"),
    (Rule::EncodedSeparators, "/a%2fb"),
    (Rule::EncodedSeparators, "/a%5Cb"),
    (Rule::DoubleEncoding, "/a%252fb"),
    (Rule::DoubleEncoding, "/a%2541"),
    (Rule::InvalidEscapes, "/a%"),
    (Rule::InvalidEscapes, "/a%4"),
    (Rule::InvalidEscapes, "/a%zz"),
    (Rule::InvalidEscapes, "/a%+1"),
    (Rule::EmptySegments, "//a"),
    (Rule::EmptySegments, "/a//b"),
    (Rule::EmptySegments, "/a//"),
    (Rule::Fragments, "/a#b"),
    (Rule::Fragments, "/a?b#c"),
    (Rule::Backslashes, "/a\\b"),
    (Rule::PathParameters, "/a;x=1/b"),
    (Rule::PathParameters, "/..;/b"),
    (Rule::RawBytes, "/a b"),
    (Rule::RawBytes, "/a\tb"),
    (Rule::RawBytes, "/a "),
    (Rule::RawBytes, "/a?b\r\n"),
    (Rule::RawBytes, "/é"),
    (Rule::RawBytes, "/a?é"),
    (Rule::ControlCharacters, "/a%00"),
    (Rule::ControlCharacters, "/a%0d%0ab"),
    (Rule::ControlCharacters, "/a%7f"),
    (Rule::NotUtf8, "/a%ff"),
    (Rule::NotUtf8, "/a%c0%af"),
    (Rule::MethodOverride, "/a?_method=DELETE"),
    (Rule::MethodOverride, "/a?x=1&%5FMethod=PUT"),
    (Rule::MethodOverride, "/a?.method=DELETE"),
    (Rule::MethodOverride, "/a?%20_method[]=DELETE"),
    (Rule::MethodOverride, "/a?x&+.method=DELETE"),
    (Rule::MethodOverride, "/a?_method%00=DELETE"),
    (Rule::MethodOverride, "/a?_method%00x=DELETE"),
];

const FIELDS: &[(Rule, &Fields)] = &[
    (Rule::RepeatedHeaders, &[("content-type", "a/b"), ("content-type", "a/b")]),
    (Rule::RepeatedHeaders, &[("authorization", "Bearer a"), ("Authorization", "Bearer b")]),
    (Rule::RepeatedHeaders, &[("host", "api.example"), ("host", "api.example")]),
    (Rule::RepeatedHeaders, &[("countersign-justification", "a"), ("countersign-justification", "b")]),
    (Rule::JoinedHeaders, &[("content-length", "1, 1")]),
    (Rule::JoinedHeaders, &[("content-type", "application/json, text/plain")]),
    (Rule::HeaderTwins, &[("x-env", "a"), ("x_env", "b")]),
    (Rule::HeaderTwins, &[("content_length", "1")]),
    (Rule::HeaderTwins, &[("Transfer_Encoding", "chunked")]),
    (Rule::HeaderTwins, &[("countersign_justification", "a")]),
    (Rule::HeaderNames, &[("x env", "a")]),
    (Rule::HeaderNames, &[("", "a")]),
    (Rule::HeaderNames, &[("x-é", "a")]),
    (Rule::HopByHop, &[("connection", "close, x-user")]),
    (Rule::HopByHop, &[("te", "gzip")]),
    (Rule::HopByHop, &[("transfer-encoding", "gzip, chunked")]),
    (Rule::HopByHop, &[("transfer-encoding", "chunked"), ("content-length", "1")]),
    (Rule::HopByHop, &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]),
    (Rule::MethodOverride, &[("x-http-method-override", "DELETE")]),
    (Rule::MethodOverride, &[("X_HTTP_Method", "DELETE")]),
    (Rule::PathOverride, &[("x-original-url", "/admin")]),
    (Rule::PathOverride, &[("x-rewrite-url", "/admin")]),
    (Rule::HostOverride, &[("x-forwarded-host", "admin.example")]),
    (Rule::HostOverride, &[("X_Forwarded_Host", "admin.example")]),
    (Rule::HostOverride, &[("x-host", "api.example, admin.example")]),
    (Rule::HostOverride, &[("x-host", "api.example/admin")]),
    (Rule::HostOverride, &[("forwarded", "for=10.0.0.1; Host=admin.example")]),
    (Rule::HostOverride, &[("forwarded", "host=api.example, host=\"admin.example\"")]),
];

fn check(rule: Rule, facts: &RequestFacts, what: &dyn std::fmt::Debug) {
    let Err(denial) = read(facts) else { panic!("{what:?} breaks no rule") };
    assert_eq!(denial.reason, Reason::Ambiguous, "{what:?}");
    assert!(denial.detail.starts_with(&format!("{}: ", rule.name())), "{what:?}: {}", denial.detail);
    let others = Rule::ALL.iter().copied().filter(|&other| other != rule).collect();
    assert!(Reading::of(facts, &others).is_err(), "{what:?} passes without {}", rule.name());
    // `/..;/b` breaks one rule only because of what another would make of it.
    let relaxed = Reading::of(facts, &Relaxed::from_iter([rule]));
    assert!(relaxed.is_ok(), "{what:?} relaxed: {relaxed:?}");
}

#[test]
fn paths_that_can_be_read_in_two_ways() {
    for (rule, path) in PATHS {
        check(*rule, &request("GET", path, &[]), path);
    }
}

#[test]
fn headers_that_can_be_read_in_two_ways() {
    for (rule, fields) in FIELDS {
        check(*rule, &request("GET", "/", fields), fields);
    }
    let mut facts = request("GET", "/", &[]);
    facts.trailers = vec![(b"content-length".to_vec(), b"1".to_vec())];
    check(Rule::Trailers, &facts, &"trailers");
}

#[test]
fn what_policy_reads_is_read_in_one_way() {
    let cases: &[(Rule, &str, &Fields)] = &[
        (Rule::RepeatedHeaders, "/", &[("x-a", "1"), ("x-a", "1")]),
        (Rule::JoinedHeaders, "/", &[("x-a", "1, 2")]),
        (Rule::HeaderTwins, "/", &[("x_a", "1")]),
        (Rule::NotUtf8, "/", &[("x-a", "\u{1}")]),
        (Rule::QuerySemicolons, "/?a=1;b=2", &[]),
        (Rule::QueryPlus, "/?a=1+1", &[]),
        (Rule::QueryKeyCase, "/?A=1", &[]),
        (Rule::QueryKeyCase, "/?a[]=1", &[]),
        (Rule::QueryKeyCase, "/?a%5Bb%5D=1", &[]),
        (Rule::InvalidEscapes, "/?a=%", &[]),
        (Rule::DoubleEncoding, "/?a=%2541", &[]),
        (Rule::ControlCharacters, "/?a=%00", &[]),
    ];
    for (rule, path, fields) in cases {
        let reading = read(&request("GET", path, fields)).unwrap();
        let answer = reading.header("x-a").err().or_else(|| reading.query("a").err());
        let answer = answer.unwrap_or_else(|| panic!("{path} {fields:?} is read"));
        assert!(
            answer.detail.starts_with(&format!("{}: ", rule.name())),
            "{path} {fields:?}: {}",
            answer.detail
        );
    }
    let same = [
        ("x-forwarded-host", "API.example, api.example:443"),
        ("x-host", ""),
        ("x-forwarded-server", "proxy-7"),
        ("forwarded", "for=10.0.0.1;host=\"api.example\""),
    ];
    assert!(read(&request("GET", "/", &same)).is_ok(), "proxies may say which host was asked for");
    let reading = read(&request("GET", "/?%61=1&b&a=%2f%25", &[("x-l", "a, b"), ("x-l", ",c")])).unwrap();
    assert_eq!(reading.query("a"), Ok(vec!["1".into(), "/%".into()]));
    assert_eq!(reading.query("b"), Ok(vec![String::new()]));
    assert_eq!(reading.query("c"), Ok(vec![]));
    assert_eq!(reading.header_list("x-l"), Ok(vec!["a", "b", "c"]));
    assert_eq!(reading.header("x-m"), Ok(None));
}

#[test]
fn what_is_no_request_is_no_matter_of_rules() {
    let cases: &[&Fields] = &[
        &[(":authority", "")],
        &[(":authority", "me@api.example")],
        &[(":authority", "api.example:")],
        &[(":authority", "api.example:80:80")],
        &[(":authority", "api.example:99999")],
        &[(":authority", "api..example")],
        &[(":authority", "api.example/x")],
        &[(":authority", "a%70i.example")],
        &[(":authority", "[::1")],
        &[(":authority", "[::g]")],
        &[(":authority", "a"), (":authority", "a")],
        &[(":path", "*")],
        &[(":path", " /a")],
        &[(":method", "GET ")],
        &[(":scheme", " https")],
        &[(":authority", "api.example\t")],
        &[(":path", "http://api.example/")],
        &[(":path", "")],
        &[(":method", "get")],
        &[(":method", "CONNECT")],
        &[(":method", "")],
        &[(":scheme", "ftp")],
        &[("host", "other.example")],
    ];
    let all = Relaxed::from_iter(Rule::ALL.iter().copied());
    for fields in cases {
        let denial = Reading::of(&request("GET", "/", fields), &all).expect_err(&format!("{fields:?}"));
        assert_eq!(denial.reason, Reason::Ambiguous, "{fields:?}");
    }
    assert!(Reading::of(&RequestFacts::default(), &all).is_err());
}

#[test]
fn hosts_have_one_spelling() {
    let cases = [
        ("API.Example", "api.example"),
        ("api.example.", "api.example"),
        ("api.example.:443", "api.example"),
        ("127.0.0.1:8080", "127.0.0.1"),
        ("[::1]:8080", "[::1]"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
    ];
    for (authority, host) in cases {
        let reading = read(&request("GET", "/", &[(":authority", authority)])).unwrap();
        assert_eq!(reading.host, host, "{authority}");
    }
}

#[test]
fn segments_are_decoded_once() {
    let cases: &[(&str, &[&str])] = &[
        ("/", &[""]),
        ("/a/b", &["a", "b"]),
        ("/a/", &["a", ""]),
        ("/%61%2Db/%C3%A9?x=%", &["a-b", "é"]),
        ("/100%25/x", &["100%", "x"]),
        ("/a?//../;", &["a"]),
        ("/...", &["..."]),
    ];
    for (path, segments) in cases {
        assert_eq!(read(&request("GET", path, &[])).unwrap().segments, *segments, "{path}");
    }
}

#[test]
fn what_is_relaxed_stays_as_it_is_written() {
    let all = Relaxed::from_iter(Rule::ALL.iter().copied());
    let reading = Reading::of(&request("GET", "/a%2fb/../%00%ff%/%252e//;", &[]), &all).unwrap();
    assert_eq!(reading.segments, ["a%2Fb", "..", "%00%FF%", "%252e", "", ";"]);
}

#[test]
fn an_upgrade_is_refused_where_a_gate_applies() {
    let facts = request("GET", "/", &[("connection", "Upgrade"), ("upgrade", "websocket")]);
    let reading = read(&facts).unwrap();
    assert!(reading.upgrade().is_some_and(|denial| denial.detail.starts_with("upgrades: ")));
    let relaxed = Reading::of(&facts, &Relaxed::from_iter([Rule::Upgrades])).unwrap();
    assert_eq!(relaxed.upgrade(), None);
    assert_eq!(read(&request("GET", "/", &[])).unwrap().upgrade(), None);
}

#[test]
fn a_justification_is_short_text() {
    let justified = |text: &str| read(&request("GET", "/", &[("countersign-justification", text)]));
    let text = format!(" {}, é ", "x".repeat(1020));
    assert_eq!(justified(&text).unwrap().justification.as_deref(), Some(text.trim()));
    assert_eq!(justified(&"x".repeat(1025)).unwrap_err().reason, Reason::BadFact);
    assert_eq!(justified("a\u{1}b").unwrap_err().reason, Reason::Ambiguous);
}

#[test]
fn rules_are_documented() {
    let page = include_str!("../../../docs/one-reading.md");
    for rule in Rule::ALL {
        assert!(page.contains(&format!("| `{}` |", rule.name())), "{}", rule.name());
    }
}

#[test]
fn rules_are_named_in_configuration() {
    let relaxed = Relaxed::try_from(vec!["fragments".into(), "dot-segments".into()]).unwrap();
    assert_eq!(relaxed.names().collect::<Vec<_>>(), ["dot-segments", "fragments"]);
    let error = Relaxed::try_from(vec!["dots".into()]).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "unknown rule `dots` in `relax`: the rules that can be relaxed are `dot-segments`, "
        ),
        "{error}"
    );
    let error = Relaxed::try_from(vec!["charsets".into()]).unwrap_err().to_string();
    assert!(error.starts_with("the rule `charsets` in `relax` always holds"), "{error}");
}
