//! Signed webhooks: what they say, and that each comes in order, at least once, as long as it may.

use std::collections::BTreeSet;

use countersign_approvals::MOST_ATTEMPTS;
use serde_json::json;

use super::receiver::Receiver;
use super::{Configured, NEXT_SECRET, SECRET, events, until};
use crate::harness::{EDGE, Service, ask, claim, gate, question, with_gates};
use crate::inbox::browse;

/// One channel for sre that goes to `receiver`.
pub(super) fn hooked(receiver: &Receiver) -> Configured {
    let text = format!(
        "[channels.hook]\nkind = \"webhook\"\ngroups = [\"sre\"]\nurl = \"{}/hook\"\n\
         secrets = [{{ file = \"new\" }}, {{ file = \"old\" }}]\n",
        receiver.url
    );
    Configured::new(&text, &[("new", NEXT_SECRET), ("old", SECRET)])
}

#[tokio::test]
async fn every_event_is_told_in_order_and_signed_with_each_secret() {
    let receiver = Receiver::start().await;
    let service = Service::told(&hooked(&receiver).read()).await;
    let first = ask(question());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    let (bob, ada, cid) =
        (service.log_in("bob").await, service.log_in("ada").await, service.log_in("cid").await);
    service.answer(&bob, &ticket, "flag").await;
    service.answer(&ada, &ticket, "approve").await;
    service.answer(&cid, &ticket, "approve").await;
    let grant = service.grant(&service.ask(&first).await["verdict"]);
    service.post("/v1/claims", EDGE, claim(&grant)).await;
    let got = receiver.wait(6).await;
    let told: Vec<_> = got.iter().map(|got| got.json()["type"].as_str().unwrap().to_owned()).collect();
    let expected = ["asked", "flag", "approve", "approve", "approved", "claimed"];
    assert_eq!(told, expected.map(|event| format!("request.{event}")));
    for got in &got {
        assert!(got.is_signed(SECRET) && got.is_signed(NEXT_SECRET), "{got:?}");
        assert!(!got.is_signed("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
        assert_eq!((got.path.as_str(), got.header("content-type")), ("/hook", "application/json"));
    }
    let ids: BTreeSet<_> = got.iter().map(|got| got.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 6, "each has its own");
    let flag = got[1].json();
    assert_eq!(flag["data"]["event"]["subject"], "bob");
    assert_eq!(flag["data"]["event"]["detail"], "because");
    assert_eq!(flag["data"]["request"]["ticket"], json!(ticket));
    assert_eq!(flag["data"]["url"], format!("http://localhost:8081/inbox/{ticket}"));
    assert_eq!(flag["data"]["justification"], "Release 42 fixes the login page");
}

#[tokio::test]
async fn what_is_not_taken_comes_again_under_the_same_name_and_nothing_overtakes_it() {
    let receiver = Receiver::start().await;
    receiver.then(&[(500, &[]), (302, &[("location", "http://127.0.0.1:1/elsewhere")])]);
    let service = Service::told(&hooked(&receiver).read()).await;
    let ticket = service.open(question()).await;
    let ada = service.log_in("ada").await;
    service.answer(&ada, &ticket, "reject").await;
    for count in [1, 2] {
        receiver.wait(count).await;
        until("a pause", async || {
            let waits =
                "SELECT count(*) FROM outbox WHERE state = 'queued' AND lease IS NULL AND attempts > 0";
            (service.count(waits).await == 1).then_some(())
        })
        .await;
        // Not by time: the pause is over when the database says so.
        service.sql("UPDATE outbox SET due_at = 0").await;
        service.open(with_gates(&[gate("dba", 1)])).await;
    }
    let got = until("all of it", async || {
        let got = receiver.got();
        got.iter().any(|got| got.json()["type"] == "request.reject").then_some(got)
    })
    .await;
    let about = |got: &&super::receiver::Got| got.json()["data"]["request"]["ticket"] == json!(ticket);
    let told: Vec<_> = got.iter().filter(about).collect();
    let types: Vec<_> = told.iter().map(|got| got.json()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        types,
        ["request.asked", "request.asked", "request.asked", "request.reject"],
        "no redirect either"
    );
    let ids: BTreeSet<_> = told[..3].iter().map(|got| got.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 1, "the same over all tries");
}

#[tokio::test]
async fn who_takes_too_much_is_left_alone_for_as_long_as_they_say() {
    let receiver = Receiver::start().await;
    receiver.then(&[(429, &[("retry-after", "2")])]);
    let service = Service::told(&hooked(&receiver).read()).await;
    let begun = std::time::Instant::now();
    service.open(question()).await;
    service.open(question()).await;
    let got = receiver.wait(2).await;
    let first: BTreeSet<_> = got.iter().map(|got| got.header("webhook-id").to_owned()).collect();
    receiver.wait(3).await;
    assert!(begun.elapsed() >= std::time::Duration::from_secs(2), "{:?} {first:?}", begun.elapsed());
    let counted = "SELECT count(*) FROM outbox WHERE attempts > 1";
    until("both", async || {
        (service.count("SELECT count(*) FROM outbox WHERE state = 'sent'").await == 2).then_some(())
    })
    .await;
    assert_eq!(service.count(counted).await, 0, "to wait is no failure");
}

#[tokio::test]
async fn what_is_given_up_is_on_a_page_until_somebody_has_it_tried_again() {
    let receiver = Receiver::start().await;
    receiver.then(&[(410, &[])]);
    let service = Service::told(&hooked(&receiver).read()).await;
    let ticket = service.open(question()).await;
    let dead = "SELECT count(*) FROM outbox WHERE state = 'dead'";
    until("it is given up", async || (service.count(dead).await == 1).then_some(())).await;
    let (root, ada) = (service.log_in("root").await, service.log_in("ada").await);
    let shown = service.show(&ticket).await;
    assert_eq!(events(&shown), ["asked", "unreached"], "nobody was reached");
    assert!(
        browse(&service, &ada, &format!("/inbox/{ticket}"), None).await.text.contains("No channel reached")
    );
    assert!(browse(&service, &ada, "/inbox", None).await.text.contains("no channel reached anybody"));
    assert_eq!(browse(&service, &ada, "/inbox/channels", None).await.status, 403);
    let page = browse(&service, &root, "/inbox/channels", None).await;
    for text in
        ["the receiver wants no more of them (410)", "about 1 open request", &format!("/inbox/{ticket}")]
    {
        assert!(page.text.contains(text), "{text} in {}", page.text);
    }
    let metrics = service.get("/metrics", "").await.body;
    for line in [
        "countersign_approvals_messages{channel=\"hook\",state=\"dead\"} 1",
        "countersign_approvals_unreached_requests 1",
        "countersign_approvals_deliveries_total{channel=\"hook\",result=\"refused\"} 1",
    ] {
        assert!(metrics.as_str().unwrap().contains(line), "{line} in {metrics}");
    }
    let form = format!("csrf={}&channel=hook&seq={}", page.field("csrf"), page.field("seq"));
    assert_eq!(browse(&service, &ada, "/inbox/channels", Some(&form)).await.status, 403, "not her form");
    assert_eq!(browse(&service, &root, "/inbox/channels", Some(&form)).await.status, 303);
    receiver.wait(2).await;
    until("it is delivered", async || (service.count(dead).await == 0).then_some(())).await;
    until("the notice is gone", async || {
        let page = browse(&service, &ada, &format!("/inbox/{ticket}"), None).await;
        (!page.text.contains("No channel reached")).then_some(())
    })
    .await;
    assert_eq!(events(&service.show(&ticket).await), ["asked", "unreached", "reached"]);
    let changes = service.get("/v1/changes", &root).await.body;
    assert!(changes.to_string().contains("messages_tried_again"), "{changes}");
}

#[tokio::test]
async fn how_long_the_oldest_message_has_waited_is_a_metric() {
    let receiver = Receiver::start().await;
    receiver.always(Some((503, &[])));
    let service = Service::told(&hooked(&receiver).read()).await;
    service.open(question()).await;
    receiver.wait(1).await;
    service.sql("UPDATE outbox SET at = at - 1000000").await;
    let waits = async || {
        let metrics = service.get("/metrics", "").await.body;
        let mut lines = metrics.as_str().unwrap().lines();
        let name = "countersign_approvals_oldest_message_seconds{channel=\"hook\"} ";
        lines.find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok()).unwrap()
    };
    assert!((1000..1100).contains(&waits().await));
    receiver.always(None);
    service.sql("UPDATE outbox SET due_at = 0").await;
    service.open(with_gates(&[gate("dba", 1)])).await;
    until("nothing waits", async || (waits().await == 0).then_some(())).await;
}

#[tokio::test]
async fn a_channel_that_is_away_dies_after_so_many_tries_and_holds_up_no_other() {
    let (away, there) = (Receiver::start().await, Receiver::start().await);
    away.always(Some((503, &[])));
    let channel = |name: &str, url: &str| {
        format!(
            "[channels.{name}]\nkind = \"webhook\"\ngroups = [\"sre\"]\nurl = \"{url}\"\nsecrets = [{{ file = \"s\" }}]\n"
        )
    };
    let text = channel("away", &away.url) + &channel("there", &there.url);
    let service = Service::told(&Configured::new(&text, &[("s", SECRET)]).read()).await;
    let ticket = service.open(question()).await;
    there.wait(1).await;
    for count in 1..=usize::try_from(MOST_ATTEMPTS).unwrap() {
        away.wait(count).await;
        until("a pause or the end", async || {
            let settled = "SELECT count(*) FROM outbox WHERE channel = 'away' AND lease IS NULL";
            (service.count(settled).await == 1).then_some(())
        })
        .await;
        service.sql("UPDATE outbox SET due_at = 0 WHERE channel = 'away'").await;
        service.open(with_gates(&[gate("dba", 1)])).await;
    }
    assert_eq!(service.count("SELECT count(*) FROM outbox WHERE state = 'dead'").await, 1);
    assert_eq!(away.got().len(), usize::try_from(MOST_ATTEMPTS).unwrap());
    assert_eq!(events(&service.show(&ticket).await), ["asked"], "the other one reached somebody");
}
