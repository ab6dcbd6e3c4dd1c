//! The OpenAPI document, made of the handlers themselves, and a page to read it.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::{MethodRouter, get};
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, Schema};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{OpenApi, RefOr};
use utoipa_axum::router::OpenApiRouter;

use super::callers::COOKIE;
use super::problem::Written;
use crate::app::App;
use crate::code::Code;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Countersign approval service",
        description = "Gateways ask; people answer; the service signs what they said and decides nothing. \
                       Every error is a problem (RFC 9457) with a stable `code`.",
        version = "1",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Written, Code)),
    tags(
        (name = "gateways", description = "Each sees and claims only what its audience asked"),
        (name = "people", description = "Approvers and their tools"),
        (name = "auditors", description = "Read all, change nothing"),
        (name = "admins", description = "Accounts, groups and gateways"),
        (name = "requesters", description = "Whoever holds a status link"),
        (name = "chats", description = "What chats send when people press buttons there"),
        (name = "service", description = "For everybody"),
    ),
)]
struct Document;

/// The routes, and what they are in words.
pub(super) fn described(routes: OpenApiRouter<Arc<App>>) -> (Router<Arc<App>>, OpenApi) {
    let (router, mut document) =
        OpenApiRouter::with_openapi(Document::openapi()).merge(routes).split_for_parts();
    let components = document.components.get_or_insert_default();
    let bearer = |what: &str| {
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.description = Some(what.into());
        SecurityScheme::Http(http)
    };
    components.add_security_scheme("gateway", bearer("The token of a gateway"));
    components.add_security_scheme("session", bearer("A session, as a log-in returns it, or an API token"));
    let cookie = ApiKeyValue::with_description(COOKIE, "A session, as browsers hold it");
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    if let Some(RefOr::T(answer)) = components.schemas.get_mut("NewAnswer") {
        forbid_unknown(answer);
    }
    for item in document.paths.paths.values_mut() {
        operations(item).for_each(|operation| operation.security = secured(operation));
    }
    (router, document)
}

/// That `serde` denies unknown members of an enum's variants is not written into its schema.
fn forbid_unknown(schema: &mut Schema) {
    let Schema::OneOf(variants) = schema else { return };
    for variant in &mut variants.items {
        if let RefOr::T(Schema::Object(variant)) = variant {
            variant.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, .. } = item;
    [get, put, post, delete].into_iter().filter_map(Option::as_mut)
}

/// Whom an operation is for says how they prove who they are.
fn secured(operation: &Operation) -> Option<Vec<SecurityRequirement>> {
    let needs = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    match operation.tags.as_ref()?.first()?.as_str() {
        "gateways" => Some(vec![needs("gateway")]),
        "people" | "auditors" | "admins" => Some(vec![needs("session"), needs("cookie")]),
        _ => None,
    }
}

/// The document, and a page to read it.
pub(super) fn router(document: &OpenApi) -> Router<Arc<App>> {
    let document = serde_json::to_value(document).unwrap_or_default();
    let page = crate::inbox::reference::page(&document).unwrap_or_default();
    Router::new()
        .route("/v1/openapi.json", fixed("application/json", document.to_string()))
        .route("/v1/openapi", fixed("text/html; charset=utf-8", page))
}

/// Answers with the same text each time.
fn fixed(kind: &'static str, text: String) -> MethodRouter<Arc<App>> {
    let text: Bytes = text.into();
    get(move || std::future::ready(([(header::CONTENT_TYPE, kind)], text.clone())))
}
