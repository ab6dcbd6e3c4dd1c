//! Text that is read from right to left: it moves nothing that stands around it.

use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::harness::{code, question};
use crate::site::Site;

/// Three letters, and a number that would change places with what stands next to it.
macro_rules! hebrew {
    () => {
        "\u{5d0}\u{5d1}\u{5d2} 42"
    };
}

/// Hebrew text on the page that shares a line with other text and has no order of its own there.
const LOOSE: &str = r"
    const isolates = /isolate|override|plaintext/;
    const loose = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        if (!/[\u0590-\u05ff]/.test(text.data) || text.parentElement.closest('.unheard, option')) continue;
        let element = text.parentElement, isolated = false;
        while (getComputedStyle(element).display.startsWith('inline') && !isolated) {
            isolated = isolates.test(getComputedStyle(element).unicodeBidi);
            element = element.parentElement;
        }
        const alone = element.textContent.trim() === text.data.trim();
        if (!isolated && !alone) loose.push(element.outerHTML.slice(0, 300));
    }
    return loose;";

/// Where the pieces of the sentence in an element begin, in the order in which they are written.
const ORDER: &str = "return [...document.querySelector(given[0]).childNodes]
    .filter((node) => node.textContent.trim() !== '')
    .map((node) => {
        const range = document.createRange();
        range.selectNodeContents(node);
        return range.getBoundingClientRect().x;
    });";

fn named(kind: &str) -> String {
    format!("{kind}::\"{}\"", hebrew!())
}

/// A request that says it everywhere.
fn asked() -> Value {
    let mut asked = question();
    for (member, kind) in [("principal", "Agent"), ("action", "Action"), ("resource", "Place")] {
        asked["cedar"][member] = json!(named(kind));
    }
    asked["cedar"]["context"] = json!({ hebrew!(): [hebrew!(), { hebrew!(): 1 }] });
    for member in ["/justification", "/gates/0/reason", "/gates/0/group_name", "/request/headers/0/name"] {
        *asked.pointer_mut(member).unwrap() = json!(hebrew!());
    }
    asked["request"]["headers"][0]["value"]["text"] = json!(hebrew!());
    asked["request"]["path"] = json!(concat!("/", hebrew!(), "/7?", hebrew!(), "=", hebrew!()));
    asked["involved"][1]["entity"] = json!(named("User"));
    asked["gates"][0]["quorum"] = json!(2);
    let glass = json!({ "group": { "issuer": "local", "id": "dba" }, "group_name": "dba" });
    asked["gates"][0]["break_glass"] = glass;
    asked
}

const NAMES: &str = concat!("UPDATE accounts SET name = '", hebrew!(), "'");
const LINKED: &str = concat!(
    "INSERT INTO links (kind, team, id, name, issuer, subject, linked_at) VALUES ('slack', '",
    hebrew!(),
    "', '",
    hebrew!(),
    "', '",
    hebrew!(),
    "', 'local', 'root', 1)"
);
const BEGUN: &str = concat!(
    "INSERT INTO ceremonies (id, kind, state, expires_at) VALUES
     ('ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb', 'link', '{\"app\":\"A\",\"team\":\"",
    hebrew!(),
    "\",\"id\":\"",
    hebrew!(),
    "\",\"name\":\"",
    hebrew!(),
    "\"}', 9000000000000)"
);
const FAILED: &str =
    concat!("INSERT INTO channel_health (channel, failed_at, error) VALUES ('mail', 1, '", hebrew!(), "')");
const DEAD: &str = concat!(
    "INSERT INTO outbox (id, channel, ticket, event, at, state, attempts, ready, due_at, settled_at, error)
     SELECT 'dead', 'mail', ticket, seq, at, 'dead', 10, 0, at, at, '",
    hebrew!(),
    "' FROM history WHERE seq = 1"
);

/// Answers as everybody who can, in those letters.
async fn answers(site: &Site, ticket: &str) {
    let (ada, dan) = (site.service.log_in("ada").await, site.service.proven("dan").await);
    let shown = site.service.show(ticket).await["shown"].clone();
    let path = format!("/v1/requests/{ticket}");
    for (session, kind) in [(&ada, "flag"), (&dan, "break_glass")] {
        let body = json!({ "kind": kind, "reason": hebrew!(), "shown": shown });
        let answered = site.service.post(&format!("{path}/answers"), session, body).await;
        assert_eq!(answered.status, 200, "{}", answered.body);
    }
    let cid = site.service.log_in("cid").await;
    let note = json!({ "note": hebrew!() });
    assert_eq!(site.service.post(&format!("{path}/review"), &cid, note).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn what_is_read_from_right_to_left_keeps_to_its_place() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let before = site.service.open(asked()).await;
    for sql in [NAMES, LINKED, BEGUN, FAILED, DEAD] {
        site.service.sql(sql).await;
    }
    answers(&site, &before).await;
    let ticket = site.service.open(asked()).await;
    let mut other = asked();
    other["request"]["headers"][0]["value"]["text"] = json!(concat!(hebrew!(), " 7"));
    let other = site.service.open(other).await;
    browser.log_in(&site, "root", &code(0)).await;
    for page in [
        "/inbox".to_owned(),
        format!("/inbox/{before}"),
        format!("/inbox/{other}"),
        "/inbox/history".to_owned(),
        "/inbox/channels".to_owned(),
        "/account".to_owned(),
        format!("/account/links/{}", "a".repeat(64)),
    ] {
        browser.goto(&site.at(&page)).await;
        let loose = browser.run(LOOSE, vec![]).await;
        assert_eq!(loose, json!([]), "{page}: {loose:#}");
        assert!(browser.text().await.contains('\u{5d0}'), "{page} has none of it");
    }
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    for sentence in ["h1", ".headline .line", ".history li"] {
        let places: Vec<f64> =
            serde_json::from_value(browser.run(ORDER, vec![json!(sentence)]).await).unwrap();
        assert!(places.len() > 1 && places.is_sorted(), "{sentence}: {places:?}");
    }
}
