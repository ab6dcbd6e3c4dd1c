//! GraphQL: each root field of each operation is a question, whatever aliases, fragments and variables make of it.

use countersign_core::denial::Denial;
use countersign_core::facts::RequestFacts;
use countersign_core::routes::{Mapped, Routes, Unfound};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Fields, read, request, routes};

const ROUTES: &str = r#"
routes:
  - match: { host: api.example, path: "/{tenant}/graphql" }
    graphql:
      query.*: { action: Action::"read", resource: 'File::"{field}"' }
      query.__schema: { action: Action::"read", resource: File::"schema" }
      query.user: { action: Action::"read", resource: 'User::"{path.tenant}/{arg:/id}"' }
      mutation.tag:
        action: Action::"tag"
        resource: File::"{arg:/input/file}"
        parents: Org::"{path.tenant}"
        context:
          note: { from: "arg:/note", type: String, optional: true }
          tags: { from: "arg:/input/tags", type: Set<String>, optional: true }
          levels: { from: "arg:/levels", type: Set<Long>, optional: true }
      mutation.deleteUser: { action: Action::"read", resource: 'User::"{arg:/id}"' }
      subscription.orders: { action: Action::"read", resource: File::"orders" }
"#;

const JSON: &Fields = &[("content-type", "application/json")];

const POST: &str = r#"{"query": "{a}"}"#;

/// Method, path, fields and body, and the resources or the start of the denial.
const PLACES: &[(&str, &str, &Fields, &str, &str)] = &[
    ("GET", "/acme/graphql?query=%7Ba%20b%7D", &[], "", "File::\"a\" File::\"b\""),
    (
        "GET",
        "/acme/graphql?query=query(%24i%3AID)%7Buser(id%3A%24i)%7D&variables=%7B%22i%22%3A7%7D",
        &[],
        "",
        "User::\"acme/7\"",
    ),
    ("GET", "/acme/graphql?query=mutation%7BdeleteUser(id%3A1)%7D", &[], "", "User::\"1\""),
    ("GET", "/acme/graphql", &[], "", "bad_message there is no document in `query`"),
    (
        "GET",
        "/acme/graphql?query=%7Ba%7D&query=%7Bb%7D",
        &[],
        "",
        "ambiguous_request repeated-parameters: `query:query`",
    ),
    ("GET", "/acme/graphql?query=%7Ba%7D&Query=%7Bb%7D", &[], "", "ambiguous_request query-key-case"),
    ("GET", "/acme/graphql?query={a+b}", &[], "", "ambiguous_request"),
    ("GET", "/acme/graphql?documentId=x", &[], "", "bad_message the document is kept"),
    ("GET", "/acme/graphql?query=%7Ba%7D&operationId=x", &[], "", "bad_message a request has no member"),
    ("GET", "/acme/graphql?query=%7Ba%7D&%20query=%7Bb%7D", &[], "", "ambiguous_request query-key-case"),
    ("GET", "/acme/graphql?query=%7Ba%7D", JSON, POST, "bad_message a GET has no body"),
    (
        "POST",
        "/acme/graphql?query=%7Bb%7D",
        JSON,
        POST,
        "ambiguous_request repeated-parameters: `query` in the query of a POST",
    ),
    ("POST", "/acme/graphql", JSON, POST, "File::\"a\""),
    ("POST", "/acme/graphql", &[("content-type", "application/graphql-response+json")], POST, "File::\"a\""),
    (
        "POST",
        "/acme/graphql",
        &[("content-type", "application/graphql")],
        "{a}",
        "bad_fact `content-type` is not JSON",
    ),
    (
        "POST",
        "/acme/graphql",
        &[("content-type", "application/x-www-form-urlencoded")],
        "query={a}",
        "bad_fact `content-type` is not JSON",
    ),
    ("POST", "/acme/graphql", &[], POST, "bad_fact `content-type` is not JSON"),
    ("POST", "/acme/graphql", JSON, "", "bad_fact"),
    ("PUT", "/acme/graphql", JSON, POST, "no_route"),
];

