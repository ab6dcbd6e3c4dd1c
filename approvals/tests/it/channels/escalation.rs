//! Who is told when nobody answers, when somebody doubts, when glass is broken, and when nobody was told at all.

use countersign_approvals::GroupChange;
use serde_json::json;

use super::receiver::Receiver;
use super::{Configured, SECRET, events, until};
use crate::harness::{Service, gate, question, with_gates};
use crate::inbox::browse;

/// A channel for sre, one for dba that escalations go to, and one that a policy names.
async fn told() -> (Receiver, Service) {
    let receiver = Receiver::start().await;
    let channel = |name: &str, more: &str| {
        let url = &receiver.url;
        format!(
            "[channels.{name}]\nkind = \"webhook\"\n{more}\nurl = \"{url}/{name}\"\nsecrets = [{{ file = \"s\" }}]\n"
        )
    };
    let text = "[escalation]\nafter = \"10m\"\nto = [{ group = \"dba\" }]\n".to_owned()
        + &channel("sre", "groups = [\"sre\"]")
        + &channel("dba", "groups = [\"dba\"]")
        + &channel("night", "gate_channels = [\"#night\"]");
    let service = Service::told(&Configured::new(&text, &[("s", SECRET)]).read()).await;
    (receiver, service)
}

/// What each channel was told, in order.
fn told_where(receiver: &Receiver) -> Vec<String> {
    let one = |got: super::receiver::Got| {
        let event = got.json()["type"].as_str().unwrap().replace("request.", "");
        format!("{} {event}", got.path.trim_start_matches('/'))
    };
    receiver.got().into_iter().map(one).collect()
}

