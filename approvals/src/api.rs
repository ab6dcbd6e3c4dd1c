//! The HTTP interface: gateways, people and their tools, requesters.

pub(crate) mod evidence;
pub(crate) mod extract;
pub(crate) mod gateway;
pub(crate) mod people;
pub(crate) mod problem;
pub(crate) mod sessions;
pub(crate) mod tickets;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::handler::Handler;
use axum::http::header;
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{self, MethodRouter};
use axum::{Json, Router};
use serde_json::json;

use crate::app::App;
use problem::Problem;

/// The longest body of a gateway, bytes: a batch with the largest question in it.
const LONGEST_BATCH: usize = 16 * 1024 * 1024;
/// The longest body of anybody else, bytes.
const LONGEST_BODY: usize = 64 * 1024;
/// What each path is for.
const OPENAPI: &str = include_str!("../openapi.json");

/// Routes, and a list of them to hold against the OpenAPI document.
#[derive(Default)]
struct Routes {
    router: Router<Arc<App>>,
    listed: Vec<(&'static str, &'static str)>,
}

impl Routes {
    fn get<H: Handler<T, Arc<App>>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("get", path, routing::get(handler))
    }

    fn post<H: Handler<T, Arc<App>>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("post", path, routing::post(handler))
    }

    /// A path that takes batches.
    fn batch<H: Handler<T, Arc<App>>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("post", path, routing::post(handler).layer(DefaultBodyLimit::max(LONGEST_BATCH)))
    }

    fn delete<H: Handler<T, Arc<App>>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("delete", path, routing::delete(handler))
    }

    fn add(mut self, method: &'static str, path: &'static str, handler: MethodRouter<Arc<App>>) -> Self {
        self.listed.push((method, path));
        Self { router: self.router.route(path, handler), listed: self.listed }
    }
}

fn routes() -> Routes {
    Routes::default()
        .batch("/v1/requests", gateway::ask)
        .batch("/v1/wait", gateway::wait)
        .batch("/v1/claims", gateway::claim)
        .batch("/v1/outcomes", gateway::outcomes)
        .batch("/v1/evidence", gateway::evidence)
        .post("/v1/sessions", sessions::log_in)
        .delete("/v1/sessions", sessions::log_out)
        .post("/v1/sessions/totp", sessions::step_up)
        .get("/v1/requests", people::list)
        .get("/v1/requests/{ticket}", people::show)
        .post("/v1/requests/{ticket}/answers", people::answer)
        .post("/v1/requests/{ticket}/revoke", people::revoke)
        .get("/v1/tickets/{capability}", tickets::status)
        .get("/v1/evidence", evidence::lines)
        .get("/v1/evidence/breaks", evidence::breaks)
        .get("/v1/openapi.json", openapi)
        .get("/.well-known/jwks.json", jwks)
        .get("/healthz", health)
}

/// All that the service answers to.
pub(crate) fn router(app: &Arc<App>) -> Router {
    routes()
        .router
        .merge(crate::inbox::router())
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn(crate::inbox::guarded))
        .with_state(Arc::clone(app))
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

async fn jwks(State(app): State<Arc<App>>) -> impl IntoResponse {
    Json(json!({ "keys": [app.signer.jwk()] }))
}

/// Healthy is: the database answers.
async fn health(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Problem> {
    app.store.ping().await?;
    Ok(Json(json!({ "status": "ok" })))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_openapi_document_lists_exactly_the_routes() {
        let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let methods = |(path, item): (&String, &serde_json::Value)| {
            let named = |method: &String| ["get", "post", "delete"].contains(&method.as_str());
            let methods = item.as_object().unwrap().keys().filter(|method| named(method));
            methods.map(|method| (method.clone(), path.clone())).collect::<Vec<_>>()
        };
        let documented: BTreeSet<(String, String)> =
            document["paths"].as_object().unwrap().iter().flat_map(methods).collect();
        let routed = routes().listed.iter().map(|(m, p)| ((*m).to_owned(), (*p).to_owned())).collect();
        assert_eq!(documented, routed);
    }
}
