//! Pictures of the pages, below `target/screenshots`, for people to look at; that nothing is wider than a phone, and
//! that axe finds nothing that some people could not use.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::approver::{glazed, high};
use crate::chromium::Browser;
use crate::harness::{EDGE, ask, claim, code, question};
use crate::site::{Site, installed};

/// What stays at the edge of a window lies across a picture of more than that.
const STILL: &str = "document.querySelector('.jump')?.style.setProperty('position', 'static');";
const AS_IT_WAS: &str = "document.querySelector('.jump')?.removeAttribute('style');";

async fn picture(browser: &Browser, name: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    for (width, height) in [(390, 844), (1440, 900)] {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        browser.chromium("Emulation.setDeviceMetricsOverride", size).await;
        for scheme in ["light", "dark"] {
            let scheme_of = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            browser.chromium("Emulation.setEmulatedMedia", scheme_of).await;
            let whole = json!({ "captureBeyondViewport": true });
            browser.run(STILL, vec![]).await;
            let shot = browser.chromium("Page.captureScreenshot", whole).await;
            let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
            browser.run(AS_IT_WAS, vec![]).await;
            std::fs::write(folder.join(format!("{name}-{width}-{scheme}.png")), bytes).unwrap();
            is_usable_by_all(browser, &format!("{name}, {width} wide, {scheme}")).await;
        }
        let wide = browser.run("return document.documentElement.scrollWidth;", vec![]).await;
        assert!(wide.as_i64().unwrap() <= width, "{name} scrolls sideways: {wide}");
    }
    browser.is_clean().await;
}

