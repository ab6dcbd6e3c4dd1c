//! The pages: reachable after log-in only, forms that only they can send, nothing from outside as markup.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::harness::{EDGE, PASSWORD, Service, ask, claim, code, question, shown};

pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }

    /// The value of the first hidden field of that name.
    pub(crate) fn field(&self, name: &str) -> String {
        let (_, rest) = self.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

pub(crate) async fn browse(service: &Service, session: &str, path: &str, form: Option<&str>) -> Page {
    let cookie = format!("__Host-countersign_session={session}");
    let mut request = Request::builder().uri(path).header("cookie", cookie).header("accept", "text/html");
    if form.is_some() {
        request = request.method("POST").header("content-type", "application/x-www-form-urlencoded");
        request = request.header("sec-fetch-site", "same-origin");
    }
    let body = Body::from(form.unwrap_or_default().to_owned());
    load(service, request.body(body).unwrap()).await
}

/// What a request of a browser's gets.
pub(crate) async fn load(service: &Service, request: Request<Body>) -> Page {
    let response = service.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Page { status: parts.status, headers: parts.headers, text }
}

#[tokio::test]
async fn who_is_not_logged_in_is_asked_to_and_then_sees_the_queue() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    for path in ["/inbox".to_owned(), format!("/inbox/{ticket}")] {
        let page = browse(&service, "", &path, None).await;
        assert_eq!((page.status.as_u16(), page.location()), (303, format!("/login?next={path}").as_str()));
    }
    let wrong = browse(&service, "", "/login", Some("user=ada&password=wrong&totp=")).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text.contains("user, password or code is wrong"));
    let form = format!("user=ada&password={}&totp=&next=", PASSWORD.replace(' ', "+"));
    for (next, on) in [("/account", "/account"), ("//evil.example", "/inbox"), ("", "/inbox")] {
        let page = browse(&service, "", "/login", Some(&format!("{form}{next}"))).await;
        assert_eq!((page.status.as_u16(), page.location()), (303, on));
    }
    let page = browse(&service, "", "/login", Some(&form)).await;
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    let session = cookie.split(['=', ';']).nth(1).unwrap();
    let queue = browse(&service, session, "/inbox", None).await;
    assert!(queue.text.contains(&format!("/inbox/{ticket}")));
    let stranger = service.log_in("eve").await;
    assert!(!browse(&service, &stranger, "/inbox", None).await.text.contains(&ticket));
    assert_eq!(browse(&service, &stranger, &format!("/inbox/{ticket}"), None).await.status, 404);
}

#[tokio::test]
async fn a_button_approves_and_only_this_session_s_page_has_it() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    let (ada, bob) = (service.log_in("ada").await, service.log_in("bob").await);
    let (path, send) = (format!("/inbox/{ticket}"), format!("/inbox/{ticket}/answer"));
    let page = browse(&service, &ada, &path, None).await;
    let form = |csrf: &str| format!("csrf={csrf}&kind=approve&shown={}", page.field("shown"));
    for csrf in ["", &browse(&service, &bob, &path, None).await.field("csrf")] {
        assert_eq!(browse(&service, &ada, &send, Some(&form(csrf))).await.status, 403);
    }
    assert_eq!(service.show(&ticket).await["state"], "pending");
    let done = browse(&service, &ada, &send, Some(&form(&page.field("csrf")))).await;
    assert_eq!((done.status.as_u16(), done.location()), (303, path.as_str()));
    assert_eq!(service.show(&ticket).await["state"], "approved");
    let after = browse(&service, &ada, &path, None).await;
    assert!(
        after.text.contains("You have answered: approve") && after.text.contains("Take the approval back")
    );
}

#[tokio::test]
async fn high_severity_is_approved_with_a_code_in_the_same_form() {
    let service = Service::start().await;
    let mut high = question();
    high["terms"]["severity"] = json!("high");
    let ticket = service.open(high).await;
    let ada = service.log_in("ada").await;
    let page = browse(&service, &ada, &format!("/inbox/{ticket}"), None).await;
    assert!(page.text.contains("Code from your authenticator"));
    let (csrf, shown) = (page.field("csrf"), page.field("shown"));
    let send = format!("/inbox/{ticket}/answer");
    let form = |totp: &str| format!("csrf={csrf}&kind=approve&shown={shown}&totp={totp}");
    let wrong = browse(&service, &ada, &send, Some(&form("000000"))).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text.contains("code is wrong"));
    assert_eq!(browse(&service, &ada, &send, Some(&form(&code(0)))).await.status, 303);
    assert_eq!(service.show(&ticket).await["state"], "approved");
}