#[derive(Deserialize)]
struct Case {
    /// The document, when the request holds nothing else; else the whole body.
    query: Option<String>,
    body: Option<Value>,
    #[serde(default)]
    variables: Value,
    /// The resources of the parts, in their order.
    #[serde(default)]
    parts: Vec<String>,
    /// The start of code and detail of the denial, if it is denied.
    denied: Option<String>,
    /// The context of the last part.
    context: Option<Value>,
}

fn parts(routes: &Routes, facts: &RequestFacts) -> Result<Vec<Mapped>, Denial> {
    let reading = read(facts)?;
    let target = match routes.find(&reading, facts.body.as_deref()) {
        Ok(target) => target,
        Err(Unfound::Denied(denial)) => return Err(denial),
        Err(Unfound::NeedsBody) => panic!("a document does not choose the route"),
    };
    assert!(target.needs_body());
    let parts = target.map(&reading, facts.body.as_deref())?;
    Ok(std::iter::once(parts.first).chain(parts.more).collect())
}

fn posted(body: &Value) -> RequestFacts {
    RequestFacts { body: Some(body.to_string().into_bytes()), ..request("POST", "/acme/graphql", JSON) }
}

fn told(denial: &Denial) -> String {
    format!("{} {}", denial.reason.meaning().code, denial.detail)
}

