//! Clicks in Slack: believed only when signed, only of people who are linked, and answers like all others.

use countersign_protocol::Hash;
use serde_json::{Value, json};

use super::links::{SLACK_LINK, linked};
use super::workspace::{Clicker, Signed, Trouble, U_ADA, Workspace, click, send, sign};
use super::{events, until};
use crate::harness::{Service, gate, question, with_gates};

async fn told() -> (Workspace, Service) {
    let workspace = Workspace::start().await;
    let service = Service::told(&workspace.configured("").read()).await;
    (workspace, service)
}

/// Once the request is in that state.
async fn becomes(service: &Service, ticket: &str, state: &str) -> Value {
    until(state, async || Some(service.show(ticket).await).filter(|shown| shown["state"] == state)).await
}

#[tokio::test]
async fn a_click_of_somebody_linked_is_their_answer() {
    let (workspace, service) = told().await;
    linked(&service, "ada", &U_ADA).await;
    let ticket = service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    click(&service, &U_ADA.press(&message, "approve")).await;
    let shown = becomes(&service, &ticket, "approved").await;
    let answer = &shown["answers"][0];
    assert_eq!((&answer["person"]["subject"], &answer["amr"]), (&json!("ada"), &json!([])), "{shown}");
    assert_eq!(answer["kind"], "approve");
    workspace.message("Approved, not used up yet").await;
    assert!(workspace.calls("chat.postEphemeral").is_empty());
}

#[tokio::test]
async fn what_slack_did_not_sign_just_now_is_not_looked_at() {
    let (workspace, service) = told().await;
    linked(&service, "ada", &U_ADA).await;
    let ticket = service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    let payload = U_ADA.press(&message, "approve");
    let right = || sign(&payload, 0);
    let other = format!("v0={}", Hash::of(b"something else"));
    for (signed, code) in [
        (Signed { signature: other, ..right() }, "signature is not Slack"),
        (Signed { signature: String::new(), ..right() }, "signature is not Slack"),
        (Signed { body: right().body + "&more=1", ..right() }, "signature is not Slack"),
        (Signed { at: "soon".into(), ..right() }, "x-slack-request-timestamp"),
        (sign(&payload, 301), "more than five minutes ago"),
    ] {
        let page = send(&service, "sre", &signed).await;
        assert_eq!(page.status, 401, "{}", page.text);
        assert!(page.text.contains(code) && page.text.contains("\"not_slack\""), "{code} in {}", page.text);
    }
    assert_eq!(send(&service, "nobody", &right()).await.status, 404);
    assert_eq!(service.show(&ticket).await["state"], "pending");
    assert_eq!(
        send(&service, "sre", &sign(&payload, 290)).await.status,
        200,
        "the clock may be a little off"
    );
    becomes(&service, &ticket, "approved").await;
}

#[tokio::test]
async fn the_same_click_again_does_nothing() {
    let (workspace, service) = told().await;
    let message = {
        service.open(question()).await;
        workspace.message("Approval needed").await
    };
    let signed = sign(&U_ADA.press(&message, "approve"), 0);
    for _ in 0..3 {
        assert_eq!(send(&service, "sre", &signed).await.status, 200);
    }
    workspace.called("chat.postEphemeral", 1).await;
    // One more click that is new: when it is through, so are the others.
    click(&service, &Clicker { id: "U0NEW", team: "T0ONE" }.press(&message, "approve")).await;
    workspace.called("chat.postEphemeral", 2).await;
    assert_eq!(workspace.calls("chat.postEphemeral").len(), 2);
    assert_eq!(service.count("SELECT count(*) FROM ceremonies WHERE kind = 'link'").await, 2);
}

#[tokio::test]
async fn who_is_not_linked_is_told_how_and_nothing_else_happens() {
    let (workspace, service) = told().await;
    let ticket = service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    // The same id in another workspace is somebody else.
    linked(&service, "ada", &Clicker { id: U_ADA.id, team: "T0TWO" }).await;
    for action in ["approve", "reject", "flag"] {
        click(&service, &U_ADA.press(&message, action)).await;
    }
    let told = workspace.called("chat.postEphemeral", 3).await;
    for told in &told {
        assert_eq!((&told["user"], &told["channel"]), (&json!("U0ADA"), &json!("C0SRE")));
        assert!(told.to_string().contains(SLACK_LINK), "{told}");
    }
    assert!(workspace.calls("views.open").is_empty());
    assert_eq!(events(&service.show(&ticket).await), ["asked"]);
}

#[tokio::test]
async fn a_rejection_asks_why_and_the_caller_is_told() {
    let (workspace, service) = told().await;
    linked(&service, "ada", &U_ADA).await;
    let ticket = service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    click(&service, &U_ADA.press(&message, "reject")).await;
    let opened = workspace.called("views.open", 1).await[0].clone();
    assert!(opened["trigger_id"].is_string());
    let view = &opened["view"];
    let empty = send(&service, "sre", &sign(&U_ADA.submit(view, None, Some("  ")), 0)).await;
    let said: Value = serde_json::from_str(&empty.text).unwrap();
    assert_eq!((&said["response_action"], said["errors"]["reason"].is_string()), (&json!("errors"), true));
    assert_eq!(service.show(&ticket).await["state"], "pending");
    click(&service, &U_ADA.submit(view, Some("Not now"), Some("Freeze until Monday"))).await;
    let shown = becomes(&service, &ticket, "rejected").await;
    assert_eq!(shown["answers"][0]["reason"], "Not now: Freeze until Monday");
    let message = workspace.message("Rejected").await;
    assert!(message.to_string().contains("ada rejected: Not now: Freeze until Monday"));
}