async fn all(receiver: &Receiver, expected: &[&str]) {
    let mut expected: Vec<_> = expected.iter().map(|text| (*text).to_owned()).collect();
    expected.sort();
    until(&format!("{expected:?}"), async || {
        let mut told = told_where(receiver);
        told.sort();
        assert!(told.len() <= expected.len(), "{told:?} and not {expected:?}");
        (told == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_has_no_answer_for_long_goes_to_others_and_so_does_all_that_follows() {
    let (receiver, service) = told().await;
    let ticket = service.open(question()).await;
    all(&receiver, &["sre asked"]).await;
    // Ten minutes later.
    let due = "SELECT count(*) FROM reach JOIN tickets ON id = ticket WHERE escalate_at = asked_at + 600000";
    assert_eq!(service.count(due).await, 1);
    service.sql("UPDATE reach SET escalate_at = 1").await;
    service.show(&ticket).await;
    all(&receiver, &["sre asked", "sre escalated", "dba escalated"]).await;
    let ada = service.log_in("ada").await;
    service.answer(&ada, &ticket, "reject").await;
    all(&receiver, &["sre asked", "sre escalated", "dba escalated", "sre reject", "dba reject"]).await;
    assert_eq!(events(&service.show(&ticket).await), ["asked", "escalated", "reject"]);
}

#[tokio::test]
async fn what_has_an_answer_is_not_escalated() {
    let (receiver, service) = told().await;
    let ticket = service.open(question()).await;
    let ada = service.log_in("ada").await;
    service.answer(&ada, &ticket, "reject").await;
    service.sql("UPDATE reach SET escalate_at = 1").await;
    service.show(&ticket).await;
    all(&receiver, &["sre asked", "sre reject"]).await;
    until("it is forgotten", async || {
        (service.count("SELECT count(*) FROM reach WHERE escalate_at IS NOT NULL").await == 0).then_some(())
    })
    .await;
    assert_eq!(events(&service.show(&ticket).await), ["asked", "reject"]);
}

#[tokio::test]
async fn one_approval_of_two_is_no_answer_yet() {
    let (receiver, service) = told().await;
    let ticket = service.open(with_gates(&[gate("sre", 2)])).await;
    let (ada, bob) = (service.log_in("ada").await, service.log_in("bob").await);
    service.answer(&ada, &ticket, "approve").await;
    service.sql("UPDATE reach SET escalate_at = 1").await;
    service.show(&ticket).await;
    all(&receiver, &["sre asked", "sre approve", "sre escalated", "dba escalated"]).await;
    service.answer(&bob, &ticket, "approve").await;
    let both = ["sre approve", "sre approved", "dba approve", "dba approved"];
    let before = ["sre asked", "sre approve", "sre escalated", "dba escalated"];
    all(&receiver, &[before, both].concat()).await;
    assert_eq!(
        events(&service.show(&ticket).await),
        ["asked", "approve", "escalated", "approve", "approved"]
    );
}

#[tokio::test]
async fn a_flag_goes_to_them_at_once() {
    let (receiver, service) = told().await;
    let ticket = service.open(question()).await;
    let ada = service.log_in("ada").await;
    service.answer(&ada, &ticket, "flag").await;
    all(&receiver, &["sre asked", "sre flag", "dba flag"]).await;
}

#[tokio::test]
async fn broken_glass_is_told_to_those_who_may_break_it_too() {
    let (receiver, service) = told().await;
    let mut gate = gate("sre", 2);
    gate["break_glass"] = json!({ "group": { "issuer": "local", "id": "dba" }, "group_name": "dba" });
    let ticket = service.open(with_gates(&[gate])).await;
    let dan = service.proven("dan").await;
    let shown = service.get(&format!("/v1/requests/{ticket}"), &dan).await.body["shown"].clone();
    let body = json!({ "kind": "break_glass", "reason": "The site is down", "shown": shown });
    service.post(&format!("/v1/requests/{ticket}/answers"), &dan, body).await;
    let ada = service.log_in("ada").await;
    service.post(&format!("/v1/requests/{ticket}/review"), &ada, json!({ "note": "It was an outage" })).await;
    let told = ["asked", "broke_glass", "approved", "reviewed"];
    let both: Vec<_> = told.iter().map(|event| format!("sre {event}")).collect();
    let both: Vec<_> = both.into_iter().chain(told[1..].iter().map(|event| format!("dba {event}"))).collect();
    all(&receiver, &both.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_policy_says_where_to_ask() {
    let (receiver, service) = told().await;
    for (channel, told) in [("#night", "night asked"), ("dba", "dba asked"), ("#nowhere", "sre asked")] {
        let before = receiver.got().len();
        let mut gate = gate("sre", 1);
        gate["channel"] = json!(channel);
        service.open(with_gates(&[gate])).await;
        receiver.wait(before + 1).await;
        assert_eq!(told_where(&receiver)[before..], [told]);
    }
}

#[tokio::test]
async fn what_no_channel_is_there_for_is_said_and_goes_to_others_at_once() {
    let (receiver, service) = told().await;
    // Nobody has a channel for the group that eve is in.
    service.app.place_user("eve", None, &"lone".parse().unwrap(), GroupChange::Join).await.unwrap();
    let ticket = service.open(with_gates(&[gate("lone", 1)])).await;
    all(&receiver, &["dba escalated"]).await;
    let shown = service.show(&ticket).await;
    assert_eq!(events(&shown)[..3], ["asked", "unreached", "escalated"]);
    assert_eq!(shown["history"][1]["code"], "no_channel");
    until("somebody was reached", async || {
        events(&service.show(&ticket).await).contains(&"reached".to_owned()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_channel_that_only_has_others_wait_reaches_nobody_either() {
    let (receiver, service) = told().await;
    receiver.then(&[(429, &[("retry-after", "3600")])]);
    let ticket = service.open(question()).await;
    receiver.wait(1).await;
    assert_eq!(service.count("SELECT count(*) FROM reach WHERE notice_at > 1").await, 1);
    // Fifteen seconds later.
    service.sql("UPDATE reach SET notice_at = 1").await;
    service.show(&ticket).await;
    until("others are told", async || {
        let happened = events(&service.show(&ticket).await);
        (happened.len() >= 3 && happened[..3] == ["asked", "unreached", "escalated"]).then_some(())
    })
    .await;
    assert_eq!(service.show(&ticket).await["history"][1]["code"], "late");
}

#[tokio::test]
async fn without_anybody_else_it_stays_on_the_pages_and_in_the_metrics() {
    let receiver = Receiver::start().await;
    let text = format!(
        "[channels.sre]\nkind = \"webhook\"\ngroups = [\"sre\"]\nurl = \"{}\"\nsecrets = [{{ file = \"s\" }}]\n",
        receiver.url
    );
    let service = Service::told(&Configured::new(&text, &[("s", SECRET)]).read()).await;
    let ticket = service.open(with_gates(&[gate("dba", 1)])).await;
    let dan = service.log_in("dan").await;
    let page = browse(&service, &dan, &format!("/inbox/{ticket}"), None).await;
    assert!(page.text.contains("No channel reached anybody about this request"), "{}", page.text);
    assert!(page.text.contains("no channel reached anybody, there is none for its gates"));
    assert!(browse(&service, &dan, "/inbox", None).await.text.contains("no channel reached anybody"));
    let metrics = service.get("/metrics", "").await.body;
    assert!(metrics.as_str().unwrap().contains("countersign_approvals_unreached_requests 1"), "{metrics}");
    service.answer(&dan, &ticket, "reject").await;
    let page = browse(&service, &dan, &format!("/inbox/{ticket}"), None).await;
    assert!(!page.text.contains("No channel reached anybody about this request"), "it is over");
}

#[tokio::test]
async fn without_channels_nobody_is_missed() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    assert_eq!(events(&service.show(&ticket).await), ["asked"]);
    let rows = "SELECT (SELECT count(*) FROM reach) + (SELECT count(*) FROM outbox)";
    assert_eq!(service.count(rows).await, 0);
}