#[test]
fn each_root_field_is_a_part() {
    let routes = routes(ROUTES);
    let cases: Vec<Case> = serde_json::from_str(include_str!("graphql/cases.json")).unwrap();
    for case in cases {
        let body = case.body.unwrap_or_else(|| json!({"query": case.query, "variables": case.variables}));
        let answer = parts(&routes, &posted(&body));
        match (answer, case.denied) {
            (Err(denial), Some(expected)) => {
                let told = told(&denial).replace("routes.yaml:3: ", "");
                assert!(told.starts_with(&expected), "{body}: {told}");
            }
            (Ok(parts), None) => {
                let resources: Vec<_> = parts.iter().map(|part| part.resource.to_string()).collect();
                assert_eq!(resources, case.parts, "{body}");
                if let Some(expected) = case.context {
                    let context = &parts.last().unwrap().context;
                    let context = context.iter().map(|(name, value)| (name.clone(), value.to_json()));
                    assert_eq!(Value::Object(context.collect()), expected, "{body}");
                }
            }
            (answer, expected) => panic!("{body}: {answer:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_document_may_be_in_the_query_of_a_get_and_nowhere_else() {
    let routes = routes(ROUTES);
    for (method, path, fields, body, expected) in PLACES {
        let facts = RequestFacts { body: Some(body.as_bytes().to_vec()), ..request(method, path, fields) };
        let answer = match parts(&routes, &facts) {
            Ok(parts) => parts.iter().map(|part| part.resource.to_string()).collect::<Vec<_>>().join(" "),
            Err(denial) => told(&denial).replace("routes.yaml:3: ", ""),
        };
        assert!(answer.starts_with(expected), "{method} {path} {body}: {answer}");
    }
}

/// What a document could do to a stack or a clock.
#[test]
fn what_is_deep_or_wide_is_bounded_on_a_small_stack() {
    let hostile = || {
        let routes = routes(ROUTES);
        let many = |unit: &str, n: usize| unit.repeat(n);
        let chain: String = (0..500).map(|n| format!("fragment f{n} on Q {{ ...f{} }} ", n + 1)).collect();
        let documents = [
            many("{", 100_000),
            many("{a", 100_000),
            format!("{{ a(b: {}", many("[", 100_000)),
            format!("{{ a(b: {}", many("{c:", 100_000)),
            format!("query ($a: {}", many("[", 100_000)),
            format!("{{ a(b: \"\"\"{}", many("[", 100_000)),
            format!("{{ a {} }}", many("@d(e: 1) ", 4_900)),
            format!("{{ a {{ {} }} }}", many("b ", 9_900)),
            format!("{{ a(b: [{}]) }}", many("1 ", 9_900)),
            format!("query ({}) {{ a }}", (0..2_000).map(|n| format!("$v{n}:Int ")).collect::<String>()),
            format!("union U = {}", many("| A ", 4_900)),
            format!("enum E {{ {} }}", many("A ", 9_900)),
            format!("type T implements {} {{ a: A }}", many("& A ", 4_900)),
            many("#\n", 100_000),
            many("{a}", 6_000),
            format!("{{ ...f0 }} {chain} fragment f500 on Q {{ a }}"),
            format!("{{ {} }}", many("... { ", 30) + "a" + &many("}", 30)),
            format!("{{ a {} }}", many("b ", 100_000)),
            "\u{feff}{a}".into(),
            "{ a(b: \"\\u{110000}\") }".into(),
            "{ a(b: \"\\ud800\") }".into(),
            "{ a(b: \"\\".into(),
        ];
        for document in documents {
            if let Ok(parts) = parts(&routes, &posted(&json!({"query": document}))) {
                assert!(parts.len() <= 32);
            }
        }
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(hostile).unwrap().join().unwrap();
}

/// A field with its alias and arguments: as a client would write it, and the resource that it is.
fn field() -> impl Strategy<Value = (String, String)> {
    let alias = prop::option::of("[a-z]{1,4}");
    (alias, "[a-z]{3,6}", 0..100_i64, any::<bool>()).prop_map(|(alias, name, id, user)| {
        let alias = alias.map(|alias| format!("{alias}: ")).unwrap_or_default();
        match user {
            true => (format!("{alias}user(id: {id}) {{ name }}"), format!("User::\"acme/{id}\"")),
            false => (format!("{alias}{name}x"), format!("File::\"{name}x\"")),
        }
    })
}

proptest! {
    /// The same fields under other names, in fragments or in operations of their own, are the same questions.
    #[test]
    fn aliases_fragments_and_operations_change_nothing(all in prop::collection::vec((field(), 0..4_usize), 1..8)) {
        let (mut plain, mut fragments, mut operations) = (String::new(), String::new(), String::new());
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for (number, ((text, resource), way)) in all.iter().enumerate() {
            match way {
                0 => plain += &format!(" {text} "),
                1 => plain += &format!(" ... on Query @include(if: false) {{ {text} }} "),
                2 => {
                    plain += &format!(" ...f{number} ");
                    fragments += &format!(" fragment f{number} on Query {{ {text} }} ");
                }
                _ => operations += &format!(" query q{number} {{ {text} }} "),
            }
            if *way == 3 { others.push(resource.clone()) } else { own.push(resource.clone()) }
        }
        let main = if own.is_empty() { String::new() } else { format!("query main {{ {plain} }}") };
        let body = json!({"query": format!("{main}{operations}{fragments}"), "operationName": "main"});
        let answer = parts(&routes(ROUTES), &posted(&body)).unwrap();
        let resources: Vec<_> = answer.iter().map(|part| part.resource.to_string()).collect();
        prop_assert_eq!(resources, [own, others].concat());
    }

    /// No document does harm.
    #[test]
    fn no_document_panics(document in "([a-z$@!|&=:{}()\\[\\]\" \\\\u0-9.#,-]|\\.\\.\\.|query|mutation|fragment|on|\"\"\"|\u{e9}){0,60}") {
        let _ = parts(&routes(ROUTES), &posted(&json!({"query": document, "variables": {"a": 1}})));
    }
}

#[test]
fn what_is_used_often_counts_as_often() {
    let numbers = "1 ".repeat(300);
    let uses = "$v ".repeat(100);
    let values: Vec<_> = (0..400).collect();
    let operations: String = (0..20).map(|number| format!("query q{number} {{ ...f }} ")).collect();
    for (query, variables, denied) in [
        (format!("query ($v: [Int]) {{ a(x: [{uses}]) }}"), json!({ "v": values }), true),
        (format!("query ($v: [Int]) {{ a(x: [{uses}]) }}"), json!({ "v": [1, 2] }), false),
        (
            format!("{operations} fragment f on Q {{ a(x: [{numbers} {numbers} {numbers} {numbers}]) }}"),
            json!({}),
            true,
        ),
        (format!("{operations} fragment f on Q {{ a(x: [{numbers}]) }}"), json!({}), false),
    ] {
        let mut facts = request("POST", "/acme/graphql", JSON);
        facts.body = Some(json!({ "query": query, "variables": variables }).to_string().into_bytes());
        let said = parts(&routes(ROUTES), &facts);
        assert_eq!(
            said.is_err_and(|denial| denial.detail.contains("too many values")),
            denied,
            "{query:.60}"
        );
    }
}
