//! Who calls: a gateway, or a person in person or through a token, and what they may.

use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use countersign_protocol::Token;

use super::extract::Path;
use super::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::code::Code;
use crate::people::Role;
use crate::store::gateways::{Credential, Gateway};
use crate::store::sessions::By;
use crate::store::tokens::{Scope, is_token};
use crate::tls::Peer;

/// The name of the session cookie.
pub(crate) const COOKIE: &str = "__Host-countersign_session";

/// The name of the cookie of a browser that somebody has logged in with before.
pub(crate) const BROWSER: &str = "__Host-countersign_browser";

/// What an open page sends that fetches itself again.
pub(crate) const REFRESH: &str = "countersign-refresh";

/// The gateway whose token came along, or whose certificate the connection has.
pub(crate) struct Caller(pub(crate) Arc<Gateway>);

/// Somebody who is logged in, in person: no token can do what asks for this.
pub(crate) struct InPerson(pub(crate) Session);

/// Somebody who reads requests.
pub(crate) struct Reader(pub(crate) Session);

/// Somebody who answers requests.
pub(crate) struct Answerer(pub(crate) Session);

/// An auditor or an administrator who reads evidence.
pub(crate) struct Auditor;

/// An auditor or an administrator who sees who and what is known here.
pub(crate) struct Overseer;

/// An administrator who changes something.
pub(crate) struct Admin(pub(crate) Session);

/// A request that changes something and does not come from another site's page.
pub(crate) struct OwnPage;

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if let Some(token) = bearer(&parts.headers) {
            let gateway = app.store.gateway(&Credential::Token(token)).await?;
            let gateway = gateway.map(|gateway| Self(Arc::new(gateway)));
            return gateway.ok_or_else(|| Problem::unauthorized("no gateway has this token"));
        }
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|ConnectInfo(peer)| peer.clone());
        for name in peer.unwrap_or_default().0.iter() {
            if let Some(gateway) = app.store.gateway(&Credential::Certificate(name)).await? {
                return Ok(Self(Arc::new(gateway)));
            }
        }
        Err(Problem::unauthorized("a gateway token is needed, or a certificate that a gateway has"))
    }
}

async fn session(parts: &Parts, app: &Arc<App>) -> Result<Session, Problem> {
    let session = match bearer(&parts.headers) {
        Some(secret) if is_token(secret) => app.auth.by_token(secret).await?,
        Some(secret) => app.auth.session(secret).await?,
        None => match cookie(&parts.headers, COOKIE).filter(|_| own_page(app, parts)) {
            Some(secret) if by_itself(&parts.headers) => app.auth.session_of(secret, By::Page).await?,
            Some(secret) => app.auth.session(secret).await?,
            None => None,
        },
    };
    session.ok_or_else(|| Problem::unauthorized("log in first"))
}

/// Whether an open page asks, and nobody who is there: it fetches itself again, or listens for what changes
/// (HTML, section 9.2.2).
fn by_itself(headers: &HeaderMap) -> bool {
    let listens = headers.get(header::ACCEPT).is_some_and(|accept| accept == "text/event-stream");
    listens || headers.contains_key(REFRESH)
}

async fn within(parts: &Parts, app: &Arc<App>, scope: Scope) -> Result<Session, Problem> {
    let session = session(parts, app).await?;
    if may(&session, scope) { Ok(session) } else { Err(unscoped()) }
}

fn may(session: &Session, scope: Scope) -> bool {
    session.scopes.as_ref().is_none_or(|scopes| scopes.contains(&scope))
}

fn unscoped() -> Problem {
    Problem::new(Code::ScopeMissing, "the token is not for this: its scopes say what it is for")
}

/// The same for somebody who answers a request: what a token tries there that is not for it is kept.
async fn answerer(parts: &mut Parts, app: &Arc<App>) -> Result<Session, Problem> {
    let session = session(parts, app).await?;
    if may(&session, Scope::Answer) {
        return Ok(session);
    }
    let what = match parts.uri.path().rsplit('/').next() {
        Some("revoke") => "revoke",
        Some("review") => "review",
        _ => "answer",
    };
    if let Ok(Path(id)) = Path::<Token>::from_request_parts(parts, app).await
        && app.store.ticket(id).await?.is_some()
    {
        app.store.note_refusal(id, &session.member, Code::ScopeMissing, what).await?;
    }
    Err(unscoped())
}

macro_rules! caller {
    ($name:ident, $parts:ident, $app:ident, $made:expr) => {
        impl FromRequestParts<Arc<App>> for $name {
            type Rejection = Problem;

            async fn from_request_parts($parts: &mut Parts, $app: &Arc<App>) -> Result<Self, Problem> {
                $made
            }
        }
    };
}

caller!(Reader, parts, app, within(parts, app, Scope::Read).await.map(Self));
caller!(Answerer, parts, app, answerer(parts, app).await.map(Self));
caller!(Auditor, parts, app, {
    let session = within(parts, app, Scope::Audit).await?;
    let reads = session.member.has(&[Role::Admin, Role::Auditor]);
    reads.then_some(Self).ok_or_else(|| Problem::new(Code::NotAnAuditor, "only auditors read this"))
});
caller!(Overseer, parts, app, {
    let session = match within(parts, app, Scope::Admin).await {
        Ok(session) => session,
        Err(_) => within(parts, app, Scope::Audit).await?,
    };
    let reads = session.member.has(&[Role::Admin, Role::Auditor]);
    reads.then_some(Self).ok_or_else(|| Problem::new(Code::NotAnAuditor, "only auditors see this"))
});
caller!(Admin, parts, app, {
    let session = within(parts, app, Scope::Admin).await?;
    let runs = session.member.has(&[Role::Admin]);
    // A password alone must not make anybody somebody else. A token was made by somebody who had proven more.
    if runs
        && session.scopes.is_none()
        && parts.method != Method::GET
        && !app.auth.is_proven(&session).await?
    {
        let detail = "prove your second factor first: it counts for 15 minutes";
        return Err(Problem::new(Code::SecondFactorMissing, detail));
    }
    runs.then_some(Self(session)).ok_or_else(|| Problem::new(Code::NotAnAdmin, "only administrators do this"))
});
caller!(InPerson, parts, app, {
    let session = session(parts, app).await?;
    let person = session.scopes.is_none();
    person
        .then_some(Self(session))
        .ok_or_else(|| Problem::new(Code::NotInPerson, "log in for this: no token can do it"))
});

caller!(OwnPage, parts, app, {
    let own = own_page(app, parts).then_some(Self);
    own.ok_or_else(|| Problem::new(Code::CrossSite, "this comes from another site"))
});

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Whether a request that changes something comes from a page of this very origin. `SameSite` alone lets
/// other ports of the same host through. A browser that does not say where a request comes from (Fetch Metadata)
/// names its origin.
fn own_page(app: &App, parts: &Parts) -> bool {
    let header = |name| parts.headers.get(name).map(HeaderValue::as_bytes);
    match header("sec-fetch-site") {
        _ if matches!(parts.method, Method::GET | Method::HEAD) => true,
        Some(site) => matches!(site, b"same-origin" | b"none"),
        None => header("origin") == Some(app.origin.as_bytes()),
    }
}