#[tokio::test]
async fn an_answer_names_what_the_page_showed_and_not_what_the_database_says_was_shown() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    let ada = service.log_in("ada").await;
    let path = format!("/inbox/{ticket}");
    let open = browse(&service, &ada, &path, None).await;
    assert_eq!(open.field("shown"), shown(&question()).to_string());
    // Another version of the service renders it otherwise.
    service
        .sql("UPDATE tickets SET shown = '0000000000000000000000000000000000000000000000000000000000000000'")
        .await;
    assert_eq!(browse(&service, &ada, &path, None).await.field("shown"), open.field("shown"));
    let again = Request::get(&path).header("cookie", format!("__Host-countersign_session={ada}"));
    let again = again.header("countersign-refresh", open.field("shown")).body(Body::empty()).unwrap();
    assert_eq!(load(&service, again).await.field("shown"), open.field("shown"), "what is on the screen");
    let form = format!("csrf={}&kind=approve&shown={}", open.field("csrf"), open.field("shown"));
    let answered = browse(&service, &ada, &format!("{path}/answer"), Some(&form)).await;
    assert_eq!(answered.status, 409, "{}", answered.text);
}

#[tokio::test]
async fn what_is_not_shown_in_full_is_not_approved() {
    let service = Service::start().await;
    let long = "x".repeat(70_000);
    let field = |value: &str| json!([{ "name": "x-long", "value": { "text": value }, "bound": true }]);
    let many: Vec<_> = (0..70).map(|n| field(&format!("{n}{}", "x".repeat(1000)))[0].clone()).collect();
    let parts = [
        ("/request/body", json!({ "text": long })),
        ("/request/body", json!({ "text": json!([long]).to_string() })),
        ("/request/headers", field(&long)),
        ("/request/headers", json!(many)),
        ("/request/trailers", field(&long)),
        ("/request/path", json!(format!("/{long}"))),
        ("/cedar/context", json!({ "long": long })),
        ("/also", json!([{ "principal": "", "action": long, "resource": "", "context": {} }])),
    ];
    for (part, value) in parts {
        let mut asked = question();
        asked["also"] = json!([]);
        *asked.pointer_mut(part).unwrap() = value;
        unseen(&service, asked, part).await;
    }
}

/// A request of which one part is too long to be shown at once.
async fn unseen(service: &Service, asked: serde_json::Value, part: &str) {
    let ticket = service.open(asked).await;
    let ada = service.log_in("ada").await;
    let (path, send) = (format!("/inbox/{ticket}"), format!("/inbox/{ticket}/answer"));
    let folded = browse(service, &ada, &path, None).await;
    assert!(folded.text.len() < 40_000 && !folded.text.contains("value=\"approve\""), "{part}");
    assert_eq!(folded.text.matches("Show all of it").count(), 2, "at the part and at the decision: {part}");
    let form = |saw_all: &str| {
        let (csrf, shown) = (folded.field("csrf"), folded.field("shown"));
        format!("csrf={csrf}&kind=approve&shown={shown}&saw_all={saw_all}")
    };
    for saw_all in ["", "yes"] {
        assert_eq!(browse(service, &ada, &send, Some(&form(saw_all))).await.status, 409, "{part}");
    }
    let full = browse(service, &ada, &format!("{path}?full=yes"), None).await;
    assert!(full.text.len() > 70_000 && !full.text.contains("Show all of it"), "{part}");
    assert_eq!(browse(service, &ada, &send, Some(&form(&full.field("saw_all")))).await.status, 303);
    assert_eq!(service.show(&ticket).await["state"], "approved", "{part}");
}

#[tokio::test]
async fn what_is_no_text_is_named_by_type_size_and_hash() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    // Three bytes a group; the last has two.
    for (groups, shown) in [(2, true), (30_000, false)] {
        let mut asked = question();
        let base64 = format!("{}//4=", "////".repeat(groups));
        asked["request"]["body"] = json!({ "base64": base64 });
        asked["request"]["headers"][0]["value"]["text"] = json!("image/<png>");
        let ticket = service.open(asked).await;
        let page = browse(&service, &ada, &format!("/inbox/{ticket}"), None).await;
        let size = format!("<span class=\"tag\">no text</span> {} bytes", (base64.len() - 4) / 4 * 3 + 2);
        assert!(page.text.contains(&size) && page.text.contains("image/&lt;png&gt;"), "{}", page.text);
        assert!(page.text.contains(", SHA-256 <code>"));
        assert_eq!(page.text.contains(&base64), shown);
        assert_eq!(
            page.text.contains("value=\"approve\""),
            shown,
            "all of it is to be had before it is approved"
        );
        let full = browse(&service, &ada, &format!("/inbox/{ticket}?full=yes"), None).await;
        assert!(full.text.contains(&base64) && full.text.contains("value=\"approve\""));
    }
}