/// Holds a page against the rules of axe-core: WCAG 2.2, levels A and AA, and its best practices.
async fn is_usable_by_all(browser: &Browser, name: &str) {
    let axe = std::fs::read_to_string(installed().join("node_modules/axe-core/axe.min.js")).unwrap();
    // Of WCAG 2.2, which axe looks at only when it is told to.
    let run = "const rules = { 'target-size': { enabled: true } };
        return axe.run(document, { rules }).then(found => found.violations.map(one =>
        [one.id, one.help, one.nodes.map(node => node.html.slice(0, 200) + ' ' + node.failureSummary)]));";
    let found = browser.run(&format!("{axe}; {run}"), vec![]).await;
    assert_eq!(found, json!([]), "{name}: {found:#}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver, node and npm"]
async fn pages_fit_phones_and_desks_in_both_schemes() {
    let (site, browser) = tokio::join!(Site::with_provider(), Browser::open());
    browser.add_authenticator().await;
    browser.goto(&site.at("/login")).await;
    picture(&browser, "login").await;
    browser.log_in(&site, "cid", &code(0)).await;
    browser.add_passkey(&site, "a key with a rather long name that says where it is").await;
    browser.click("section:has(#tokens) summary").await;
    browser.fill("section:has(#tokens) input[name=name]", "the release pipeline").await;
    browser.click("input[name=read]").await;
    browser.click("input[name=answer]").await;
    picture(&browser, "account").await;
    browser.click("form[action='/account/tokens'] button").await;
    browser.reads("it is not shown again").await;
    picture(&browser, "account-token").await;
    site.service.sql("UPDATE sessions SET otp_at = NULL").await;
    browser.goto(&site.at("/account")).await;
    picture(&browser, "account-locked").await;
    let ticket = site.service.open(high(question())).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    picture(&browser, "request").await;
    let ticket = site.service.open(glazed()).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    browser.break_the_glass("The site is down and nobody else answers").await;
    picture(&browser, "glass").await;
    browser.goto(&site.at("/inbox")).await;
    picture(&browser, "queue").await;
    requests(&site, &browser).await;
    browser.goto(&site.at("/v1/openapi")).await;
    picture(&browser, "interface").await;
    site.service.sql("UPDATE accounts SET totp = NULL, totp_since = NULL WHERE subject = 'dan'").await;
    browser.goto(&site.at("/inbox")).await;
    browser.click("form[action='/logout'] button").await;
    browser.arrive("/login").await;
    browser.log_in(&site, "dan", "").await;
    browser.goto(&site.at("/account")).await;
    browser.click("form[action='/account/codes'] button").await;
    browser.find(".secret").await;
    picture(&browser, "codes").await;
}

/// An agent wants to delete a branch, by a tool of an MCP server.
fn tool_call(branch: &str, force: bool) -> Value {
    let mut asked = question();
    let arguments = json!({ "repository": "web", "branch": branch, "force": force });
    let params = json!({ "name": "delete_branch", "arguments": arguments });
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    asked["cedar"]["action"] = json!("Mcp::Action::\"delete_branch\"");
    asked["cedar"]["resource"] = json!("Mcp::Server::\"code\"");
    asked["cedar"]["context"] = json!({ "arguments": arguments });
    asked["request"]["authority"] = json!("mcp.example");
    asked["request"]["path"] = json!("/mcp");
    asked["request"]["body"] = json!({ "text": call.to_string() });
    asked["justification"] = json!("The branch is merged and in the way");
    asked
}

/// Requests of all kinds, and what is left of them.
async fn requests(site: &Site, browser: &Browser) {
    let cid = site.service.log_in("cid").await;
    let before = site.service.open(question()).await;
    site.service.answer(&cid, &before, "approve").await;
    let mut hostile = question();
    hostile["request"]["authority"] = json!("dеploy.example");
    hostile["request"]["path"] = json!("/deployments?env=prod\u{202e}tset&x=<b>*bold*</b>");
    hostile["request"]["body"] =
        json!({ "text": "{\"build\":43,\"build\":44,\"note\":\"<!channel> \u{200b}\"}" });
    hostile["request"]["headers"] = json!([
        { "name": "authorization", "value": { "redacted": { "bytes": 812 } }, "bound": false },
        { "name": "x-signature", "value": { "base64": "iVBORw0KGgoAAAANSUhEUg==" }, "bound": true },
    ]);
    let hostile = site.service.open(hostile).await;
    browser.goto(&site.at(&format!("/inbox/{hostile}"))).await;
    picture(browser, "hostile").await;
    let before = site.service.open(tool_call("old-feature", false)).await;
    site.service.answer(&cid, &before, "approve").await;
    let tool = site.service.open(tool_call("main", true)).await;
    browser.goto(&site.at(&format!("/inbox/{tool}"))).await;
    browser.click("details.say:has(summary.reject) summary").await;
    picture(browser, "tool").await;
    site.service.answer(&cid, &tool, "reject").await;
    site.service.answer(&cid, &hostile, "flag").await;
    for _ in 0..4 {
        site.service.open(question()).await;
    }
    browser.goto(&site.at("/inbox")).await;
    browser.click("details.bulk summary").await;
    picture(browser, "queue-full").await;
    browser.goto(&site.at("/inbox/history?words=production")).await;
    picture(browser, "history").await;
    browser.goto(&site.at("/inbox/mine")).await;
    picture(browser, "mine").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver, node and npm"]
async fn what_is_refused_closed_long_or_opened_does_too() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let service = &site.service;
    let (approved, used, back) = (ask(question()), ask(question()), ask(question()));
    let mut tickets = Vec::new();
    let bob = service.log_in("bob").await;
    for asked in [&approved, &used, &back] {
        let ticket = service.ask(asked).await["ticket"].as_str().unwrap().to_owned();
        service.answer(&bob, &ticket, "approve").await;
        tickets.push(ticket);
    }
    let grant = service.grant(&service.ask(&used).await["verdict"]);
    assert_eq!(service.post("/v1/claims", EDGE, claim(&grant)).await.status, 200);
    let why = json!({ "reason": "It was the wrong branch, and the window is over" });
    service.post(&format!("/v1/requests/{}/revoke", tickets[2]), &bob, why).await;
    browser.log_in(&site, "ada", "").await;
    for (ticket, name) in tickets.iter().zip(["approved", "used", "revoked"]) {
        browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
        picture(&browser, name).await;
    }
    let mut long = question();
    long["request"]["body"] =
        json!({ "text": format!("{{\"lines\":[\"{}\"]}}", "a line of it ".repeat(6_000)) });
    let long = service.open(long).await;
    for (query, name) in [("", "folded"), ("?full=yes", "full")] {
        browser.goto(&site.at(&format!("/inbox/{long}{query}"))).await;
        picture(&browser, name).await;
    }
    browser.goto(&site.at(&format!("/inbox/{long}?full=yes"))).await;
    browser.click("summary.flag").await;
    browser.fill("details.say[open] textarea", "What is all of this for?").await;
    picture(&browser, "flag").await;
    let ticket = service.open(high(question())).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    browser.fill("input[name=totp]", "000000").await;
    browser.click("button.approve").await;
    browser.reads("code is wrong").await;
    picture(&browser, "refused").await;
    browser.goto(&site.at(&format!("/inbox/{}", "0".repeat(32)))).await;
    browser.reads("there is nothing here").await;
    picture(&browser, "problem").await;
    browser.goto(&site.at("/inbox")).await;
    browser.click(&format!("[value^='{long}']")).await;
    browser.click("details.bulk summary").await;
    browser.click("details.bulk input[value='Talk to us first']").await;
    browser.click("details.bulk button").await;
    browser.reads("1 rejected.").await;
    picture(&browser, "rejected").await;
}

/// A link that was begun by a click in a chat: its secret is 64 times `a`.
const BEGUN: &str = "INSERT INTO ceremonies (id, kind, state, expires_at) VALUES
    ('ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb', 'link',
     '{\"app\":\"A\",\"team\":\"T0123456789\",\"id\":\"U0123456789\",\"name\":\"root \u{202e}toor\"}', 9000000000000)";
/// A message that was given up.
const DEAD: &str =
    "INSERT INTO outbox (id, channel, ticket, event, at, state, attempts, ready, due_at, settled_at, error)
     SELECT 'ffffffffffffffffffffffffffffffff', 'sre-slack', ticket, seq, at, 'dead', 10, 0, at, at,
         'the receiver answered 503, and said nothing more' FROM history";
const HEALTH: &str =
    "INSERT INTO channel_health (channel, sent_at, failed_at, error) VALUES ('oncall-mail', 1772600000000, NULL, NULL),
     ('sre-slack', 1772600000000, 1772600767890, 'the receiver answered 503, and said nothing more')";
const LINKED: &str = "INSERT INTO links (kind, team, id, name, issuer, subject, linked_at)
    VALUES ('slack', 'T0123456789', 'U0123456789', 'root', 'local', 'root', 1772600000000)";
const UNREACHED: &str = "INSERT INTO reach (ticket, noticed_at) SELECT id, 1 FROM tickets";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver, node and npm"]
async fn pages_of_channels_do_too() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let ticket = site.service.open(question()).await;
    for sql in [BEGUN, DEAD, HEALTH, LINKED, UNREACHED] {
        site.service.sql(sql).await;
    }
    browser.log_in(&site, "root", "").await;
    for (page, name) in [
        ("/inbox/channels".to_owned(), "channels"),
        (format!("/account/links/{}", "a".repeat(64)), "link"),
        ("/account".to_owned(), "account-linked"),
        (format!("/inbox/{ticket}"), "unreached"),
    ] {
        browser.goto(&site.at(&page)).await;
        picture(&browser, name).await;
    }
}
