//! One's API tokens: making one, which is shown once, and ending one.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_protocol::Token;
use serde::Deserialize;

use super::{News, done, genuine, page};
use crate::api::extract::Form;
use crate::api::tokens::{NewToken, ended, made};
use crate::app::App;
use crate::inbox::page::{LoggedIn, Trouble};
use crate::inbox::words;
use crate::people::{Member, Role};
use crate::store::tokens::{ApiToken, Scope};

/// A token in the list.
pub(super) struct TokenRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scopes: Vec<&'static str>,
    pub(super) since: String,
    pub(super) until: String,
    pub(super) over: bool,
    pub(super) used: Option<String>,
}

/// What somebody may choose a token to be for.
pub(super) struct Offer {
    pub(super) field: &'static str,
    pub(super) what: &'static str,
}

/// A box that is not ticked sends nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Making {
    csrf: String,
    name: String,
    days: u16,
    read: Option<String>,
    answer: Option<String>,
    audit: Option<String>,
    admin: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Ending {
    csrf: String,
    id: Token,
}

impl From<ApiToken> for TokenRow {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            over: token.is_over(),
            scopes: token.scopes.iter().map(|scope| field(*scope)).collect(),
            since: words::utc(token.created_at),
            until: words::utc(token.expires_at),
            used: token.used_at.map(words::utc),
            name: token.name,
        }
    }
}

/// What is of use to somebody: a token does nothing that its owner may not.
pub(super) fn offers(member: &Member) -> Vec<Offer> {
    let mut scopes =
        vec![(Scope::Read, "see requests"), (Scope::Answer, "answer those without a second factor")];
    if member.has(&[Role::Admin, Role::Auditor]) {
        scopes.push((Scope::Audit, "read the evidence and what was changed"));
    }
    if member.has(&[Role::Admin]) {
        scopes.push((Scope::Admin, "manage accounts, groups and gateways"));
    }
    scopes.into_iter().map(|(scope, what)| Offer { field: field(scope), what }).collect()
}

fn field(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Answer => "answer",
        Scope::Audit => "audit",
        Scope::Admin => "admin",
    }
}

impl Making {
    fn scopes(&self) -> BTreeSet<Scope> {
        let ticked = [
            (&self.read, Scope::Read),
            (&self.answer, Scope::Answer),
            (&self.audit, Scope::Audit),
            (&self.admin, Scope::Admin),
        ];
        ticked.into_iter().filter(|(box_, _)| box_.is_some()).map(|(_, scope)| scope).collect()
    }
}

pub(super) async fn make(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Form(form): Form<Making>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    let new = NewToken { scopes: form.scopes(), name: form.name, days: form.days };
    let news = match made(&app, &session, new).await {
        Ok(made) => News::Token(made.token),
        Err(problem) => News::Wrong(problem),
    };
    page(&app, &session, news).await
}

pub(super) async fn end(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Form(form): Form<Ending>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    let ended = ended(&app, &session, form.id).await;
    done(&app, &session, ended).await
}
