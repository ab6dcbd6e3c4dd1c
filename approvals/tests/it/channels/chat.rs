//! Messages in Slack: one for each request, right at any time, and nothing in them that is not ours.

use serde_json::json;

use super::until;
use super::workspace::{Trouble, Workspace, button};
use crate::harness::{Service, gate, question, with_gates};

#[tokio::test]
async fn one_message_says_all_and_follows_the_request() {
    let workspace = Workspace::start().await;
    let service = Service::told(&workspace.configured("").read()).await;
    let ticket = service.open(with_gates(&[gate("sre", 2)])).await;
    let message = workspace.message("Approval needed").await;
    assert_eq!(message["channel"], "C0SRE");
    assert_eq!(message["metadata"]["event_payload"]["ticket"], json!(ticket));
    let text = message.to_string();
    for part in [
        "deployer",
        "create",
        "production",
        "Production needs a second look (2 of sre)",
        "oda owns the agent",
        "Release 42 fixes the login page",
        "medium severity; answer by ",
        "a yes counts for 1 use within 10 min",
        "POST https://deploy.example/deployments?env=production",
        "content-type: application/json",
        "body:\\n    \\\"build\\\": 42",
        "0 of 2 approvals",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let open = button(&message, "open").unwrap();
    assert_eq!(open["url"], format!("http://localhost:8081/inbox/{ticket}"));
    let ada = service.log_in("ada").await;
    service.answer(&ada, &ticket, "approve").await;
    let message = workspace.message("1 of 2 approvals").await;
    assert!(message.to_string().contains("ada approved: because"), "{message}");
    let bob = service.log_in("bob").await;
    service.answer(&bob, &ticket, "reject").await;
    let message = workspace.message("Rejected").await;
    assert!(button(&message, "approve").is_none() && button(&message, "reject").is_none(), "{message}");
    assert_eq!(workspace.calls("chat.postMessage").len(), 1);
}

#[tokio::test]
async fn what_lapses_says_so() {
    let workspace = Workspace::start().await;
    let service = Service::told(&workspace.configured("").read()).await;
    service.open(question()).await;
    workspace.message("Approval needed").await;
    service.sql("UPDATE tickets SET answer_by = 1").await;
    service.show("00000000000000000000000000000000").await;
    workspace.message("Expired").await;
}

#[tokio::test]
async fn what_slack_did_and_nobody_wrote_down_is_not_posted_twice() {
    let workspace = Workspace::start().await;
    workspace.trouble("chat.postMessage", &[Trouble::Lost]);
    let service = Service::told(&workspace.configured("").read()).await;
    service.open(question()).await;
    workspace.called("conversations.history", 1).await;
    workspace.called("chat.update", 1).await;
    until("it is settled", async || {
        (service.count("SELECT count(*) FROM outbox WHERE state = 'sent'").await == 1).then_some(())
    })
    .await;
    assert_eq!((workspace.messages().len(), workspace.calls("chat.postMessage").len()), (1, 1));
}

#[tokio::test]
async fn limits_are_waited_out_and_errors_that_stay_are_given_up() {
    let workspace = Workspace::start().await;
    workspace.trouble("chat.postMessage", &[Trouble::Limited("1"), Trouble::Error("not_in_channel")]);
    let service = Service::told(&workspace.configured("").read()).await;
    let begun = std::time::Instant::now();
    let ticket = service.open(question()).await;
    let dead = "SELECT count(*) FROM outbox WHERE state = 'dead' AND error = 'Slack says `not_in_channel`'";
    until("it is given up", async || (service.count(dead).await == 1).then_some(())).await;
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));
    assert_eq!(super::events(&service.show(&ticket).await), ["asked", "unreached"]);
}

#[tokio::test]
async fn a_message_that_somebody_deleted_is_posted_again_while_it_matters() {
    let workspace = Workspace::start().await;
    let service = Service::told(&workspace.configured("").read()).await;
    let ticket = service.open(with_gates(&[gate("sre", 2)])).await;
    workspace.message("Approval needed").await;
    let (ada, bob) = (service.log_in("ada").await, service.log_in("bob").await);
    workspace.delete_messages();
    service.answer(&ada, &ticket, "approve").await;
    workspace.message("1 of 2 approvals").await;
    workspace.delete_messages();
    service.answer(&bob, &ticket, "reject").await;
    workspace.called("chat.update", 2).await;
    until("all is settled", async || {
        (service.count("SELECT count(*) FROM outbox WHERE state = 'queued'").await == 0).then_some(())
    })
    .await;
    assert_eq!((workspace.messages().len(), workspace.calls("chat.postMessage").len()), (0, 2));
}

