//! The API itself: builds, deployments, exports, keys and roles, kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the calls so far have changed.
#[derive(Debug, Default)]
struct World {
    deployments: Vec<Deployment>,
    exports: Vec<Export>,
    key_versions: BTreeMap<String, u32>,
    roles: BTreeMap<String, String>,
}

type Shared = State<Arc<Mutex<World>>>;
type Created = (StatusCode, Json<Value>);

#[derive(Debug, Deserialize, Serialize)]
struct Release {
    service: String,
    version: String,
}

#[derive(Debug, Serialize)]
struct Deployment {
    environment: String,
    release: Release,
}

#[derive(Debug, Deserialize)]
struct Export {
    table: String,
    row_limit: u32,
    destination: String,
}

#[derive(Debug, Deserialize)]
struct NewRole {
    role: String,
}

/// All routes of the API.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/v1/builds", get(builds))
        .route("/v1/builds/{build}/logs", get(logs))
        .route("/v1/environments/{environment}/deployments", get(deployments).post(deploy))
        .route("/v1/exports", post(export))
        .route("/v1/keys/{key}/rotations", post(rotate))
        .route("/v1/agents/{agent}/role", put(set_role))
        .with_state(Arc::default())
}

async fn builds() -> Json<Value> {
    Json(json!([
        { "build": "4711", "service": "checkout", "version": "2.4.1", "status": "passed" },
        { "build": "4712", "service": "search", "version": "1.9.0", "status": "failed" },
    ]))
}

async fn logs(Path(build): Path<String>) -> String {
    format!("build {build}\ncompiling\ntesting\ndone\n")
}

async fn deployments(State(world): Shared, Path(environment): Path<String>) -> Json<Value> {
    let world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let here: Vec<_> = world.deployments.iter().filter(|one| one.environment == environment).collect();
    Json(json!(here))
}

async fn deploy(
    State(world): Shared,
    Path(environment): Path<String>,
    Json(release): Json<Release>,
) -> Created {
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    world.deployments.push(Deployment { environment, release });
    created(json!({ "deployment": world.deployments.len() }))
}

async fn export(State(world): Shared, Json(export): Json<Export>) -> Created {
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let said = json!({ "table": export.table, "rows": export.row_limit, "to": export.destination });
    world.exports.push(export);
    created(said)
}

async fn rotate(State(world): Shared, Path(key): Path<String>) -> Created {
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let version = world.key_versions.entry(key).or_insert(1);
    *version += 1;
    created(json!({ "version": *version }))
}

async fn set_role(State(world): Shared, Path(agent): Path<String>, Json(new): Json<NewRole>) -> Json<Value> {
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let before = world.roles.insert(agent, new.role.clone());
    Json(json!({ "before": before, "now": new.role }))
}

fn created(what: Value) -> Created {
    (StatusCode::CREATED, Json(what))
}
