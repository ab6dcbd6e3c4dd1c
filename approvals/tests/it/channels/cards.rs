//! Cards in Teams, by a workflow: what it takes, and what is made of its errors.

use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{Configured, events, until};
use crate::harness::{Service, gate, question, with_gates};

async fn told() -> (Receiver, Service) {
    let receiver = Receiver::start().await;
    let text = "[channels.ops]\nkind = \"teams\"\ngroups = [\"sre\"]\nworkflow = { file = \"workflow\" }\n";
    let workflow = format!("{}/workflows/abc/triggers/manual/paths/invoke", receiver.url);
    let service = Service::told(&Configured::new(text, &[("workflow", &workflow)]).read()).await;
    (receiver, service)
}

/// The card, out of the envelope that workflows take.
pub(super) fn card(sent: &Value) -> &Value {
    assert_eq!((&sent["type"], sent["attachments"].as_array().unwrap().len()), (&json!("message"), 1));
    let attachment = &sent["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachment["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    card
}

/// What stands in it. Nothing but text runs does: they are no Markdown.
pub(super) fn text(card: &Value) -> String {
    let blocks = card["body"].as_array().unwrap().iter();
    let runs = blocks.flat_map(|block| {
        assert_eq!(block["type"], "RichTextBlock");
        block["inlines"].as_array().unwrap()
    });
    let text = |run: &Value| {
        assert_eq!(run["type"], "TextRun");
        run["text"].as_str().unwrap().to_owned()
    };
    runs.map(text).collect::<Vec<_>>().join("|")
}

#[tokio::test]
async fn a_card_says_what_happened_and_links() {
    let (receiver, service) = told().await;
    let ticket = service.open(with_gates(&[gate("sre", 2)])).await;
    let (ada, bob) = (service.log_in("ada").await, service.log_in("bob").await);
    service.answer(&ada, &ticket, "approve").await;
    service.answer(&bob, &ticket, "reject").await;
    let got = receiver.wait(2).await;
    let sent: Vec<_> = got.iter().map(super::receiver::Got::json).collect();
    for (sent, parts) in sent.iter().zip([
        ["Approval needed", "deployer| asks for |create| on |production", "0 of 2 approvals"],
        ["Rejected", "bob rejected: because", "1 of 2 approvals"],
    ]) {
        let card = card(sent);
        assert!(parts.iter().all(|part| text(card).contains(part)), "{}", text(card));
        let actions = card["actions"].as_array().unwrap();
        assert_eq!(actions.len(), 1, "no button that proves nothing");
        assert_eq!(actions[0]["type"], "Action.OpenUrl");
        assert_eq!(actions[0]["url"], format!("http://localhost:8081/inbox/{ticket}"));
    }
    assert_eq!(sent.len(), 2, "one of two approvals changes nothing for who reads it");
}

#[tokio::test]
async fn nothing_from_outside_is_markup_mentions_anybody_or_hides() {
    let (receiver, service) = told().await;
    let evil = "**bold** [ok](https://evil.example) <at>ada</at> {{{DATE(2026-01-01T00:00:00Z)}}} \u{2066}x\u{200d}\r\n# Approved";
    let mut asked = question();
    asked["justification"] = json!(evil);
    asked["gates"][0]["reason"] = json!(evil);
    asked["cedar"]["principal"] = json!(format!("Agent::\"{evil}\""));
    service.open(asked).await;
    let sent = receiver.wait(1).await[0].json();
    assert_eq!(card(&sent)["msteams"], json!({ "width": "Full" }), "no mentions");
    let text = text(card(&sent));
    assert!(text.contains("**bold** [ok](https⟨:⟩//evil⟨.⟩example) < at>ada</at> { { { DATE("), "{text}");
    assert!(text.contains("⟨U+2066⟩x⟨U+200D⟩⟨U+000D⟩⟨U+000A⟩# Approved"), "{text}");
    assert!(!text.contains('\u{2066}') && !text.contains("{{") && !text.contains("<at>"), "{text}");
}

#[tokio::test]
async fn a_card_that_would_be_too_long_says_what_it_is_about_and_that_there_is_more() {
    let (receiver, service) = told().await;
    // Each of them takes eight bytes in a card.
    let long = "\\".repeat(400);
    let mut asked = question();
    let mut gate = gate("sre", 1);
    gate["reason"] = json!(long);
    asked["justification"] = json!(long);
    asked["gates"] = (0..3)
        .map(|n| {
            gate["id"] = json!(format!("gate-{n}"));
            gate.clone()
        })
        .collect();
    let other = json!({ "principal": "Agent::\"x\"", "action": long, "resource": long, "context": {} });
    asked["also"] = vec![other; 5].into();
    asked["request"]["authority"] = json!("аррӏе.example");
    service.open(asked).await;
    let got = receiver.wait(1).await.remove(0);
    assert!(got.body.len() < 10_000, "{}", got.body.len());
    let text = text(card(&got.json()));
    for part in [
        "deployer| asks for |create| on |production",
        "Request: |POST https⟨:⟩//аррӏе⟨.⟩example/deployments?env=production",
        "Careful: |not a plain ASCII name",
        "Terms: |medium severity",
        "More: |too much for a card: open it in the inbox",
        "0 of 3 approvals",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("Why it is stopped"), "{text}");
}

#[tokio::test]
async fn limits_are_waited_out_and_a_workflow_that_is_gone_is_given_up() {
    let (receiver, service) = told().await;
    receiver.then(&[(429, &[("retry-after", "1")])]);
    receiver.then(&[(202, &[]), (404, &[])]);
    let ticket = service.open(question()).await;
    receiver.wait(2).await;
    until("it is settled", async || {
        (service.count("SELECT count(*) FROM outbox WHERE state = 'sent'").await == 1).then_some(())
    })
    .await;
    let ada = service.log_in("ada").await;
    service.answer(&ada, &ticket, "reject").await;
    let dead = "SELECT count(*) FROM outbox WHERE state = 'dead' AND error = 'the workflow answered 404'";
    until("it is given up", async || (service.count(dead).await == 1).then_some(())).await;
    assert_eq!(events(&service.show(&ticket).await), ["asked", "reject"], "somebody was reached before");
}
