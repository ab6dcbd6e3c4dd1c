//! Answers of people who are removed, replaced or moved before there are enough.

use countersign_approvals::GroupChange;
use countersign_protocol::approval::State;
use serde_json::{Value, json};

use crate::harness::{Service, ask, gate, with_gates};

fn state(reply: &Value) -> State {
    serde_json::from_value(reply["state"].clone()).unwrap()
}

/// Ada says yes to what two of sre must approve, then `change` is made behind the service's back, then bob says yes and
/// is still not enough: ada's answer shows `code`. A third person makes it whole, without ada.
async fn adas_yes_stops_to_count(change: &'static str, code: &str) {
    let service = Service::start().await;
    let first = ask(with_gates(&[gate("sre", 2)]));
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    service.answer(&service.log_in("ada").await, &ticket, "approve").await;
    service.sql(change).await;
    let before = service.show(&ticket).await;
    assert_eq!((before["missing"].as_u64(), &before["answers"][0]["dropped"]), (Some(2), &json!(code)));
    let bob = service.answer(&service.log_in("bob").await, &ticket, "approve").await;
    assert_eq!((state(&bob.body), bob.body["missing"].as_u64()), (State::Pending, Some(1)), "{}", bob.body);
    assert_eq!(bob.body["answers"][0]["dropped"], code);
    let told = |entry: &Value| entry["event"] == "dropped" && entry["subject"] == "ada";
    assert!(bob.body["history"].as_array().unwrap().iter().any(told), "{}", bob.body);
    let cid = service.answer(&service.log_in("cid").await, &ticket, "approve").await;
    assert_eq!(state(&cid.body), State::Approved);
    let grant = service.grant(&service.ask(&first).await["verdict"]);
    let signed: Vec<_> = grant.answers.iter().map(|answer| answer.person.subject.as_str()).collect();
    assert_eq!(signed, ["bob", "cid"]);
}

#[tokio::test]
async fn a_yes_goes_with_its_account() {
    adas_yes_stops_to_count("DELETE FROM accounts WHERE subject = 'ada'", "account_gone").await;
}

#[tokio::test]
async fn a_yes_is_not_inherited_by_an_account_of_the_same_name() {
    let anew = "UPDATE accounts SET created_at = created_at + 1 WHERE subject = 'ada'";
    adas_yes_stops_to_count(anew, "account_gone").await;
}

#[tokio::test]
async fn a_yes_goes_with_the_place_in_the_group() {
    adas_yes_stops_to_count("DELETE FROM memberships WHERE subject = 'ada'", "not_in_group").await;
}

#[tokio::test]
async fn who_left_a_group_and_came_back_is_new_there() {
    let back = "UPDATE memberships SET since = 9223372036854775807 WHERE subject = 'ada'";
    adas_yes_stops_to_count(back, "not_in_group").await;
}

#[tokio::test]
async fn a_grant_names_only_groups_that_were_kept() {
    let service = Service::start().await;
    let first = ask(with_gates(&[gate("sre", 2)]));
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    service.answer(&service.log_in("cid").await, &ticket, "approve").await;
    service.app.place_user("cid", None, &"dba".parse().unwrap(), GroupChange::Leave).await.unwrap();
    let bob = service.answer(&service.log_in("bob").await, &ticket, "approve").await;
    assert_eq!(state(&bob.body), State::Approved);
    let grant = service.grant(&service.ask(&first).await["verdict"]);
    let groups: Vec<_> = grant.answers[0].groups.iter().map(|place| place.group.id.as_str()).collect();
    assert_eq!((grant.answers[0].person.subject.as_str(), groups), ("cid", vec!["sre"]));
}

#[tokio::test]
async fn the_flag_of_somebody_removed_still_asks_for_one_more() {
    let service = Service::start().await;
    let ticket = service.open(with_gates(&[gate("sre", 1)])).await;
    service.answer(&service.log_in("ada").await, &ticket, "flag").await;
    service.app.forget_user("ada", None).await.unwrap();
    let bob = service.answer(&service.log_in("bob").await, &ticket, "approve").await;
    assert_eq!((state(&bob.body), bob.body["missing"].as_u64()), (State::Pending, Some(1)));
}