#[tokio::test]
async fn a_flag_asks_for_one_more() {
    let (workspace, service) = told().await;
    linked(&service, "ada", &U_ADA).await;
    let ticket = service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    click(&service, &U_ADA.press(&message, "flag")).await;
    let view = workspace.called("views.open", 1).await[0]["view"].clone();
    click(&service, &U_ADA.submit(&view, Some("It looks unusual"), None)).await;
    let message = workspace.message("one more because it was flagged").await;
    assert!(message.to_string().contains("ada flagged: It looks unusual"));
    assert_eq!(service.show(&ticket).await["missing"], 2);
}

#[tokio::test]
async fn what_is_refused_elsewhere_is_refused_here_and_kept() {
    let (workspace, service) = told().await;
    linked(&service, "oda", &U_ADA).await;
    let ticket = service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    click(&service, &U_ADA.press(&message, "approve")).await;
    let told = workspace.called("chat.postEphemeral", 1).await;
    assert!(told[0].to_string().contains("It was not taken"), "{told:?}");
    let shown = service.show(&ticket).await;
    let refused = &shown["history"].as_array().unwrap()[1];
    assert_eq!(
        (&refused["event"], &refused["code"]),
        (&json!("refused"), &json!("self_approval")),
        "{shown}"
    );
}

#[tokio::test]
async fn a_click_made_up_for_what_has_no_button_is_refused() {
    let (workspace, service) = told().await;
    linked(&service, "ada", &U_ADA).await;
    for (what, change) in [
        ("severity", ("/terms/severity", json!("high"))),
        ("length", ("/request/body", json!({ "text": "x".repeat(3000) }))),
    ] {
        let mut asked = question();
        *asked.pointer_mut(change.0).unwrap() = change.1;
        let ticket = service.open(asked).await;
        let message = workspace.message("Approval needed").await;
        // Slack would not send it: nobody can press what is not there.
        let mut made_up = U_ADA.press(&message, "reject");
        made_up["actions"][0]["action_id"] = json!("approve");
        click(&service, &made_up).await;
        let shown = until(what, async || {
            Some(service.show(&ticket).await).filter(|shown| events(shown).contains(&"refused".into()))
        })
        .await;
        assert_eq!(
            (&shown["state"], &shown["history"][1]["code"]),
            (&json!("pending"), &json!("not_in_chat"))
        );
        workspace.delete_messages();
    }
}

#[tokio::test]
async fn who_may_not_know_of_a_request_is_a_stranger_and_the_attempt_is_kept() {
    let (workspace, service) = told().await;
    linked(&service, "dan", &U_ADA).await;
    let ticket = service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    click(&service, &U_ADA.press(&message, "approve")).await;
    let told = workspace.called("chat.postEphemeral", 1).await;
    assert!(told[0].to_string().contains("there is no such request"), "{told:?}");
    let shown = service.show(&ticket).await;
    assert_eq!(
        (&shown["history"][1]["code"], &shown["history"][1]["subject"]),
        (&json!("not_in_group"), &json!("dan"))
    );
}

#[tokio::test]
async fn a_window_that_does_not_open_is_said() {
    let (workspace, service) = told().await;
    linked(&service, "ada", &U_ADA).await;
    service.open(with_gates(&[gate("sre", 1)])).await;
    let message = workspace.message("Approval needed").await;
    workspace.trouble("views.open", &[Trouble::Error("expired_trigger_id")]);
    click(&service, &U_ADA.press(&message, "reject")).await;
    let told = workspace.called("chat.postEphemeral", 1).await;
    assert!(told[0].to_string().contains("The window did not open"), "{told:?}");
}

#[tokio::test]
async fn slack_is_answered_at_once_however_slow_what_follows_is() {
    let (workspace, service) = told().await;
    linked(&service, "ada", &U_ADA).await;
    service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    workspace.trouble("views.open", &[Trouble::Slow]);
    let begun = std::time::Instant::now();
    click(&service, &U_ADA.press(&message, "reject")).await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    workspace.called("views.open", 1).await;
}

#[tokio::test]
async fn who_the_provider_has_not_vouched_for_lately_is_nobody() {
    let (workspace, service) = told().await;
    linked(&service, "ada", &U_ADA).await;
    service.sql("UPDATE accounts SET password = NULL, login_at = 1 WHERE subject = 'ada'").await;
    let ticket = service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    click(&service, &U_ADA.press(&message, "approve")).await;
    let told = workspace.called("chat.postEphemeral", 1).await;
    assert!(told[0].to_string().contains(SLACK_LINK), "{told:?}");
    assert_eq!(service.show(&ticket).await["state"], "pending");
}
