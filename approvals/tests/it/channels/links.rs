//! Linking: a chat identity is somebody's only after they said so here, with the second factor, once.

use countersign_protocol::Hash;
use serde_json::{Value, json};

use super::workspace::{Clicker, SIGNING, U_ADA, Workspace, click};
use crate::harness::{Service, code, question};
use crate::inbox::browse;

/// How the link to link with begins.
pub(crate) const SLACK_LINK: &str = "http://localhost:8081/account/links/";

/// The path of the last link that somebody was told.
fn path(told: &[Value]) -> String {
    let text = told.last().unwrap().to_string();
    let (_, rest) = text.split_once(SLACK_LINK).unwrap();
    format!("/account/links/{}", rest.split('"').next().unwrap())
}

/// Links somebody, as after a click of theirs. Their one-time code is used up then.
pub(crate) async fn linked(service: &Service, user: &str, clicker: &Clicker) {
    linked_by(service, user, clicker, SIGNING).await;
}

/// The same for the app that has this secret.
async fn linked_by(service: &Service, user: &str, clicker: &Clicker, signing: &str) {
    let secret = crate::harness::token().to_string().repeat(2);
    let app = Hash::of(format!("countersign slack app {signing}").as_bytes());
    let state = json!({ "app": app, "team": clicker.team, "id": clicker.id, "name": "somebody" });
    begin(service, &secret, &state).await;
    let session = service.log_in(user).await;
    let path = format!("/account/links/{secret}");
    let page = browse(service, &session, &path, None).await;
    let form = format!("csrf={}&totp={}", page.field("csrf"), code(0));
    let done = browse(service, &session, &path, Some(&form)).await;
    assert_eq!((done.status.as_u16(), done.location()), (303, "/account"), "{}", done.text);
}

/// What a click of somebody unknown leaves behind.
async fn begin(service: &Service, secret: &str, state: &Value) {
    let pool = crate::databases::behind(&service.database).await;
    sqlx::query(
        "INSERT INTO ceremonies (id, kind, state, expires_at) VALUES ($1, 'link', $2, 9000000000000)",
    )
    .bind(Hash::of(secret.as_bytes()).to_string())
    .bind(state.to_string())
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
}

#[tokio::test]
async fn a_link_is_made_once_with_the_second_factor_and_is_on_record() {
    let workspace = Workspace::start().await;
    let service = Service::told(&workspace.configured("").read()).await;
    service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    click(&service, &U_ADA.press(&message, "approve")).await;
    let path = path(&workspace.called("chat.postEphemeral", 1).await);
    let stranger = browse(&service, "", &path, None).await;
    assert_eq!(
        (stranger.status.as_u16(), stranger.location()),
        (303, format!("/login?next={path}").as_str())
    );
    let ada = service.log_in("ada").await;
    let page = browse(&service, &ada, &path, None).await;
    assert!(
        page.text.contains("U0ADA") && page.text.contains("T0ONE") && page.text.contains("as you, ada"),
        "{}",
        page.text
    );
    let csrf = page.field("csrf");
    let unproven = browse(&service, &ada, &path, Some(&format!("csrf={csrf}"))).await;
    assert_eq!(unproven.status, 403, "{}", unproven.text);
    assert_eq!(browse(&service, &ada, &path, Some("csrf=x&totp=1")).await.status, 403);
    let wrong = browse(&service, &ada, &path, Some(&format!("csrf={csrf}&totp=000000"))).await;
    assert_eq!(wrong.status, 401, "{}", wrong.text);
    let form = format!("csrf={csrf}&totp={}", code(0));
    assert_eq!(browse(&service, &ada, &path, Some(&form)).await.status, 303);
    // It is over: for her, and for anybody else who has it.
    for session in [ada.clone(), service.proven("bob").await] {
        assert_eq!(browse(&service, &session, &path, None).await.status, 409);
    }
    let account = browse(&service, &ada, "/account", None).await;
    assert!(account.text.contains("U0ADA"), "{}", account.text);
    let root = service.log_in("root").await;
    let changes = service.get("/v1/changes", &root).await.body;
    let linked =
        changes["items"].as_array().unwrap().iter().find(|change| change["event"] == "chat_linked").unwrap();
    assert_eq!((&linked["by"]["subject"], &linked["detail"]["id"]), (&json!("ada"), &json!("U0ADA")));
}

#[tokio::test]
async fn what_is_unlinked_is_nobody_s() {
    let workspace = Workspace::start().await;
    let service = Service::told(&workspace.configured("").read()).await;
    linked(&service, "ada", &U_ADA).await;
    let ada = service.log_in("ada").await;
    let page = browse(&service, &ada, "/account", None).await;
    let form = format!("csrf={}&team=T0ONE&id=U0ADA", page.field("csrf"));
    let bob = service.log_in("bob").await;
    let others = browse(&service, &bob, "/account", None).await;
    let stolen = format!("csrf={}&team=T0ONE&id=U0ADA", others.field("csrf"));
    browse(&service, &bob, "/account/links/end", Some(&stolen)).await;
    assert_eq!(service.count("SELECT count(*) FROM links").await, 1, "it is not his to end");
    assert_eq!(browse(&service, &ada, "/account/links/end", Some(&form)).await.status, 303);
    service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    click(&service, &U_ADA.press(&message, "approve")).await;
    let told = workspace.called("chat.postEphemeral", 1).await;
    assert!(told[0].to_string().contains(SLACK_LINK));
    let root = service.log_in("root").await;
    assert!(service.get("/v1/changes", &root).await.body.to_string().contains("chat_unlinked"));
}

#[tokio::test]
async fn an_app_clicks_for_nobody_whom_another_one_linked() {
    let workspace = Workspace::start().await;
    let service = Service::told(&workspace.configured("").read()).await;
    linked_by(&service, "ada", &U_ADA, "the secret of another workspace's app").await;
    let ticket = service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    click(&service, &U_ADA.press(&message, "approve")).await;
    let told = workspace.called("chat.postEphemeral", 1).await;
    assert!(told[0].to_string().contains(SLACK_LINK), "{told:?}");
    assert_eq!(service.show(&ticket).await["state"], "pending");
}

#[tokio::test]
async fn an_account_that_was_reset_has_no_chat() {
    let workspace = Workspace::start().await;
    let service = Service::told(&workspace.configured("").read()).await;
    linked(&service, "ada", &U_ADA).await;
    let root = service.proven("root").await;
    assert_eq!(service.post("/v1/users/ada/reset", &root, json!({})).await.status, 200);
    assert_eq!(service.count("SELECT count(*) FROM links").await, 0);
    let ticket = service.open(question()).await;
    let message = workspace.message("Approval needed").await;
    click(&service, &U_ADA.press(&message, "approve")).await;
    workspace.called("chat.postEphemeral", 1).await;
    assert_eq!(service.show(&ticket).await["state"], "pending");
}
