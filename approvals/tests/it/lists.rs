//! Lists: a page at a time, of what one person may see, however much else is open.

use countersign_approvals::GroupChange;
use std::time::Duration;

use countersign_approvals::Limits;
use serde_json::{Value, json};

use crate::harness::{Service, gate, with_gates};
use crate::inbox::browse;

const MANY: Limits = Limits {
    open: 10_000,
    open_per_audience: 10_000,
    open_per_principal: 10_000,
    open_per_gate: 10_000,
    asked_per_minute: 10_000,
    longest_poll: Duration::from_secs(25),
    rejection_holds: Duration::from_secs(60),
};

/// The tickets on the pages of a list, page after page, each of at most `limit`.
async fn pages(service: &Service, session: &str, query: &str, limit: usize) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let reply = service.get(&format!("/v1/requests?limit={limit}{query}{after}"), session).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        let items = reply.body["items"].as_array().unwrap();
        pages.push(items.iter().map(|item| item["ticket"].as_str().unwrap().to_owned()).collect());
        let Some(next) = reply.body["next"].as_str() else { return pages };
        after = format!("&after={next}");
    }
}

/// A question for a group that lapses after so long, milliseconds.
fn lapsing(group: &str, expires_ms: i64) -> Value {
    let mut question = with_gates(&[gate(group, 1)]);
    question["terms"]["expires_ms"] = json!(expires_ms);
    question
}

#[tokio::test]
async fn pages_hold_everything_once_and_in_order() {
    let service = Service::limited(MANY).await;
    let mut asked = Vec::new();
    for n in [5, 2, 9, 1, 7] {
        asked.push((n, service.open(lapsing("sre", 3_600_000 + n * 1000)).await));
    }
    let ada = service.log_in("ada").await;
    let latest: Vec<_> = asked.iter().rev().map(|(_, ticket)| ticket.clone()).collect();
    asked.sort();
    let urgent: Vec<_> = asked.into_iter().map(|(_, ticket)| ticket).collect();
    for limit in [1, 2, 5, 500] {
        let pending = pages(&service, &ada, "&state=pending", limit).await;
        assert!(pending.iter().all(|page| page.len() <= limit));
        assert_eq!(pending.concat(), urgent, "what lapses first is on top");
        // What is asked within the same millisecond has no order but is all there.
        let mut all = pages(&service, &ada, "", limit).await.concat();
        let mut sorted = latest.clone();
        all.sort();
        sorted.sort();
        assert_eq!(all, sorted);
    }
}

#[tokio::test]
async fn a_small_group_finds_its_own_below_much_of_others() {
    let service = Service::limited(MANY).await;
    for _ in 0..30 {
        service.open(lapsing("sre", 1_000_000)).await;
    }
    let own = service.open(lapsing("dba", 2_000_000)).await;
    let dan = service.log_in("dan").await;
    for state in ["&state=pending", ""] {
        assert_eq!(pages(&service, &dan, state, 5).await, [vec![own.clone()]], "{state}");
    }
    service.answer(&dan, &own, "reject").await;
    assert_eq!(pages(&service, &dan, "&state=rejected", 5).await, [vec![own]]);
}

#[tokio::test]
async fn those_in_whose_name_it_was_sent_find_it() {
    let service = Service::limited(MANY).await;
    service.app.place_user("eve", None, &"auditors".parse().unwrap(), GroupChange::Join).await.unwrap();
    let ticket = service.open(lapsing("dba", 1_000_000)).await;
    for (user, sees) in [("oda", true), ("dan", true), ("ada", false), ("root", true), ("eve", true)] {
        let session = service.log_in(user).await;
        assert_eq!(pages(&service, &session, "", 5).await.concat().contains(&ticket), sees, "{user}");
    }
}

#[tokio::test]
async fn bad_places_and_limits_are_named() {
    let service = Service::limited(MANY).await;
    let ada = service.log_in("ada").await;
    for query in ["after=x", "after=1-", "limit=0", "limit=501", "state=maybe"] {
        let reply = service.get(&format!("/v1/requests?{query}"), &ada).await;
        assert_eq!((reply.status.as_u16(), &reply.body["code"]), (400, &json!("malformed_query")), "{query}");
    }
}

#[tokio::test]
async fn the_queue_goes_on_on_another_page() {
    let service = Service::limited(MANY).await;
    for n in 0..103 {
        service.open(lapsing("sre", 1_000_000 + n)).await;
    }
    let ada = service.log_in("ada").await;
    let first = browse(&service, &ada, "/inbox", None).await.text;
    assert_eq!(first.matches("class=\"row ").count(), 100);
    assert!(first.contains("Waiting for you <span class=\"count\">100+</span>"), "{first}");
    let mut next = first.split("href=\"").filter_map(|link| link.split('"').next());
    let next = next.find(|link| link.starts_with("/inbox?list=yours")).unwrap();
    let second = browse(&service, &ada, &next.replace("&amp;", "&"), None).await.text;
    assert_eq!(second.matches("class=\"row ").count(), 3, "{second}");
}
