//! Problems: a page for browsers, and one as programs read it (RFC 9457) for everybody else.

use axum::body::Body;
use axum::http::Request;

use crate::harness::Service;
use crate::inbox::{Page, browse, load};

async fn fetch(service: &Service, session: &str, path: &str, accept: &str) -> Page {
    let request = Request::get(path).header("cookie", format!("__Host-countersign_session={session}"));
    let request = if accept.is_empty() { request } else { request.header("accept", accept) };
    load(service, request.body(Body::empty()).unwrap()).await
}

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test]
async fn a_problem_is_a_page_for_browsers_alone() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    let unknown = "/inbox/00000000000000000000000000000000";
    for (path, status, code) in [
        ("/assets/nothing.js", 404, "not_found"),
        ("/nothing", 404, "not_found"),
        (unknown, 404, "not_found"),
        ("/inbox/no-id", 404, "not_found"),
        ("/logout", 405, "method_not_allowed"),
    ] {
        for accept in ["", "*/*", "application/json", "application/problem+json"] {
            let reply = fetch(&service, &ada, path, accept).await;
            let said = serde_json::from_str::<serde_json::Value>(&reply.text).unwrap();
            assert_eq!((reply.status.as_u16(), said["code"].as_str()), (status, Some(code)), "{path}");
            assert_eq!(reply.headers["content-type"], "application/problem+json");
            assert_eq!(said["type"], format!("urn:countersign:problem:{code}"));
        }
        let page = fetch(&service, &ada, path, BROWSER).await;
        assert_eq!(
            (page.status.as_u16(), page.headers["content-type"].to_str().unwrap()),
            (status, "text/html; charset=utf-8")
        );
        assert!(
            page.text.starts_with("<!doctype html>") && page.text.contains("To the inbox"),
            "{}",
            page.text
        );
    }
    // What is for programs is for programs whoever asks.
    let reply = fetch(&service, &ada, "/v1/nothing", BROWSER).await;
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    let page = browse(&service, &ada, "/logout", Some("nothing=here")).await;
    assert_eq!(
        (page.status.as_u16(), page.headers["content-type"].to_str().unwrap()),
        (422, "text/html; charset=utf-8")
    );
}

#[tokio::test]
async fn who_is_not_logged_in_is_sent_to_the_log_in_with_a_browser_alone() {
    let service = Service::start().await;
    for path in ["/inbox", "/account", "/inbox/changes"] {
        let page = fetch(&service, "", path, BROWSER).await;
        assert_eq!((page.status.as_u16(), page.location()), (303, format!("/login?next={path}").as_str()));
        for accept in ["application/json", "text/event-stream"] {
            let reply = fetch(&service, "", path, accept).await;
            assert_eq!(reply.status, 401, "{path}");
            assert!(reply.text.contains("\"code\":\"unauthorized\""), "{}", reply.text);
        }
    }
}

#[tokio::test]
async fn the_interface_names_every_code() {
    let service = Service::start().await;
    let document = service.get("/v1/openapi.json", "").await.body;
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["Problem"]["properties"]["code"]["$ref"], "#/components/schemas/ProblemCode");
    let code = &schemas["ProblemCode"];
    for name in code["enum"].as_array().unwrap() {
        let line = format!("- `{}` (", name.as_str().unwrap());
        assert!(code["description"].as_str().unwrap().contains(&line), "{name}");
    }
}
