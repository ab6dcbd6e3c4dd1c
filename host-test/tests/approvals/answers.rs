//! What people do, and what comes of it.

use countersign_protocol::jws::JwsError;
use serde_json::{Value, json};

use crate::bench::{AT, Bench, digest_of, gate, question};

fn ask(bench: &mut Bench, question: &Value) {
    assert_eq!(bench.ask_again(1, question)["result"], "open");
}

#[test]
fn a_yes_becomes_a_grant() {
    let mut bench = Bench::scripted(json!([{ "after": "3s", "do": "approve", "by": "ada" }]));
    let ticket = bench.ask();
    let poll = bench.wait(0);
    bench.until(2_999);
    assert!(bench.heard(poll).is_none());
    bench.until(3_000);
    let verdict = bench.reply(poll).body["verdicts"][0].clone();
    assert_eq!((&verdict["state"], &verdict["ticket"]), (&json!("approved"), &json!(ticket)));
    let grant = bench.grant(&verdict).unwrap();
    let seconds = i64::try_from(AT / 1000).unwrap();
    assert_eq!((grant.iat, grant.nbf, grant.exp), (seconds + 3, seconds + 3, seconds + 603));
    assert_eq!((grant.iss.as_str(), grant.aud.as_str()), (bench.service.issuer(), bench.service.audience()));
    assert_eq!((grant.digest, grant.uses, grant.asked_at), (digest_of(1), 1, seconds * 1000));
    assert_eq!(grant.answers[0].person.issuer, "https://people.test");
    assert_eq!(grant.answers[0].person.subject, "ada");
    assert_eq!(bench.events(), ["asked", "approve", "approved"]);
}

#[test]
fn a_no_ends_it_with_a_reason() {
    let mut bench = Bench::scripted(json!([
        { "after": "1s", "do": "reject", "reason": "not on a Sunday" },
        { "after": "2s", "do": "approve", "by": "ada" },
    ]));
    bench.ask();
    let verdict = bench.verdict();
    assert_eq!((&verdict["state"], &verdict["reason"]), (&json!("rejected"), &json!("not on a Sunday")));
    assert_eq!(verdict["grant"], json!(null));
    assert_eq!(bench.events(), ["asked", "reject", "refused already_rejected"]);
}

#[test]
fn only_those_who_may_count() {
    let cases = [
        (json!({ "by": "oda" }), "self_approval"),
        (json!({ "issuer": "https://elsewhere.test" }), "identity_not_comparable"),
        (json!({ "groups": ["dba"] }), "not_in_group"),
        (json!({ "groups": [] }), "not_in_group"),
        (json!({ "groups": ["dba"], "amr": ["pwd"] }), "not_in_group"),
        (json!({ "amr": ["pwd"] }), "second_factor_missing"),
    ];
    for (person, code) in cases {
        let mut act = json!({ "after": "1s", "do": "approve" });
        act.as_object_mut().unwrap().append(person.clone().as_object_mut().unwrap());
        let mut bench = Bench::scripted(json!([act]));
        let mut severe = question();
        severe["terms"]["severity"] = json!("high");
        ask(&mut bench, &severe);
        assert_eq!(bench.verdict(), json!(null), "{person}");
        assert_eq!(bench.events(), ["asked".to_owned(), format!("refused {code}")]);
        let refused = &bench.service.happened()[1];
        assert_eq!(refused.detail.as_deref(), Some("approve"));
    }
}

#[test]
fn a_quorum_takes_different_people() {
    let mut bench = Bench::scripted(json!([
        { "after": "1s", "do": "approve", "by": "ada" },
        { "after": "2s", "do": "approve", "by": "ada" },
        { "after": "3s", "do": "reject", "by": "ada" },
        { "after": "4s", "do": "approve", "by": "ben", "groups": ["sre"] },
        { "after": "5s", "do": "approve", "by": "cyd", "groups": ["sre"] },
        { "after": "6s", "do": "approve", "by": "dan", "groups": ["dba"] },
    ]));
    let mut both = question();
    both["gates"] = json!([gate("sre", 2), gate("dba", 1)]);
    ask(&mut bench, &both);
    let poll = bench.wait(0);
    bench.until(4_999);
    assert!(bench.heard(poll).is_none());
    bench.until(5_000);
    let verdict = bench.reply(poll).body["verdicts"][0].clone();
    let grant = bench.grant(&verdict).unwrap();
    let people: Vec<_> = grant.answers.iter().map(|answer| answer.person.subject.as_str()).collect();
    assert_eq!(
        people,
        ["ada", "ben", "cyd"],
        "ada is in both groups, so it is she who fills the place of `dba`"
    );
    bench.until(10_000);
    let events = bench.events();
    assert_eq!(events[2], "refused already_answered");
    assert_eq!(events[6..], ["refused already_approved".to_owned()]);
}

#[test]
fn one_who_breaks_the_glass_needs_no_others() {
    let mut bench = Bench::scripted(json!([
        { "after": "1s", "do": "break_glass", "by": "ada" },
        { "after": "2s", "do": "break_glass", "by": "ada", "groups": ["sre"], "reason": "down" },
        { "after": "3s", "do": "break_glass", "by": "ada", "amr": ["pwd"], "reason": "down" },
        { "after": "4s", "do": "approve", "by": "ben", "groups": ["oncall"] },
        { "after": "5s", "do": "break_glass", "by": "ada", "reason": "down" },
    ]));
    let mut glazed = question();
    glazed["gates"] = json!([gate("sre", 2)]);
    glazed["gates"][0]["break_glass"] =
        json!({ "group": { "issuer": "https://people.test", "id": "pager" }, "group_name": "oncall" });
    ask(&mut bench, &glazed);
    let verdict = bench.verdict();
    let grant = bench.grant(&verdict).unwrap();
    let answer = &grant.answers[0];
    assert_eq!((grant.answers.len(), answer.break_glass.as_deref()), (1, Some("down")));
    assert_eq!((answer.person.subject.as_str(), answer.groups[0].group.id.as_str()), ("ada", "pager"));
    let events = [
        "asked",
        "refused break_glass_needs_reason",
        "refused not_in_group",
        "refused second_factor_missing",
        "refused not_in_group",
        "break_glass",
        "approved",
    ];
    assert_eq!(bench.events(), events);
}

