//! Markup in every string of a request and in all that people write: it is text on every page, and nothing else.

use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::harness::{Service, code, question};
use crate::site::Site;

/// What would do something on a page that took it for markup or for an address.
macro_rules! evil {
    () => {
        "<img src=x onerror=window.hit=1></pre></code></title></textarea><script>window.hit=1</script> javascript:window.hit=1"
    };
}

/// The same, where it could end an attribute.
const QUOTED: &str = concat!("\"' onfocus=window.hit=1 autofocus x=\"'>", evil!());

/// Where a gateway says something: as members of a question, each of which a page shows.
const MEMBERS: [&str; 16] = [
    "/justification",
    "/request/method",
    "/request/scheme",
    "/request/authority",
    "/request/headers/0/name",
    "/request/headers/0/value/text",
    "/request/trailers/0/name",
    "/request/trailers/0/value/text",
    "/gates/0/id",
    "/gates/0/reason",
    "/gates/0/group_name",
    "/gates/0/channel",
    "/involved/0/entity",
    "/involved/0/names/0/subject",
    "/involved/0/names/0/issuer",
    "/involved/1/entity",
];

/// What stands in the other members.
const OTHERS: [&str; 12] = [
    "principal",
    "action",
    "resource",
    "also",
    "fact name",
    "fact",
    "member",
    "value",
    "path",
    "parameter",
    "pair",
    "end",
];

fn marked(place: &str) -> String {
    format!("{place} {}", evil!())
}

/// The same where JSON and Cedar would escape quotes.
fn quoted(place: &str) -> String {
    format!("{place} {QUOTED}")
}

/// A request that is hostile wherever it can be: two of sre may open it, or one of dba alone.
fn hostile() -> Value {
    let mut asked = question();
    let header = json!({ "name": "", "value": { "text": "" }, "bound": true });
    asked["request"]["headers"] = json!([header]);
    asked["request"]["trailers"] = json!([header]);
    asked["involved"][0]["names"] = json!([{ "issuer": "", "subject": "" }]);
    asked["gates"][0]["quorum"] = json!(2);
    let glass = json!({ "group": { "issuer": "local", "id": "dba" }, "group_name": marked("glass") });
    asked["gates"][0]["break_glass"] = glass;
    for member in MEMBERS {
        *asked.pointer_mut(member).unwrap() = json!(quoted(member));
    }
    for member in ["principal", "action", "resource"] {
        asked["cedar"][member] = json!(format!("A::\"{}\"", marked(member)));
    }
    asked["cedar"]["context"] = json!({ marked("fact name"): [marked("fact")] });
    asked["also"] =
        json!([{ "principal": "P::\"p\"", "action": marked("also"), "resource": "R::\"r\"", "context": {} }]);
    let body = json!({ marked("member"): { "n": marked("value") } });
    asked["request"]["body"] = json!({ "text": body.to_string() });
    asked["request"]["path"] =
        json!(format!("/{}?{}={}&{}", marked("path"), pair("parameter"), pair("pair"), marked("end")));
    asked
}

/// As a query has it: with nothing that would begin or end a pair.
fn pair(place: &str) -> String {
    marked(place).replace('=', "%3d")
}

/// Sees that the page has no element that is not its own, that nothing ran, and that it says each of those things.
async fn is_text(browser: &Browser, said: &[String]) {
    let said_there = "let left = given[0];
        const until = performance.now() + 20000;
        while (left.length > 0 && performance.now() < until) {
            const text = document.title + document.body.textContent;
            left = left.filter((one) => !text.includes(one));
            await new Promise(requestAnimationFrame);
        }
        return left;";
    let path = browser.path().await;
    assert_eq!(browser.run(said_there, vec![json!(said)]).await, json!([]), "{path}");
    let foreign = "const own = (element) => ['/assets/icon.svg', '/assets/inbox.js', '/assets/passkeys.js']
            .includes(new URL(element.src).pathname) && !element.hasAttribute('onerror');
        return [window.hit ?? null,
            ...[...document.querySelectorAll('img, script')].filter((element) => !own(element)),
            ...document.querySelectorAll('[onerror], [onfocus], [href^=\"javascript:\"], [action^=\"javascript:\"], iframe, object')]
            .map((one) => one?.outerHTML ?? one);";
    assert_eq!(browser.run(foreign, vec![]).await, json!([null]), "{path}");
    browser.is_clean().await;
}

