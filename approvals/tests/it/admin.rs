//! Administrators, auditors and what each may change.

use countersign_approvals::GroupChange;
use serde_json::{Value, json};

use crate::harness::{EDGE, PASSWORD, Service, ask, gate, question, with_gates};

#[tokio::test]
async fn an_administrator_makes_accounts_places_them_and_takes_them_away() {
    let service = Service::start().await;
    let root = service.proven("root").await;
    let new = json!({ "user": "fay", "name": "Fay", "groups": ["dba"] });
    let made = service.post("/v1/users", &root, new.clone()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let log_in = json!({ "user": "fay", "password": made.body["password"] });
    let fay =
        service.post("/v1/sessions", "", log_in.clone()).await.body["session"].as_str().unwrap().to_owned();
    assert_eq!(service.post("/v1/users", &root, new).await.body["code"], "taken");
    assert_eq!(service.call("PUT", "/v1/groups/sre/members/fay", &root, None).await.status, 204);
    let me = service.get("/v1/me", &fay).await.body;
    let groups: Vec<_> = me["groups"].as_array().unwrap().iter().map(|place| &place["group"]["id"]).collect();
    assert_eq!((groups, &me["name"]), (vec![&json!("dba"), &json!("sre")], &json!("Fay")));
    assert_eq!(service.call("DELETE", "/v1/groups/sre/members/fay", &root, None).await.status, 204);
    assert_eq!(service.post("/v1/users/fay/reset", &root, json!({})).await.status, 200);
    assert_eq!(service.get("/v1/me", &fay).await.status, 401, "the session was begun with the old password");
    assert_eq!(service.post("/v1/sessions", "", log_in).await.status, 401);
    assert_eq!(service.call("DELETE", "/v1/users/fay", &root, None).await.status, 204);
    assert_eq!(service.call("DELETE", "/v1/users/fay", &root, None).await.status, 404);
    let changes = service.get("/v1/changes", &root).await.body;
    let events: Vec<_> = changes["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["by"]["subject"] == "root")
        .map(|change| &change["event"])
        .collect();
    assert_eq!(events, ["user_removed", "user_reset", "group_left", "group_joined", "user_added"]);
    assert!(
        !changes.to_string().contains(PASSWORD)
            && !changes.to_string().contains(made.body["password"].as_str().unwrap())
    );
}

#[tokio::test]
async fn a_gateway_speaks_until_it_is_removed() {
    let service = Service::start().await;
    let root = service.proven("root").await;
    let made = service.post("/v1/gateways", &root, json!({ "name": "new", "audience": "prod" })).await.body;
    let token = made["token"].as_str().unwrap();
    assert_eq!(service.ask_as(token, &ask(question())).await["result"], "open");
    assert_eq!(
        service.post("/v1/gateways", &root, json!({ "name": "new", "audience": "x" })).await.status,
        409
    );
    assert!(!service.get("/v1/gateways", &root).await.body.to_string().contains(token));
    assert_eq!(service.call("DELETE", "/v1/gateways/new", &root, None).await.status, 204);
    let reply = service.post("/v1/requests", token, json!({ "evidence": [], "items": [] })).await;
    assert_eq!(reply.status, 401);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let service = Service::start().await;
    let root = service.proven("root").await;
    for (method, path) in [("DELETE", "/v1/users/root"), ("DELETE", "/v1/groups/admins/members/root")] {
        assert_eq!(service.call(method, path, &root, None).await.body["code"], "last_admin", "{path}");
    }
    assert_eq!(service.call("PUT", "/v1/groups/admins/members/ada", &root, None).await.status, 204);
    assert_eq!(service.call("DELETE", "/v1/groups/admins/members/root", &root, None).await.status, 204);
    assert_eq!(service.get("/v1/users", &root).await.body["code"], "not_an_auditor");
}

#[tokio::test]
async fn an_auditor_reads_all_and_changes_nothing() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    service.app.place_user("eve", None, &"auditors".parse().unwrap(), GroupChange::Join).await.unwrap();
    let eve = service.log_in("eve").await;
    for path in [
        "/v1/requests",
        &format!("/v1/requests/{ticket}"),
        "/v1/evidence",
        "/v1/evidence/breaks",
        "/v1/changes",
        "/v1/users",
        "/v1/gateways",
        "/v1/reviews",
    ] {
        assert_eq!(service.get(path, &eve).await.status, 200, "{path}");
    }
    for kind in ["approve", "reject", "flag"] {
        assert_eq!(service.answer(&eve, &ticket, kind).await.body["code"], "not_in_group", "{kind}");
    }
    let approved = service.open(question()).await;
    service.answer(&service.log_in("ada").await, &approved, "approve").await;
    let revoke =
        service.post(&format!("/v1/requests/{approved}/revoke"), &eve, json!({ "reason": "no" })).await;
    assert_eq!(revoke.status, 403, "{}", revoke.body);
    for (method, path, body) in [
        ("POST", "/v1/users", Some(json!({ "user": "x" }))),
        ("DELETE", "/v1/users/ada", None),
        ("PUT", "/v1/groups/sre/members/eve", None),
        ("POST", "/v1/gateways", Some(json!({ "name": "x", "audience": "prod" }))),
    ] {
        assert_eq!(
            service.call(method, path, &eve, body).await.body["code"],
            "not_an_admin",
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn an_administrator_who_joins_a_group_approves_only_what_is_asked_afterwards_and_never_his_own() {
    let service = Service::start().await;
    let root = service.proven("root").await;
    let mut own = question();
    own["involved"][1]["names"] = json!([{ "issuer": "local", "subject": "root" }]);
    let (before, own_before) = (service.open(question()).await, service.open(own.clone()).await);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert_eq!(service.call("PUT", "/v1/groups/sre/members/root", &root, None).await.status, 204);
    assert_eq!(service.answer(&root, &before, "approve").await.body["code"], "not_in_group");
    assert_eq!(service.answer(&root, &own_before, "approve").await.body["code"], "self_approval");
    let (after, own_after) = (service.open(question()).await, service.open(own).await);
    assert_eq!(service.answer(&root, &after, "approve").await.body["state"], "approved");
    assert_eq!(service.answer(&root, &own_after, "approve").await.body["code"], "self_approval");
}

#[tokio::test]
async fn a_gateway_can_do_nothing_but_its_own() {
    let service = Service::start().await;
    let ticket = service.open(with_gates(&[gate("sre", 1)])).await;
    let (path, answers) = (format!("/v1/requests/{ticket}"), format!("/v1/requests/{ticket}/answers"));
    let yes = json!({ "kind": "approve", "shown": "00".repeat(32) });
    let tries: [(&str, &str, Option<Value>); 9] = [
        ("GET", "/v1/requests", None),
        ("GET", &path, None),
        ("POST", &answers, Some(yes)),
        ("GET", "/v1/evidence", None),
        ("GET", "/v1/users", None),
        ("POST", "/v1/users", Some(json!({ "user": "x" }))),
        ("GET", "/v1/tokens", None),
        ("GET", "/v1/me", None),
        ("GET", "/inbox", None),
    ];
    for (method, path, body) in tries {
        let reply = service.call(method, path, EDGE, body).await;
        assert!(
            reply.status == 401
                || reply.headers.get("location").is_some_and(|to| to.as_bytes().starts_with(b"/login")),
            "{method} {path} {}",
            reply.status
        );
    }
}

#[tokio::test]
async fn a_password_alone_changes_nobody() {
    let service = Service::start().await;
    let root = service.log_in("root").await;
    for (method, path, body) in [
        ("POST", "/v1/users/ada/reset", None),
        ("POST", "/v1/users/root/reset", None),
        ("POST", "/v1/users", Some(json!({ "user": "x" }))),
        ("DELETE", "/v1/users/ada", None),
        ("PUT", "/v1/groups/sre/members/root", None),
        ("POST", "/v1/gateways", Some(json!({ "name": "x", "audience": "prod" }))),
    ] {
        let reply = service.call(method, path, &root, body).await;
        assert_eq!(reply.body["code"], "second_factor_missing", "{method} {path}");
    }
    assert_eq!(service.get("/v1/users", &root).await.status, 200, "who only looks changes nothing");
}

#[tokio::test]
async fn who_was_reset_is_new_and_approves_nothing_from_before() {
    let service = Service::start().await;
    let before = service.open(question()).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let root = service.proven("root").await;
    let login = service.post("/v1/users/ada/reset", &root, json!({})).await.body;
    let log_in = json!({ "user": "ada", "password": login["password"] });
    let ada = service.post("/v1/sessions", "", log_in).await.body["session"].as_str().unwrap().to_owned();
    assert_eq!(service.answer(&ada, &before, "approve").await.body["code"], "account_too_young");
    let after = service.open(question()).await;
    assert_eq!(service.answer(&ada, &after, "approve").await.body["state"], "approved");
}