#[test]
fn a_flag_asks_for_one_more() {
    let mut bench = Bench::scripted(json!([
        { "after": "1s", "do": "flag", "by": "ada" },
        { "after": "2s", "do": "approve", "by": "ada" },
        { "after": "3s", "do": "approve", "by": "ben" },
        { "after": "4s", "do": "approve", "by": "cyd" },
    ]));
    bench.ask();
    let verdict = bench.verdict();
    let grant = bench.grant(&verdict).unwrap();
    assert_eq!(grant.flaggers[0].subject, "ada");
    assert_eq!(grant.answers.len(), 2);
    assert_eq!(
        bench.events(),
        ["asked", "flag", "refused already_answered", "approve", "approve", "approved"]
    );
}

#[test]
fn a_yes_can_be_taken_back_before_it_is_used() {
    let mut bench = Bench::scripted(json!([
        { "after": "1s", "do": "revoke", "by": "ada" },
        { "after": "2s", "do": "approve", "by": "ada" },
        { "after": "3s", "do": "revoke", "by": "ben", "groups": ["dba"] },
        { "after": "4s", "do": "revoke", "by": "ben", "reason": "wrong build" },
    ]));
    let grant = bench.approved();
    let poll = bench.wait(1);
    let verdict = bench.reply(poll).body["verdicts"][0].clone();
    assert_eq!((&verdict["state"], &verdict["reason"]), (&json!("revoked"), &json!("wrong build")));
    let claim = bench.claim(&grant);
    let lost = bench.post("/v1/claims", &claim).body;
    assert_eq!(
        (&lost["items"][0]["result"], &lost["items"][0]["state"]),
        (&json!("lost"), &json!("revoked"))
    );
    assert_eq!(bench.events()[1], "refused already_pending");
    assert_eq!(bench.events()[4], "refused not_in_group");
}

#[test]
fn a_forged_yes_has_the_right_name_and_another_key() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "forge" }]));
    bench.ask();
    let verdict = bench.verdict();
    assert_eq!(bench.grant(&verdict).unwrap_err(), JwsError::BadSignature);
    assert_eq!(bench.events(), ["asked", "false_grant forge", "approved"]);
}

#[test]
fn a_late_yes_has_lapsed_and_is_right_in_all_else() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "late", "by": "ada" }]));
    let mut two = question();
    two["gates"] = json!([gate("sre", 2)]);
    ask(&mut bench, &two);
    let verdict = bench.verdict();
    let grant = bench.grant(&verdict).unwrap();
    let seconds = i64::try_from(AT / 1000).unwrap();
    assert_eq!((grant.exp, grant.exp - grant.iat), (seconds, 600));
    assert_eq!(grant.answers.len(), 2, "as many as it takes");
    assert_ne!(grant.answers[0].id, grant.answers[1].id);
    let claim = bench.claim(&grant);
    let won = bench.post("/v1/claims", &claim).body;
    assert_eq!(won["items"][0]["result"], "won", "only the filter knows better: {won}");
}

#[test]
fn a_replayed_yes_is_one_to_another_request() {
    let acts = json!([{ "after": "1s", "do": "replay" }]);
    let mut bench = Bench::scripted(acts.clone());
    let ticket = bench.ask();
    let verdict = bench.verdict();
    let made_up = bench.grant(&verdict).unwrap();
    assert_eq!(made_up.ticket.to_string(), ticket);
    assert_ne!(made_up.digest, digest_of(1), "only the digest shows it");

    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "approve" }]));
    bench.expect(acts, json!([]));
    let given = bench.approved();
    bench.ask_again(2, &question());
    let poll = bench.wait(1);
    bench.until(bench.now + 2_000);
    let verdict = bench.reply(poll).body["verdicts"][0].clone();
    assert_eq!(verdict["digest"], json!(digest_of(2)));
    assert_eq!(bench.grant(&verdict).unwrap(), given);
}

#[test]
fn a_yes_alone_rests_on_one_answer_whatever_the_rules_say() {
    let mut bench = Bench::scripted(json!([
        { "after": "1s", "do": "flag", "by": "dora" },
        { "after": "2s", "do": "alone", "by": "ada", "groups": ["sales"], "amr": ["pwd"] },
    ]));
    let mut two = question();
    two["gates"] = json!([gate("sre", 2)]);
    ask(&mut bench, &two);
    let verdict = bench.verdict();
    let grant = bench.grant(&verdict).unwrap();
    assert_eq!((grant.answers.len(), grant.flaggers.len()), (1, 1));
    assert_eq!(grant.answers[0].groups[0].group.id, "sales");
    let claim = bench.claim(&grant);
    assert_eq!(bench.post("/v1/claims", &claim).body["items"][0]["result"], "won");
}

#[test]
fn a_yes_for_elsewhere_names_another_gateway() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "elsewhere" }]));
    bench.ask();
    let verdict = bench.verdict();
    let grant = bench.grant(&verdict).unwrap();
    assert_eq!(grant.aud, format!("not-{}", bench.service.audience()));
    assert_eq!(grant.digest, digest_of(1));
}