/// Answers, revokes or reviews as somebody, saying that.
async fn act(service: &Service, session: &str, ticket: &str, (what, body): (&str, Value)) {
    let mut body = body;
    if what == "answers" {
        body["shown"] = service.get(&format!("/v1/requests/{ticket}"), session).await.body["shown"].clone();
    }
    let done = service.post(&format!("/v1/requests/{ticket}/{what}"), session, body).await;
    assert!(done.status.is_success(), "{}", done.body);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn what_gateways_send_is_text_wherever_it_stands() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let ticket = site.service.open(hostile()).await;
    browser.log_in(&site, "ada", &code(0)).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    let all = MEMBERS.iter().map(|place| quoted(place)).chain(OTHERS.iter().map(|place| marked(place)));
    is_text(&browser, &all.collect::<Vec<_>>()).await;
    let row = ["principal", "action", "resource", "path"].map(marked);
    browser.goto(&site.at("/inbox")).await;
    is_text(&browser, &row).await;
    // Different from the last like it, and next to it.
    for name in ["ada", "bob"] {
        site.service.answer(&site.service.log_in(name).await, &ticket, "approve").await;
    }
    let mut next = hostile();
    next["request"]["headers"][0]["value"]["text"] = json!(quoted("another"));
    let next = site.service.open(next).await;
    browser.goto(&site.at(&format!("/inbox/{next}"))).await;
    browser.find(".changes ins").await;
    is_text(&browser, &row[..3]).await;
    site.service.answer(&site.service.log_in("ada").await, &next, "reject").await;
    for page in ["/inbox/history", "/inbox/mine"] {
        browser.goto(&site.at(page)).await;
        is_text(&browser, &row).await;
    }
    // What somebody is made to look for.
    let mut sought = url::Url::parse(&site.at("/inbox/history")).unwrap();
    sought.query_pairs_mut().append_pair("words", QUOTED).append_pair("severity", QUOTED);
    browser.goto(sought.as_str()).await;
    assert_eq!(browser.value("input[name=words]").await, QUOTED);
    is_text(&browser, &[]).await;
}

/// What a provider and a chat may call people, and what a receiver may answer.
const NAMES: &str = concat!("UPDATE accounts SET name = subject || ' ", evil!(), "' WHERE subject <> 'root'");
const LINKED: &str = concat!(
    "INSERT INTO links (kind, team, id, name, issuer, subject, linked_at) VALUES ('slack', 'team ",
    evil!(),
    "', 'user ",
    evil!(),
    "', 'chat ",
    evil!(),
    "', 'local', 'ada', 1)"
);
const BEGUN: &str = concat!(
    "INSERT INTO ceremonies (id, kind, state, expires_at) VALUES
     ('ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb', 'link',
      '{\"app\":\"A\",\"team\":\"T ",
    evil!(),
    "\",\"id\":\"U ",
    evil!(),
    "\",\"name\":\"begun ",
    evil!(),
    "\"}', 9000000000000)"
);
const FAILED: &str = concat!(
    "INSERT INTO channel_health (channel, failed_at, error) VALUES ('mail', 1, 'failed ",
    evil!(),
    "')"
);
const DEAD: &str = concat!(
    "INSERT INTO outbox (id, channel, ticket, event, at, state, attempts, ready, due_at, settled_at, error)
     SELECT 'ffffffffffffffffffffffffffffffff', 'mail', ticket, seq, at, 'dead', 10, 0, at, at, 'dead ",
    evil!(),
    "' FROM history WHERE seq = 1"
);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn what_people_write_is_text_in_the_open_pages_of_others() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let service = &site.service;
    service.sql(NAMES).await;
    let ticket = service.open(hostile()).await;
    let oda = service.log_in("oda").await;
    browser.log_in(&site, "bob", "").await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    is_text(&browser, &[marked("bob")]).await;
    let (ada, dan) = (service.log_in("ada").await, service.proven("dan").await);
    let answer = |kind: &str, why: &str| ("answers", json!({ "kind": kind, "reason": quoted(why) }));
    act(service, &ada, &ticket, answer("approve", "approved")).await;
    is_text(&browser, &[marked("ada"), quoted("approved")]).await;
    act(service, &oda, &ticket, answer("flag", "flagged")).await;
    is_text(&browser, &[marked("oda"), quoted("flagged")]).await;
    act(service, &dan, &ticket, answer("break_glass", "broken")).await;
    is_text(&browser, &[marked("dan"), quoted("broken")]).await;
    act(service, &ada, &ticket, ("review", json!({ "note": quoted("reviewed") }))).await;
    is_text(&browser, &[quoted("reviewed")]).await;
    act(service, &ada, &ticket, ("revoke", json!({ "reason": quoted("revoked") }))).await;
    is_text(&browser, &[quoted("revoked")]).await;
    let other = service.open(hostile()).await;
    act(service, &service.log_in("bob").await, &other, answer("reject", "rejected")).await;
    browser.goto(&site.at("/inbox/mine")).await;
    is_text(&browser, &[quoted("rejected")]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn names_are_text_in_accounts_and_channels() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    site.service.open(question()).await;
    for sql in [NAMES, LINKED, BEGUN, FAILED, DEAD] {
        site.service.sql(sql).await;
    }
    let short = "<img src=x onerror=window.hit=1>";
    browser.add_authenticator().await;
    browser.log_in(&site, "ada", &code(0)).await;
    browser.add_passkey(&site, short).await;
    browser.click("section:has(#tokens) summary").await;
    browser.fill("section:has(#tokens) input[name=name]", &format!("token {short}")).await;
    browser.click("input[name=read]").await;
    browser.click("form[action='/account/tokens'] button").await;
    let named = ["ada", "team", "user", "chat"].map(marked);
    is_text(&browser, &[&named[..], &[short.into(), format!("token {short}")]].concat()).await;
    browser.goto(&site.at(&format!("/account/links/{}", "a".repeat(64)))).await;
    is_text(&browser, &["T", "U", "begun", "ada"].map(marked)).await;
    browser.click("form[action='/logout'] button").await;
    browser.log_in(&site, "root", "").await;
    browser.goto(&site.at("/inbox/channels")).await;
    is_text(&browser, &["failed", "dead"].map(marked)).await;
}
