//! The filter that is released, configured as Envoy would.

use std::time::Duration;

use countersign_host_test::approvals::{Act, Otherwise};
use countersign_host_test::{Filter, Gateway, Level, Properties, Request, Trial, Verdict};
use serde_json::{Value, json};

use super::AT;

/// `cargo xtask test` builds the filter and names it here.
pub(crate) fn filter() -> Filter {
    let path = std::env::var("COUNTERSIGN_WASM").expect("COUNTERSIGN_WASM names no filter");
    let wasm = std::fs::read(&path).unwrap_or_else(|error| panic!("COUNTERSIGN_WASM, `{path}`: {error}"));
    Filter::load(&wasm).unwrap_or_else(|error| panic!("`{path}` {error}"))
}

fn configuration() -> Value {
    // The public key of RFC 8037, appendix A.2.
    let key = json!({ "kid": "k", "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    json!({
        "audience": "gateway",
        "bundle": { "v": 1, "files": {
            "a.cedarschema": "entity User; action read appliesTo { principal: User, resource: User };",
            "a.cedar": "@id(\"all\") permit (principal, action == Action::\"read\", resource);",
        }},
        "approval": { "cluster": "c", "authority": "a", "token": "t", "keys": [key] },
        "identity": [],
    })
}

fn errors(outcome: &Trial) -> Vec<&str> {
    outcome.log.iter().filter(|line| line.level >= Level::Error).map(|line| line.text.as_str()).collect()
}

/// One gate before everything.
pub(crate) fn gated() -> Value {
    let mut configuration = configuration();
    configuration["identity"] =
        json!([{ "kind": "header", "name": "x-user", "peers": ["10.0.0.0/8"], "type": "User" }]);
    let files = &mut configuration["bundle"]["files"];
    files["a.cedar"] = json!(
        "@id(\"all\") permit (principal, action == Action::\"read\", resource);
        @id(\"gate\") @approval(\"sre\") forbid (principal, action == Action::\"read\", resource);"
    );
    files["routes.yaml"] = json!(
        "routes:\n  - match: { host: api.example, path: / }\n    action: Action::\"read\"\n    resource: User::\"x\"\n"
    );
    files["identities.yaml"] =
        json!("people: { User: { issuer: local } }\ngroups: { sre: { issuer: local, id: sre } }\n");
    configuration
}

pub(crate) fn ask() -> Request {
    let properties = Properties::default().with(&["source", "address"], "10.0.0.1:5");
    Request { properties, ..Request::new("GET", "api.example", "/").header("x-user", "ana") }
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn people_answer_by_script() {
    let acts = |what: &str| -> Vec<Act> {
        serde_json::from_value(json!([{ "after": "3s", "do": what, "by": "bo" }])).unwrap()
    };
    let filter = filter();
    for (script, status, kind) in [
        (Otherwise::from(acts("approve")), 200, "outcome"),
        (acts("reject").into(), 403, "denied"),
        (Otherwise::ApproveAll, 200, "outcome"),
    ] {
        let gateway = Gateway::builder(&filter).configuration(gated().to_string()).at(AT);
        let mut gateway = gateway.approvals(script.clone()).start().unwrap();
        let outcome = gateway.send(ask());
        assert_eq!(outcome.status(), status, "{script:?}");
        gateway.run_for(Duration::from_secs(30));
        let approvals = gateway.approvals().unwrap();
        let record = approvals.records().iter().any(|record| record.envelope.kind == kind);
        assert!(record && approvals.tickets().len() == 1, "{script:?}");
        drop(approvals);
        // A configuration that comes later asks the same service.
        let mut later = gated();
        later["timezone"] = json!("Europe/Zurich");
        gateway.reload(later.to_string()).unwrap();
        assert_eq!(gateway.send(ask()).status(), status, "{script:?}");
        assert_eq!(gateway.approvals().unwrap().tickets().len(), 2, "{script:?}");
    }
    let refused = Gateway::builder(&filter).configuration("no JSON").approvals(Otherwise::Silence).start();
    assert!(refused.err().unwrap().to_string().contains("no JSON object"));
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn the_released_filter_judges_its_configuration() {
    let filter = filter();
    let run = |configuration: &Value| filter.configure(configuration.to_string().as_bytes(), AT, 7);
    let good = run(&configuration());
    assert_eq!((&good.verdict, errors(&good)), (&Verdict::Accepted, vec![]), "{good:?}");
    assert_eq!(good, run(&configuration()));
    let mut bad = configuration();
    bad["bundle"]["files"]["a.cedar"] = json!("\npermit (principal, action, resource);");
    let refused = run(&bad);
    assert_eq!(refused.verdict, Verdict::Refused, "{refused:?}");
    assert!(errors(&refused).iter().any(|line| line.contains("a.cedar:2")), "{refused:?}");
    let empty = filter.configure(b"", AT, 7);
    assert_eq!(empty.verdict, Verdict::Refused, "{empty:?}");
}

/// A request that nobody waits for went on when its trailers come: those that would mean something do not follow.
#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn trailers_behind_a_body_that_is_not_awaited_mean_nothing() {
    let mut open = configuration();
    open["bundle"]["files"]["a.cedar"] = json!("@id(\"all\") permit (principal, action, resource);");
    open["bundle"]["files"]["routes.yaml"] = json!(
        "routes:\n  - { match: { host: api.test, path: /upload }, action: 'Action::\"read\"', resource: 'User::\"it\"' }\n"
    );
    open["identity"] =
        json!([{ "kind": "header", "name": "x-user", "peers": ["0.0.0.0/0"], "type": "User" }]);
    let sent = |configuration: &Value| {
        let filter = filter();
        let builder = Gateway::builder(&filter).configuration(configuration.to_string()).workers(1).at(AT);
        let mut gateway = builder.start().unwrap();
        let mut request =
            Request::new("POST", "api.test", "/upload").header("x-user", "ana").part("x".repeat(100));
        request.properties = Properties::default().with(&["source", "address"], "10.0.0.1:5");
        let trailers = [("x-http-method-override", "DELETE"), ("x-checksum", "7"), ("content-type", "a/b")];
        request.trailers = trailers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let outcome = gateway.send(request);
        assert_eq!(outcome.status(), 200, "{outcome:?}");
        let trailers = outcome.forwarded.unwrap().trailers;
        trailers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sent(&open), ["x-checksum"]);
    open["relax"] = json!(["trailers"]);
    assert_eq!(sent(&open), ["x-http-method-override", "x-checksum", "content-type"]);
}