#[tokio::test]
async fn who_may_not_approve_has_no_button_and_learns_why() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    let oda = service.log_in("oda").await;
    let page = browse(&service, &oda, &format!("/inbox/{ticket}"), None).await;
    assert!(page.text.contains("somebody else has to approve it"));
    assert!(!page.text.contains("value=\"approve\"") && page.text.contains("value=\"reject\""));
}

#[tokio::test]
async fn a_use_without_an_end_says_so_until_the_gateway_reports() {
    let service = Service::start().await;
    for (uses, said) in [
        (1, "approved and used; what became of it is not known: the gateway did not report"),
        (
            2,
            "approved, not used up yet; what became of one of its uses is not known: the gateway did not report",
        ),
    ] {
        ends_late(&service, uses, said).await;
    }
}

async fn ends_late(service: &Service, uses: u32, said: &str) {
    let ada = service.log_in("ada").await;
    let mut asked = question();
    asked["terms"]["uses"] = json!(uses);
    let first = ask(asked);
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    service.answer(&ada, &ticket, "approve").await;
    let body = claim(&service.grant(&service.ask(&first).await["verdict"]));
    service.post("/v1/claims", EDGE, body.clone()).await;
    let path = format!("/inbox/{ticket}");
    assert!(browse(service, &ada, &path, None).await.text.contains("the gateway has not reported yet"));
    assert!(!browse(service, &ada, "/inbox", None).await.text.contains("outcome not known"));
    service.sql("UPDATE claims SET report_by = 1 WHERE report_by IS NOT NULL").await;
    let page = browse(service, &ada, &path, None).await;
    assert!(page.text.contains(said), "{}", page.text);
    assert!(browse(service, &ada, "/inbox", None).await.text.contains("outcome not known"));
    let nonce = &body["items"][0]["nonce"];
    let late = json!({ "ticket": ticket, "event": "forwarded", "nonce": nonce, "status": null });
    service.post("/v1/outcomes", EDGE, json!({ "evidence": [], "items": [late] })).await;
    let page = browse(service, &ada, &path, None).await;
    assert_eq!(page.text.matches("sent on, the upstream gave no answer").count(), 2, "use and history");
    assert!(!page.text.contains(said));
    assert!(!browse(service, &ada, "/inbox", None).await.text.contains("outcome not known"));
}

#[tokio::test]
async fn nothing_from_outside_is_markup_or_hides() {
    let service = Service::start().await;
    let evil = "<script>alert(1)</script>\u{202e}\"'";
    let mut asked = question();
    asked["justification"] = json!(evil);
    for member in ["principal", "action", "resource"] {
        asked["cedar"][member] = json!(format!("A::\"{evil}\""));
    }
    for member in ["method", "authority", "path"] {
        asked["request"][member] = json!(evil);
    }
    asked["request"]["headers"] = json!([
        { "name": evil, "value": { "text": evil }, "bound": true },
        { "name": "authorization", "value": { "redacted": { "bytes": 42 } }, "bound": false },
    ]);
    asked["request"]["body"] = json!({ "text": json!({ evil: evil }).to_string() });
    asked["cedar"]["context"] = json!({ evil: [evil] });
    asked["involved"][0]["entity"] = json!(evil);
    asked["gates"][0]["reason"] = json!(evil);
    let ticket = service.open(asked).await;
    let ada = service.log_in("ada").await;
    for path in ["/inbox".to_owned(), format!("/inbox/{ticket}")] {
        let page = browse(&service, &ada, &path, None).await;
        assert_eq!(page.status, 200);
        assert!(!page.text.contains("<script>") && !page.text.contains('\u{202e}'), "{}", page.text);
        assert!(page.text.contains("&lt;script&gt;") && page.text.contains("U+202E"));
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(!page.text.contains(" style=") && !page.text.contains(" onclick="));
    }
    let page = browse(&service, &ada, &format!("/inbox/{ticket}"), None).await;
    assert!(page.text.contains("redacted at the gateway, 42 bytes") && page.text.contains("not bound"));
}

#[tokio::test]
async fn a_long_path_is_cut_with_a_mark() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    for (length, above, in_rows) in
        [(300, false, false), (301, true, false), (499, true, false), (500, true, true), (501, true, true)]
    {
        let mut asked = question();
        asked["request"]["path"] = json!(format!("/{}", "x".repeat(length - 1)));
        let ticket = service.open(asked).await;
        let page = browse(&service, &ada, &format!("/inbox/{ticket}"), None).await.text;
        let (_, headline) = page.split_once("data-live=\"headline\"").unwrap();
        let (headline, _) = headline.split_once("</header>").unwrap();
        assert_eq!(headline.contains("xx…"), above, "{length}");
        let rows = browse(&service, &ada, "/inbox", None).await.text;
        assert_eq!(rows.contains("xx…"), in_rows, "{length}");
    }
}
