//! Second factors: passkeys over the very answer, and one-time codes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use crate::approver::{gated, glazed, high};
use crate::chromium::Browser;
use crate::harness::{code, question, seconds};
use crate::proof::{bytes, verify};
use crate::site::Site;

/// The proof of a passkey that a page's own script makes.
const PROVE: &str = "const [path, kind, shown] = given;
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ kind, shown });
    const asked = await (await fetch(`${path}/passkey`, { method: 'POST', headers, body })).json();
    if (!asked.options) return JSON.stringify(asked);
    return JSON.stringify({ ceremony: asked.ceremony, credential: await got(asked.options) });";

/// Sends an answer as the page's form would; its status and, where it is refused, why.
const ANSWER: &str = "const [path, kind, shown, csrf, reason, proof] = given;
    const body = new URLSearchParams({ csrf, kind, shown, reason, proof });
    const reply = await fetch(`${path}/answer`, { method: 'POST', body });
    const page = new DOMParser().parseFromString(await reply.text(), 'text/html');
    return `${reply.status} ${page.querySelector('.alert')?.textContent ?? ''}`;";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn glass_is_broken_with_a_passkey_over_that_very_answer() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    browser.add_authenticator().await;
    browser.log_in(&site, "dan", &code(0)).await;
    browser.add_passkey(&site, "a key").await;
    site.service.sql("UPDATE sessions SET otp_at = NULL").await;
    let ticket = site.service.open(glazed()).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    browser.break_the_glass("nobody else answers").await;
    let shown = site.service.show(&ticket).await;
    let answer = &shown["answers"][0];
    assert_eq!((&shown["state"], &answer["break_glass"]), (&json!("approved"), &json!(true)), "{shown}");
    assert!(answer["amr"].as_array().unwrap().contains(&json!("hwk")) && answer["assertion"].is_object());
    browser.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn a_passkey_approves_the_request_that_is_shown_and_the_proof_is_kept() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    browser.add_authenticator().await;
    let before = site.service.open(high(question())).await;
    browser.log_in(&site, "ada", "").await;
    // She has codes, so she has to give one before she may add anything.
    browser.goto(&site.at("/account")).await;
    assert!(!browser.has("form[data-passkey=create]").await);
    browser.fill("input[name=totp]", &code(0)).await;
    browser.click("form.inline button").await;
    browser.add_passkey(&site, "the blue key").await;
    browser.is_clean().await;
    // The code that she gave counts for the rest of the quarter of an hour, and for what was asked before.
    browser.goto(&site.at(&format!("/inbox/{before}"))).await;
    assert!(browser.has("button.approve").await && !browser.has("form[data-passkey]").await);
    browser.click("form[action='/logout'] button").await;
    browser.log_in(&site, "ada", "").await;
    browser.goto(&site.at(&format!("/inbox/{before}"))).await;
    assert!(browser.has("input[name=totp]").await && !browser.has("form[data-passkey]").await, "too young");
    let ticket = site.service.open(high(question())).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    assert!(browser.has("input[name=totp]").await);
    browser.click("form[data-passkey=get] button").await;
    browser.reads("You have answered: approve.").await;
    let detail = site.service.show(&ticket).await;
    assert_eq!(
        (&detail["state"], &detail["answers"][0]["amr"]),
        (&json!("approved"), &json!(["pwd", "hwk"]))
    );
    verify(&detail, &detail["answers"][0]["assertion"], "approve", "localhost");
    browser.is_clean().await;
    // Without the second factor the session alone approves nothing of that kind.
    let ada = site.service.log_in("ada").await;
    let next = site.service.open(high(question())).await;
    assert_eq!(site.service.answer(&ada, &next, "approve").await.body["code"], "second_factor_missing");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn a_proof_counts_once_for_its_ticket_kind_and_session() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    browser.add_authenticator().await;
    browser.log_in(&site, "ada", &code(0)).await;
    browser.add_passkey(&site, "key").await;
    let (one, two) = (site.service.open(high(question())).await, site.service.open(high(question())).await);
    let (first, second) = (format!("/inbox/{one}"), format!("/inbox/{two}"));
    let shown = site.service.show(&one).await["shown"].clone();
    site.service.sql("UPDATE sessions SET otp_at = NULL").await;
    browser.goto(&site.at(&first)).await;
    let csrf = browser.find("input[name=csrf]").await.prop("value").await.unwrap().unwrap();
    let prove = async || browser.run(PROVE, vec![json!(first), json!("approve"), shown.clone()]).await;
    let answer = async |path: &str, kind: &str, proof: &Value| {
        let words = vec![json!(path), json!(kind), shown.clone(), json!(csrf), json!("why"), proof.clone()];
        browser.run(ANSWER, words).await.as_str().unwrap().to_owned()
    };
    let over = |said: String| assert!(said.starts_with("409 this was begun elsewhere"), "{said}");
    over(answer(&second, "approve", &prove().await).await);
    over(answer(&first, "reject", &prove().await).await);
    let late = prove().await;
    site.service.sql("UPDATE ceremonies SET expires_at = expires_at - 300000").await;
    over(answer(&first, "approve", &late).await);
    // What is signed is changed on the way.
    let proof = prove().await;
    let mut changed: Value = serde_json::from_str(proof.as_str().unwrap()).unwrap();
    let mut data = bytes(&changed["credential"]["authenticator_data"]);
    *data.last_mut().unwrap() ^= 1;
    changed["credential"]["authenticator_data"] = json!(BASE64.encode(data));
    let said = answer(&first, "approve", &json!(changed.to_string())).await;
    assert!(said.starts_with("403 the passkey cannot be used: the signature is wrong"), "{said}");
    over(answer(&first, "approve", &proof).await);
    assert_eq!(site.service.show(&one).await["answers"], json!([]));
    let proof = prove().await;
    assert!(answer(&first, "approve", &proof).await.starts_with("200"));
    over(answer(&first, "approve", &proof).await);
    assert_eq!(site.service.show(&one).await["state"], "approved");
    assert_eq!(site.service.show(&two).await["state"], "pending");
    // The same passkey in another session of hers.
    let proof = browser.run(PROVE, vec![json!(second), json!("approve"), shown.clone()]).await;
    browser.click("form[action='/logout'] button").await;
    browser.log_in(&site, "ada", "").await;
    browser.goto(&site.at(&second)).await;
    let csrf = browser.find("input[name=csrf]").await.prop("value").await.unwrap().unwrap();
    let words = vec![json!(second), json!("approve"), shown.clone(), json!(csrf), json!(""), proof];
    over(browser.run(ANSWER, words).await.as_str().unwrap().to_owned());
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver, node and npm"]
async fn somebody_of_the_provider_sets_up_factors_of_their_own() {
    let (site, browser) = tokio::join!(Site::with_provider(), Browser::open());
    for name in ["ida", "ivo"] {
        site.provider().groups(name, json!(["deployers"])).await;
    }
    browser.add_authenticator().await;
    // There has to be somebody who could approve the first.
    browser.log_in_at_the_provider(&site, "ivo").await;
    site.service
        .sql("UPDATE accounts SET totp = 'GEZDGNBVGY3TQOJQ', totp_since = 1 WHERE subject = 'ivo'")
        .await;
    browser.chromium("Network.clearBrowserCookies", json!({})).await;
    browser.log_in_at_the_provider(&site, "ida").await;
    let early = site.service.open(high(gated(&site, "deployers"))).await;
    browser.goto(&site.at(&format!("/inbox/{early}"))).await;
    browser.reads("needs a second factor that you had before it was asked").await;
    browser.goto(&site.at("/account")).await;
    browser.click("form[action='/account/codes'] button").await;
    let secret = browser.find(".secret").await.text().await.unwrap().replace(' ', "");
    assert!(browser.has("svg.qr path").await);
    browser.is_clean().await;
    browser.fill("input[name=totp]", "000000").await;
    browser.click("button.primary").await;
    browser.reads("The code is wrong.").await;
    browser.fill("input[name=totp]", &code_of(&secret)).await;
    browser.click("button.primary").await;
    browser.reads("Set up since").await;
    browser.is_clean().await;
    // They are younger than that request.
    browser.goto(&site.at(&format!("/inbox/{early}"))).await;
    browser.reads("needs a second factor that you had before it was asked").await;
    let ticket = site.service.open(high(gated(&site, "deployers"))).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    browser.click("button.approve").await;
    browser.reads("You have answered: approve.").await;
    assert_eq!(site.service.show(&ticket).await["answers"][0]["amr"], json!(["oidc", "otp"]));
    // With a passkey she confirms changes, too, once what she has proven is too long ago.
    browser.add_passkey(&site, "laptop").await;
    site.service.sql("UPDATE sessions SET otp_at = NULL").await;
    browser.goto(&site.at("/account")).await;
    assert!(!browser.has("form[action='/account/passkeys/remove']").await);
    browser.click("form[data-passkey=get] button").await;
    browser.find("form[action='/account/passkeys/remove']").await;
    browser.click("form[action='/account/passkeys/remove'] button").await;
    browser.reads("None.").await;
    assert_eq!(site.service.count("SELECT count(*) FROM passkeys").await, 0);
    browser.is_clean().await;
    // She ends the session that she is in.
    browser.click("form[action='/account/sessions/end'] button").await;
    browser.arrive("/login").await;
}

fn code_of(secret: &str) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).with_account_name("test").build().unwrap();
    totp.generate(seconds()).to_string()
}
