//! The released filter with an approval service whose signing key changes, and with somebody who opens a gate alone.

use std::time::Duration;

use countersign_host_test::approvals::{Act, Otherwise};
use countersign_host_test::{Filter, Gateway, Outcome};
use countersign_protocol::recording::{Fault, Operation, Trouble};
use serde_json::{Value, json};

use super::AT;
use super::released::{ask, filter, gated};

fn acts(acts: Value) -> Otherwise {
    Otherwise::from(serde_json::from_value::<Vec<Act>>(acts).unwrap())
}

fn yes() -> Otherwise {
    acts(json!([{ "after": "1s", "do": "approve", "by": "bo" }]))
}

fn refreshing(every: &str) -> Value {
    let mut configuration = gated();
    configuration["approval"]["refresh"] = json!({ "every": every });
    configuration
}

fn start(filter: &Filter, configuration: &Value, script: Otherwise) -> Gateway {
    let builder = Gateway::builder(filter).configuration(configuration.to_string()).at(AT);
    builder.approvals(script).start().unwrap()
}

fn rotate(gateway: &Gateway) {
    gateway.approvals().unwrap().rotate();
}

fn seconds(outcome: &Outcome) -> u64 {
    (outcome.at - outcome.began).as_secs()
}

/// The records of a kind, in order.
fn records(gateway: &Gateway, kind: &str) -> Vec<Value> {
    let approvals = gateway.approvals().unwrap();
    let records = approvals.records().iter().filter(|record| record.envelope.kind == kind);
    records.map(|record| serde_json::from_str(&record.line).unwrap()).collect()
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn a_key_that_a_pinned_one_endorsed_opens_and_stays_through_a_reload() {
    let filter = filter();
    let mut gateway = start(&filter, &refreshing("1m"), yes());
    assert_eq!(gateway.send(ask()).status(), 200);
    for _ in 0..2 {
        rotate(&gateway);
        gateway.run_for(Duration::from_secs(61));
        let outcome = gateway.send(ask());
        assert_eq!((outcome.status(), seconds(&outcome)), (200, 1));
    }
    gateway.run_for(Duration::from_secs(2));
    let held = records(&gateway, "keys").into_iter().filter(|record| record["lane"] == "held");
    let known: Vec<_> = held.map(|record| record["sources"][0]["keys"].as_array().unwrap().len()).collect();
    assert_eq!(known, [1, 2, 3]);
    assert_eq!(records(&gateway, "keys")[0]["sources"][0]["source"], "approval:https://approvals.test");
    assert_eq!(records(&gateway, "grant_refused"), Vec::<Value>::new());

    // The service gives its keys no more, and what was fetched is there at once under other settings.
    let trouble = Trouble { from: Default::default(), to: None, is: Fault::Down, on: vec![Operation::Keys] };
    let now = gateway.now();
    gateway.approvals().unwrap().fail(vec![trouble], now);
    let mut later = refreshing("2m");
    later["timezone"] = json!("Europe/Zurich");
    gateway.reload(later.to_string()).unwrap();
    assert_eq!(gateway.send(ask()).status(), 200);
    assert_eq!(gateway.failures().len(), 0);
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn a_grant_by_a_new_key_waits_within_its_hold_for_the_keys_to_be_fetched() {
    let filter = filter();
    let mut gateway = start(&filter, &refreshing("1d"), yes());
    assert_eq!(gateway.send(ask()).status(), 200);
    rotate(&gateway);
    let outcome = gateway.send(ask());
    assert_eq!(outcome.status(), 200, "{outcome:?}");
    assert!((2..=11).contains(&seconds(&outcome)), "{}", seconds(&outcome));
    gateway.run_for(Duration::from_secs(2));
    assert_eq!(records(&gateway, "grant_refused"), Vec::<Value>::new());

    // Nothing is fetched: the hold ends, and that the grant could not be read is on record.
    for configuration in [refreshing("1d"), gated()] {
        let mut gateway = start(&filter, &configuration, yes());
        let trouble =
            Trouble { from: Default::default(), to: None, is: Fault::Error, on: vec![Operation::Keys] };
        gateway.approvals().unwrap().fail(vec![trouble], AT);
        rotate_after_pin(&mut gateway);
        let outcome = gateway.send(ask());
        assert_eq!((outcome.status(), seconds(&outcome)), (403, 25));
        gateway.run_for(Duration::from_secs(2));
        assert_eq!(records(&gateway, "grant_refused")[0]["code"], "unknown_key");
        assert_eq!(gateway.failures().len(), 0);
    }
}

fn rotate_after_pin(gateway: &mut Gateway) {
    assert_eq!(gateway.send(ask()).status(), 200);
    rotate(gateway);
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn one_opens_alone_what_takes_two_and_it_is_counted_and_on_record() {
    let mut configuration = gated();
    let files = &mut configuration["bundle"]["files"];
    let policies = files["a.cedar"].as_str().unwrap();
    files["a.cedar"] = json!(
        policies.replace("@approval(\"sre\")", "@approval(\"sre\") @quorum(\"2\") @break_glass(\"oncall\")")
    );
    files["identities.yaml"] = json!(
        "people: { User: { issuer: local } }\ngroups: { sre: { issuer: local, id: sre }, oncall: { issuer: local, id: pager } }\n"
    );
    let script = acts(json!([
        { "after": "1s", "do": "break_glass", "by": "bo", "groups": ["sre"], "reason": "down" },
        { "after": "2s", "do": "break_glass", "by": "cy", "reason": "the site is down" },
    ]));
    let filter = filter();
    let mut gateway = start(&filter, &configuration, script);
    let outcome = gateway.send(ask());
    assert_eq!((outcome.status(), seconds(&outcome)), (200, 2));
    gateway.run_for(Duration::from_secs(2));
    for kind in ["claim", "forwarded"] {
        let glass = &records(&gateway, kind)[0]["break_glass"];
        let person = json!({ "issuer": "local", "subject": "cy" });
        assert_eq!(*glass, json!([{ "gate": "gate", "person": person, "reason": "the site is down" }]));
    }
    assert_eq!(gateway.metric("countersign_break_glass_total"), Some(1));
}