#[tokio::test]
async fn nothing_from_outside_is_markup_mentions_anybody_or_hides() {
    let workspace = Workspace::start().await;
    let service = Service::told(&workspace.configured("").read()).await;
    let evil = "<!channel> <@U0ADA> *bold* `code` <https://evil.example|ok> &amp; \u{202e}gnp\u{200b}\nApproved: 2 of 2";
    let mut asked = question();
    asked["cedar"]["resource"] = json!(format!("Deploy::Environment::\"{evil}\""));
    asked["justification"] = json!(evil);
    asked["gates"][0]["reason"] = json!(evil);
    asked["request"]["headers"][0]["value"] = json!({ "text": evil });
    asked["request"]["path"] = json!(format!("/{evil}"));
    service.open(asked).await;
    let message = workspace.message("Approval needed").await;
    // The server takes nothing but text elements; what is left is the text that Slack reads as markup.
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("&lt;!channel&gt; &lt;@U0ADA&gt;") && !text.contains('<'), "{text}");
    assert_eq!(
        (&message["mrkdwn"], &message["parse"], &message["link_names"]),
        (&json!(false), &json!("none"), &json!(false))
    );
    let all = message.to_string();
    for hidden in ["\u{202e}", "\u{200b}"] {
        assert!(!all.contains(hidden), "{all}");
    }
    assert!(all.contains("⟨U+202E⟩gnp⟨U+200B⟩⟨U+000A⟩Approved"), "{all}");
}

#[tokio::test]
async fn what_needs_more_than_a_click_has_no_button_for_it() {
    let workspace = Workspace::start().await;
    let service = Service::told(&workspace.configured("").read()).await;
    let mut high = question();
    high["terms"]["severity"] = json!("high");
    service.open(high).await;
    let message = workspace.message("high severity").await;
    assert!(button(&message, "approve").is_none() && button(&message, "reject").is_some(), "{message}");
    workspace.delete_messages();
    let mut long = question();
    long["request"]["body"] = json!({ "text": "x".repeat(3000) });
    service.open(long).await;
    let message = workspace.message("too long for a message").await;
    assert!(button(&message, "approve").is_none() && !message.to_string().contains("xxx"), "{message}");
    workspace.delete_messages();
    let mut bytes = question();
    bytes["request"]["headers"][0]["value"] = json!({ "base64": "/w==" });
    service.open(bytes).await;
    let message = workspace.message("is not text: open it in the inbox").await;
    assert!(button(&message, "approve").is_none() && button(&message, "reject").is_some(), "{message}");
    workspace.delete_messages();
    let mut doubtful = question();
    doubtful["request"]["body"] = json!({ "text": "for the аdmin" });
    service.open(doubtful).await;
    let message = workspace.message("may not be what it looks like").await;
    assert!(button(&message, "approve").is_none() && button(&message, "reject").is_some(), "{message}");
}

#[tokio::test]
async fn others_get_a_message_of_their_own_when_nobody_answers() {
    let workspace = Workspace::start().await;
    let text = format!(
        "[escalation]\nafter = \"10m\"\nto = [\"leads\"]\n[channels.sre]\ngroups = [\"sre\"]\n{}\n[channels.leads]\n{}\n",
        workspace.keys("C0SRE"),
        workspace.keys("C0LEADS")
    );
    let service = Service::told(&workspace.file(&text).read()).await;
    let ticket = service.open(question()).await;
    workspace.message("Approval needed").await;
    service.sql("UPDATE reach SET escalate_at = 1").await;
    service.show(&ticket).await;
    let said = |place: &str, text: &str| {
        let messages = workspace.messages().into_iter();
        messages.filter(|message| message["channel"] == place && message.to_string().contains(text)).count()
    };
    until("both say so", async || {
        let nobody = "Approval still needed";
        (said("C0SRE", nobody) == 1 && said("C0LEADS", nobody) == 1).then_some(())
    })
    .await;
    let ada = service.log_in("ada").await;
    service.answer(&ada, &ticket, "reject").await;
    until("both follow", async || {
        (said("C0SRE", "Rejected") == 1 && said("C0LEADS", "Rejected") == 1).then_some(())
    })
    .await;
    assert_eq!(workspace.messages().len(), 2);
}
