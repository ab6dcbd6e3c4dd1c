//! The HTTP interface: gateways, people and their tools, requesters.

pub(crate) mod admin;
pub(crate) mod callers;
pub(crate) mod evidence;
pub(crate) mod extract;
pub(crate) mod gateway;
mod openapi;
pub(crate) mod people;
pub(crate) mod problem;
pub(crate) mod reviews;
mod said;
pub(crate) mod sessions;
pub(crate) mod tickets;
pub(crate) mod tokens;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::get;
use axum::{Json, Router, middleware};
use countersign_protocol::keys::KeyDocument;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::code::Code;
use crate::store::StoreError;
use crate::{metrics, trace};
use problem::{Failed, Problem};

/// The longest body of a gateway, bytes: a batch with the largest question in it.
const LONGEST_BATCH: usize = 16 * 1024 * 1024;
/// The longest body of anybody else, bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// What takes batches of gateways.
fn gateways() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(gateway::ask))
        .routes(routes!(gateway::wait))
        .routes(routes!(gateway::claim))
        .routes(routes!(gateway::outcomes))
        .routes(routes!(gateway::evidence))
        .layer(DefaultBodyLimit::max(LONGEST_BATCH))
}

fn everybody() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(sessions::log_in, sessions::log_out))
        .routes(routes!(sessions::step_up))
        .routes(routes!(sessions::me))
        .routes(routes!(crate::inbox::live::for_tools))
        .routes(routes!(people::list))
        .routes(routes!(people::show))
        .routes(routes!(people::answer))
        .routes(routes!(people::revoke))
        .routes(routes!(reviews::list))
        .routes(routes!(reviews::close))
        .routes(routes!(tickets::status))
        .routes(routes!(tokens::list, tokens::make))
        .routes(routes!(tokens::end))
        .routes(routes!(evidence::lines))
        .routes(routes!(evidence::breaks))
        .routes(routes!(admin::users, admin::add_user))
        .routes(routes!(admin::remove_user))
        .routes(routes!(admin::reset_user))
        .routes(routes!(admin::join, admin::leave))
        .routes(routes!(admin::gateways, admin::add_gateway))
        .routes(routes!(admin::remove_gateway))
        .routes(routes!(admin::changes))
        .routes(routes!(crate::channels::slack::clicks::interact))
        .routes(routes!(jwks))
        .routes(routes!(health))
        .routes(routes!(ready))
}

/// All that the service answers to.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let people = everybody().layer(middleware::from_fn(extract::whole));
    let (router, described) = openapi::described(gateways().merge(people));
    router
        .merge(openapi::router(&described))
        .merge(crate::inbox::router().layer(middleware::from_fn(extract::whole)))
        .route("/metrics", get(metrics::exposed))
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async {
            Problem::new(Code::MethodNotAllowed, "this path has other methods")
        })
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn(crate::inbox::guarded))
        .layer(middleware::from_fn_with_state(Arc::clone(app), metrics::counted))
        .layer(middleware::from_fn(trace::traced))
        .with_state(Arc::clone(app))
}

/// The keys that verify what the service signs, each newer one endorsed by the older
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "service",
    responses((status = 200, description = "A JWK Set (RFC 7517), and who vouches for its keys", body = KeyDocument), Failed))]
async fn jwks(State(app): State<Arc<App>>) -> Result<Json<KeyDocument>, Problem> {
    let document = app.signer.document(app.store.now().await?).map_err(StoreError::from)?;
    Ok(Json(document))
}

#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
}

/// Whether the process answers: what does not is to be started again
#[utoipa::path(get, path = "/healthz", tag = "service",
    responses((status = 200, description = "It does", body = Health), Failed))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether it is of use: the database answers, and it is not about to end
#[utoipa::path(get, path = "/readyz", tag = "service",
    responses((status = 200, description = "It is", body = Health), Failed))]
async fn ready(State(app): State<Arc<App>>) -> Result<Json<Health>, Problem> {
    if app.store.is_closing() {
        return Err(Problem::new(Code::Closing, "this replica is about to end"));
    }
    app.store.now().await?;
    Ok(Json(Health { status: "ok" }))
}
