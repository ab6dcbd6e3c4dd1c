//! For administrators: accounts, groups and gateways; for auditors too: what was changed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use countersign_protocol::person::Person;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::callers::{Admin, Auditor, Overseer};
use super::extract::{Body, Path, Query};
use super::problem::{Failed, Problem};
use crate::admin::{Account, GatewayProof, GroupChange};
use crate::app::App;
use crate::people::{Login, Name, NewUser};
use crate::store::changes::Change;
use crate::store::gateways::Gateway;

/// The most changes in one reply.
const MOST_CHANGES: u32 = 1000;

#[derive(Serialize, ToSchema)]
pub(crate) struct Users {
    items: Vec<Account>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Gateways {
    items: Vec<Gateway>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Changes {
    items: Vec<Change>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccount {
    /// What the person logs in with; it never changes.
    user: Name,
    /// What to call them on a page.
    #[serde(default)]
    name: Option<String>,
    /// Ids of the service's own groups that they belong to.
    #[serde(default)]
    groups: Vec<Name>,
}

/// How to log in; nothing keeps the password.
#[derive(Serialize, ToSchema)]
pub(crate) struct FirstLogin {
    user: String,
    password: String,
    /// The secret of the second factor, base32.
    totp: String,
    /// The same as an address for an authenticator app.
    otpauth: String,
}

impl From<Login> for FirstLogin {
    fn from(login: Login) -> Self {
        let Login { user, password, totp, otpauth } = login;
        Self { user, password, totp, otpauth }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGateway {
    name: Name,
    /// Whose requests it asks for; gateways that serve the same APIs share one.
    audience: String,
    /// The URI or DNS name in its certificate; it gets a token when this is absent.
    #[serde(default)]
    certificate: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MadeGateway {
    name: Name,
    audience: String,
    /// Its token, shown this once; absent where it has a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Who keeps an account.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Issuer {
    /// Who keeps the account; this service when absent.
    issuer: Option<String>,
}

impl Issuer {
    fn person(self, app: &App, subject: String) -> Person {
        let issuer = self.issuer.unwrap_or_else(|| app.signer.issuer().to_owned());
        Person { issuer, subject }
    }
}

/// List all accounts
#[utoipa::path(get, path = "/v1/users", tag = "admins",
    responses((status = 200, description = "In order", body = Users), Failed))]
pub(crate) async fn users(State(app): State<Arc<App>>, _: Overseer) -> Result<Json<Users>, Problem> {
    Ok(Json(Users { items: app.store.members().await?.into_iter().map(Account::of).collect() }))
}

/// Add a local account
#[utoipa::path(post, path = "/v1/users", tag = "admins",
    request_body = NewAccount,
    responses((status = 201, description = "How to log in, this once", body = FirstLogin), Failed))]
pub(crate) async fn add_user(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Body(new): Body<NewAccount>,
) -> Result<(StatusCode, Json<FirstLogin>), Problem> {
    let NewAccount { user, name, groups } = new;
    let new = NewUser { name, groups, ..NewUser::named(user) };
    let login = app.make_user(new, Some(&session.member.person)).await?;
    Ok((StatusCode::CREATED, Json(login.into())))
}

/// Give a local account a new password and second factor
#[utoipa::path(post, path = "/v1/users/{subject}/reset", tag = "admins", params(("subject" = Name, Path)),
    responses((status = 200, description = "How to log in, this once; sessions from before are over", body = FirstLogin), Failed))]
pub(crate) async fn reset_user(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Path(subject): Path<Name>,
) -> Result<Json<FirstLogin>, Problem> {
    Ok(Json(app.renew_user(&subject, Some(&session.member.person)).await?.into()))
}

/// Remove an account for good; a provider's person cannot log in any more
#[utoipa::path(delete, path = "/v1/users/{subject}", tag = "admins",
    params(("subject" = String, Path), Issuer),
    responses((status = 204, description = "Its sessions and tokens are over"), Failed))]
pub(crate) async fn remove_user(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Path(subject): Path<String>,
    Query(issuer): Query<Issuer>,
) -> Result<StatusCode, Problem> {
    let person = issuer.person(&app, subject);
    app.remove_user(&person, Some(&session.member.person)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Put somebody into one of the service's own groups
#[utoipa::path(put, path = "/v1/groups/{group}/members/{subject}", tag = "admins",
    params(("group" = Name, Path), ("subject" = String, Path), Issuer),
    responses((status = 204, description = "They may approve what is asked from now on"), Failed))]
pub(crate) async fn join(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Path((group, subject)): Path<(Name, String)>,
    Query(issuer): Query<Issuer>,
) -> Result<StatusCode, Problem> {
    let person = issuer.person(&app, subject);
    app.change_group(&person, &group, GroupChange::Join, Some(&session.member.person)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take somebody out of one of the service's own groups
#[utoipa::path(delete, path = "/v1/groups/{group}/members/{subject}", tag = "admins",
    params(("group" = Name, Path), ("subject" = String, Path), Issuer),
    responses((status = 204, description = "Their approvals that wait for others count no more"), Failed))]
pub(crate) async fn leave(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Path((group, subject)): Path<(Name, String)>,
    Query(issuer): Query<Issuer>,
) -> Result<StatusCode, Problem> {
    let person = issuer.person(&app, subject);
    app.change_group(&person, &group, GroupChange::Leave, Some(&session.member.person)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List all gateways
#[utoipa::path(get, path = "/v1/gateways", tag = "admins",
    responses((status = 200, description = "In order", body = Gateways), Failed))]
pub(crate) async fn gateways(State(app): State<Arc<App>>, _: Overseer) -> Result<Json<Gateways>, Problem> {
    Ok(Json(Gateways { items: app.store.gateways().await? }))
}

/// Add a gateway
#[utoipa::path(post, path = "/v1/gateways", tag = "admins",
    request_body = NewGateway,
    responses((status = 201, description = "Its token, this once", body = MadeGateway), Failed))]
pub(crate) async fn add_gateway(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Body(new): Body<NewGateway>,
) -> Result<(StatusCode, Json<MadeGateway>), Problem> {
    let NewGateway { name, audience, certificate } = new;
    let proof = certificate.map_or(GatewayProof::Token(None), GatewayProof::Certificate);
    let token = app.make_gateway(&name, &audience, proof, Some(&session.member.person)).await?;
    Ok((StatusCode::CREATED, Json(MadeGateway { name, audience, token })))
}

/// Remove a gateway
#[utoipa::path(delete, path = "/v1/gateways/{name}", tag = "admins", params(("name" = String, Path)),
    responses((status = 204, description = "Its credential counts no more"), Failed))]
pub(crate) async fn remove_gateway(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    app.remove_gateway(&name, Some(&session.member.person)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List what was changed about the service itself
#[utoipa::path(get, path = "/v1/changes", tag = "auditors",
    responses((status = 200, description = "The last 1,000, the latest first", body = Changes), Failed))]
pub(crate) async fn changes(State(app): State<Arc<App>>, _: Auditor) -> Result<Json<Changes>, Problem> {
    Ok(Json(Changes { items: app.store.changes_made(MOST_CHANGES).await? }))
}
