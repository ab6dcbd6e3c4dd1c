//! Routes that are chosen by a field of a form: the choice waits for the body, and nothing leads round it.

use countersign_core::facts::RequestFacts;
use countersign_core::routes::{Routes, Unfound};

use crate::support::{Fields, map, read, request, routes};

/// The three styles of AWS on one path, and what is left of it; then a path without a rest.
const ROUTES: &str = r#"
routes:
  - match: { host: api.example, method: POST, path: /, form: { Action: TerminateInstances } }
    action: Action::"read"
    resource: File::"terminate-{form:InstanceId.1}"
  - match: { host: api.example, method: POST, path: /, form: { Action: TerminateInstances, DryRun: "true" } }
    action: Action::"read"
    resource: File::"dry"
  - match: { host: api.example, method: POST, path: /, form: { Action: { present: true } } }
    action: Action::"read"
    resource: File::"other"
  - match: { host: api.example, path: /, query: { Action: DescribeInstances } }
    action: Action::"read"
    resource: File::"describe"
  - match: { host: api.example, method: POST, path: /, content_type: application/x-amz-json-1.1, headers: { x-amz-target: Ec2.Stop } }
    action: Action::"read"
    resource: File::"stop"
  - match: { host: api.example, path: / }
    action: Action::"read"
    resource: File::"rest"
  - match: { host: api.example, method: POST, path: /closed, form: { Action: Delete } }
    action: Action::"read"
    resource: File::"delete"
  - match: { host: api.example, path: "/{rest*}" }
    action: Action::"read"
    resource: File::"wide"
"#;

const FORM: &Fields = &[("content-type", "application/x-www-form-urlencoded")];
const JSON: &Fields = &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "Ec2.Stop")];
const TEXT: &Fields = &[("content-type", "text/plain")];

const TERMINATE: &str = "Action=TerminateInstances&InstanceId.1=i-1";
const OTHER: &str = "no_route the routes of this path are chosen by a form";

/// Method, path, fields and body, and the resource or the start of the denial.
const CASES: &[(&str, &str, &Fields, &str, &str)] = &[
    ("POST", "/", FORM, TERMINATE, "terminate-i-1"),
    (
        "POST",
        "/",
        &[("content-type", "Application/X-WWW-Form-URLencoded; charset=UTF-8")],
        TERMINATE,
        "terminate-i-1",
    ),
    ("POST", "/", FORM, "%41ction=Terminate%49nstances&InstanceId.1=i-1", "terminate-i-1"),
    ("POST", "/", FORM, "Action=TerminateInstances&DryRun=true", "dry"),
    ("POST", "/", FORM, "Action=StopInstances", "other"),
    ("POST", "/", FORM, "Action", "other"),
    ("POST", "/", FORM, "Version=1", "rest"),
    ("POST", "/", FORM, "", "rest"),
    (
        "POST",
        "/",
        FORM,
        "Action=List&Action=TerminateInstances",
        "ambiguous_request repeated-parameters: `form:Action` is there 2 times",
    ),
    (
        "POST",
        "/",
        FORM,
        "action=TerminateInstances",
        "ambiguous_request query-key-case: the form has another spelling of `Action`",
    ),
    ("POST", "/", FORM, "Action=a;b", "ambiguous_request query-semicolons: the form has a `;`"),
    (
        "POST",
        "/?Action=DescribeInstances",
        FORM,
        TERMINATE,
        "ambiguous_request repeated-parameters: `Action` is in query and form",
    ),
    (
        "POST",
        "/?Action=TerminateInstances",
        FORM,
        TERMINATE,
        "ambiguous_request repeated-parameters: `Action` is in query and form",
    ),
    (
        "POST",
        "/?action=x",
        FORM,
        TERMINATE,
        "ambiguous_request query-key-case: the query has another spelling of `Action`",
    ),
    ("POST", "/?Action=DescribeInstances", FORM, "x=1", "describe"),
    ("POST", "/?Action=DescribeInstances", &[], "", "describe"),
    ("GET", "/?Action=DescribeInstances", TEXT, "x", "describe"),
    ("POST", "/?Action=DescribeInstances", TEXT, TERMINATE, OTHER),
    ("POST", "/", JSON, "{}", "stop"),
    ("POST", "/", TEXT, TERMINATE, OTHER),
    ("POST", "/", &[], TERMINATE, OTHER),
    ("POST", "/", &[], "", "rest"),
    ("POST", "/closed", FORM, "Action=Delete", "delete"),
    ("POST", "/closed", TEXT, "Action=Delete", "no_route"),
    ("POST", "/closed", FORM, "x=1", "no_route"),
    ("GET", "/closed", &[], "", "wide"),
    (
        "POST",
        "/",
        &[("content-type", "application/x-www-form-urlencoded"), ("content-encoding", "gzip")],
        TERMINATE,
        "ambiguous_request",
    ),
    (
        "POST",
        "/",
        &[("content-type", "application/x-www-form-urlencoded; charset=utf-16")],
        TERMINATE,
        "ambiguous_request",
    ),
];

fn found(routes: &Routes, facts: &RequestFacts) -> String {
    match map(routes, facts) {
        Ok((_, mapped)) => mapped.resource.id,
        Err(denial) => format!("{} {}", denial.reason.meaning().code, denial.detail),
    }
}

#[test]
fn a_field_of_the_form_chooses_and_nothing_leads_round_it() {
    let routes = routes(ROUTES);
    for (method, path, fields, body, expected) in CASES {
        let facts = RequestFacts { body: Some(body.as_bytes().to_vec()), ..request(method, path, fields) };
        let answer = found(&routes, &facts);
        assert!(answer.starts_with(expected), "{method} {path} {fields:?} {body}: {answer}");
    }
}

#[test]
fn only_a_choice_that_needs_the_body_waits_for_it() {
    let routes = routes(ROUTES);
    let cases: &[(&str, &str, &Fields, bool)] = &[
        ("POST", "/", FORM, true),
        ("POST", "/?Action=DescribeInstances", FORM, true),
        ("POST", "/", TEXT, true),
        ("POST", "/", &[], true),
        ("POST", "/", JSON, false),
        ("GET", "/", FORM, false),
        ("POST", "/a", FORM, false),
    ];
    for (method, path, fields, waits) in cases {
        let reading = read(&request(method, path, fields)).unwrap();
        let answer = routes.find(&reading, None);
        assert_eq!(matches!(answer, Err(Unfound::NeedsBody)), *waits, "{method} {path} {fields:?}");
    }
}
