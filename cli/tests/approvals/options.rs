//! A yes to less than was asked for, and a gate that one person opens alone.

use serde_json::{Value, json};

use crate::service::{Service, TICKET, question, view};

fn service() -> (Service, String) {
    let asked = question(json!({ "text": "{\"build\":42}" })).to_string();
    (Service::with(&asked), view(&asked).hash().to_string())
}

/// What is posted when it is approved with these words.
fn posted(more: &[&str]) -> Vec<(String, Value)> {
    let (service, hash) = service();
    service.said(&[&["approve", TICKET, "--shown", &hash], more].concat());
    service.posted()
}

#[test]
fn a_yes_is_to_fewer_uses_and_for_less_time_where_that_is_said() {
    let (_, shown) = service();
    let yes =
        json!({ "kind": "approve", "shown": shown, "reason": null, "uses": null, "use_within_ms": null });
    let path = format!("/v1/requests/{TICKET}/answers");
    assert_eq!(posted(&[]), [(path, yes)]);
    for (within, ms) in
        [("90s", 90_000), ("5m", 300_000), ("1h", 3_600_000), ("1h 30m", 5_400_000), ("PT2M", 120_000)]
    {
        let body = &posted(&["--within", within, "--uses", "2", "--reason", "looks right"])[0].1;
        assert_eq!((&body["use_within_ms"], &body["uses"]), (&json!(ms), &json!(2)), "{within}");
        assert_eq!(body["reason"], "looks right");
    }
    let (service, hash) = service();
    for within in ["5", "soon", "0s", "-5m", ""] {
        let within = format!("--within={within}");
        let refused = service.refused(&["approve", TICKET, "--shown", &hash, &within], 2);
        assert!(refused.contains("is no time: write it as `90s`, `5m` or `1h`"), "{refused}");
    }
    service.refused(&["approve", TICKET, "--shown", &hash, "--uses", "many"], 2);
    assert_eq!(service.posted(), []);
}

#[test]
fn one_opens_a_gate_alone_with_a_reason_and_a_second_factor() {
    let glass = ["--break-glass", "--reason", "the site is down", "--totp", "123456", "--within", "5m"];
    let posted = posted(&glass);
    assert_eq!(posted[0], ("/v1/sessions/totp".into(), json!({ "totp": "123456" })));
    let body = &posted[1].1;
    assert_eq!((&body["kind"], &body["reason"]), (&json!("break_glass"), &json!("the site is down")));
    assert_eq!((&body["use_within_ms"], posted.len()), (&json!(300_000), 2));
    let (service, hash) = service();
    let without = service.refused(&["approve", TICKET, "--shown", &hash, "--break-glass"], 2);
    assert!(without.contains("--reason"), "{without}");
    assert_eq!(service.posted(), []);
}

#[test]
fn glass_is_broken_at_a_terminal_only_after_all_was_shown_and_confirmed() {
    let asked = question(json!({ "base64": "AP8=" })).to_string();
    let service = Service::with(&asked);
    let glass = ["approve", TICKET, "--break-glass", "--reason", "the site is down"];
    let (done, said) = service.typed(&glass, "y\n");
    assert!(!done && said.contains("not approved: what is no text was not shown"), "{said}");
    let full = [&glass[..], &["--full"]].concat();
    assert!(!service.typed(&full, "n\n").0);
    assert_eq!(service.posted(), []);
    let (done, said) = service.typed(&full, "y\n");
    assert!(done && said.contains("may be opened alone by: oncall at local"), "{said}");
    let body = &service.posted()[0].1;
    assert_eq!((&body["kind"], &body["shown"]), (&json!("break_glass"), &json!(view(&asked).hash())));
}

#[test]
fn what_is_refused_is_said_in_the_words_of_the_service() {
    let (service, hash) = service();
    let problem = json!({ "code": "second_factor_missing", "detail": "this needs the second factor" });
    service.script.lock().unwrap().refusal = Some(problem);
    let refused = service.refused(&["approve", TICKET, "--shown", &hash], 1);
    assert_eq!(refused, "this needs the second factor (second_factor_missing)\n");
}
