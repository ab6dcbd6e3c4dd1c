//! A path in another spelling leads round no route: not in another case, not by a slash at its end; and HEAD is GET.

use countersign_core::reading::{Reading, Relaxed, Rule};
use countersign_core::routes::Routes;

use crate::support::{Fields, map, request, routes};

const ROUTES: &str = r#"
hosts:
  open.example: { fallback: http }
routes:
  - match: { host: api.example, path: /admin }
    action: Action::"read"
    resource: File::"admin"
  - match: { host: api.example, path: /Both }
    action: Action::"read"
    resource: File::"Both"
  - match: { host: api.example, path: /both }
    action: Action::"read"
    resource: File::"both"
  - match: { host: api.example, path: /both/ }
    action: Action::"read"
    resource: File::"both/"
  - match: { host: api.example, method: POST, path: /post/only }
    action: Action::"read"
    resource: File::"post"
  - match: { host: api.example, path: /with, headers: { x-a: "1" } }
    action: Action::"read"
    resource: File::"with"
  - match: { host: api.example, path: "/users/me/{what}" }
    action: Action::"read"
    resource: File::"me-{path.what}"
  - match: { host: api.example, path: "/users/{name}/{what}" }
    action: Action::"read"
    resource: File::"{path.name}-{path.what}"
  - match: { host: api.example, method: GET, path: /read }
    action: Action::"read"
    resource: File::"read"
  - match: { host: api.example, method: HEAD, path: /named }
    action: Action::"read"
    resource: File::"head"
  - match: { host: api.example, method: GET, path: /named }
    action: Action::"read"
    resource: File::"get"
  - match: { host: api.example, path: /deep/admin }
    action: Action::"read"
    resource: File::"deep"
  - match: { host: api.example, path: "/deep/{rest*}" }
    action: Action::"read"
    resource: File::"deep-{path.rest}"
  - match: { host: api.example, path: "/DEEP/{rest*}" }
    action: Action::"read"
    resource: File::"DEEP-{path.rest}"
  - match: { host: api.example, path: "/{rest*}" }
    action: Action::"read"
    resource: File::"wide-{path.rest}"
  - match: { host: open.example, path: /admin }
    action: Action::"read"
    resource: File::"admin"
  - match: { host: "*.example", path: "/{rest*}" }
    action: Action::"read"
    resource: File::"wild-{path.rest}"
  - match: { host: deep.example, path: /admin }
    action: Action::"read"
    resource: File::"admin"
"#;

fn found(routes: &Routes, method: &str, path: &str, fields: &Fields) -> String {
    match map(routes, &request(method, path, fields)) {
        Ok((_, mapped)) => mapped.resource.id,
        Err(denial) => denial.rule.map_or(denial.reason.meaning().code, Rule::name).to_owned(),
    }
}

#[test]
fn another_spelling_of_a_path_with_a_route_of_its_own_is_refused() {
    let routes = routes(ROUTES);
    for (method, path, expected) in [
        ("GET", "/admin", "admin"),
        ("GET", "/admin/", "path-spelling"),
        ("GET", "/Admin", "path-spelling"),
        ("GET", "/ADMIN/", "path-spelling"),
        ("GET", "/%41dmin", "path-spelling"),
        // What is written in both ways is meant in both ways.
        ("GET", "/both", "both"),
        ("GET", "/Both", "Both"),
        ("GET", "/both/", "both/"),
        ("GET", "/Both/", "path-spelling"),
        ("GET", "/BOTH", "path-spelling"),
        // For another method there is no route that it would lead round.
        ("GET", "/Post/Only", "wide-Post/Only"),
        ("POST", "/Post/Only", "path-spelling"),
        // A route that asks for more is one all the same.
        ("GET", "/With", "path-spelling"),
        ("GET", "/users/me/x", "me-x"),
        ("GET", "/users/Me/x", "path-spelling"),
        ("GET", "/users/ann/x", "ann-x"),
        ("GET", "/Users/ann/x", "path-spelling"),
        // Letters beyond ASCII that some fold to one of it, and the form of an answer behind the name.
        ("GET", "/po%C5%BFt/only", "wide-poſt/only"),
        ("POST", "/po%C5%BFt/only", "path-spelling"),
        ("GET", "/admin.json", "path-spelling"),
        ("GET", "/Admin.XML/", "path-spelling"),
        ("GET", "/admin.css", "wide-admin.css"),
        ("GET", "/admin.json/x", "wide-admin.json/x"),
        // Its own spelling leads to a wider route than another one.
        ("GET", "/deep/admin", "deep"),
        ("GET", "/DEEP/admin", "path-spelling"),
        ("GET", "/DEEP/admin/", "path-spelling"),
        ("GET", "/DEEP/other", "DEEP-other"),
        // A slash behind a tail is in the tail, and behind a parameter leads elsewhere.
        ("GET", "/some/thing/", "wide-some/thing/"),
        ("GET", "/users/ann/x/", "path-spelling"),
        ("GET", "/users/ann/X", "ann-X"),
    ] {
        assert_eq!(found(&routes, method, path, &[]), expected, "{method} {path}");
    }
}

#[test]
fn a_wider_host_and_plain_http_are_no_way_round_either() {
    let routes = routes(ROUTES);
    for (host, path, expected) in [
        ("open.example", "/Admin", "path-spelling"),
        ("open.example", "/other", "wild-other"),
        ("deep.example", "/admin/", "path-spelling"),
        ("deep.example", "/admins", "wild-admins"),
    ] {
        let facts = request("GET", path, &[(":authority", host)]);
        let said = match map(&routes, &facts) {
            Ok((_, mapped)) => mapped.resource.id,
            Err(denial) => denial.rule.map_or("none", Rule::name).to_owned(),
        };
        assert_eq!(said, expected, "{host}{path}");
    }
}

#[test]
fn relaxed_a_path_is_as_it_is_written() {
    let routes = routes(ROUTES);
    let facts = request("GET", "/Admin/", &[]);
    let reading = Reading::of(&facts, &Relaxed::from_iter([Rule::PathSpelling])).unwrap();
    let target = routes.find(&reading, None).unwrap();
    assert_eq!(target.map(&reading, None).unwrap().first.resource.id, "wide-Admin/");
}

#[test]
fn head_is_get_unless_a_route_names_it() {
    let routes = routes(ROUTES);
    for (method, path, expected) in [
        ("GET", "/read", "read"),
        ("HEAD", "/read", "read"),
        ("POST", "/read", "wide-read"),
        ("HEAD", "/named", "head"),
        ("GET", "/named", "get"),
    ] {
        assert_eq!(found(&routes, method, path, &[]), expected, "{method} {path}");
    }
}
