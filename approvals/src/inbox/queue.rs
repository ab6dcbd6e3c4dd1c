//! The queue: what waits for people, what lapses first on top.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_protocol::approval::State;
use countersign_protocol::{Token, UnixMillis};
use countersign_view::words::Named;
use serde::Deserialize;

use super::html;
use super::page::{LoggedIn, Trouble, Viewer};
use super::request::PRESETS;
use super::rows::{List, Row};
use super::sought::Sought;
use super::text::Visible;
use super::typed::Typed;
use super::words;
use crate::api::extract::Query;
use crate::app::App;
use crate::auth::Session;
use crate::store::StoreError;
use crate::store::answers::asked;
use crate::store::lists::{Page, Place, Which};
use crate::store::reviews::{Review, may_close};
use crate::store::tickets::Ticket;

/// How many open requests of each list to show at once: more than anybody judges before the page is an old one.
const OPEN: u32 = 100;
/// How many closed ones.
const CLOSED: u32 = 50;

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    viewer: Viewer,
    now: UnixMillis,
    notice: Option<String>,
    sought: Sought,
    /// Nothing: a bulk rejection that is refused has a page of its own.
    typed: Typed,
    /// What somebody opened alone and nobody has looked at.
    glass: Vec<Broken>,
    /// Whether this is all there is to see, or the next page of one list.
    whole: bool,
    /// What the viewer can approve.
    yours: List,
    /// What others have to approve.
    others: List,
    /// What was approved and is not used yet.
    approved: List,
    closed: List,
}

/// Which list to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    Yours,
    Others,
    Approved,
    Closed,
}

/// Which part of the queue to show: all of it from its beginning where nothing is said.
#[derive(Deserialize)]
pub(super) struct Wanted {
    list: Option<Name>,
    after: Option<Place>,
    #[serde(flatten)]
    sought: Sought,
    /// How many a bulk rejection has rejected, and how many it could not.
    rejected: Option<u32>,
    failed: Option<u32>,
}

impl Wanted {
    /// What became of a bulk rejection.
    fn notice(&self) -> Option<String> {
        let (rejected, failed) = (self.rejected?, self.failed.unwrap_or(0));
        let rest = if failed > 0 {
            format!(" {failed} could not be: somebody was faster, or they are not yours to stop.")
        } else {
            String::new()
        };
        Some(format!("{rejected} rejected.{rest}"))
    }
}

/// A request that somebody opened alone.
struct Broken {
    ticket: Token,
    opener: String,
    action: Named,
    resource: Named,
    at: String,
    yours: bool,
}

pub(super) async fn show(
    AppState(app): AppState<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Trouble> {
    let mut page = QueuePage {
        viewer: Viewer::of(&session, "/inbox"),
        now: app.store.now().await?,
        notice: wanted.notice(),
        glass: if wanted.list.is_none() { broken(&app, &session).await? } else { Vec::new() },
        whole: wanted.list.is_none(),
        yours: List::default(),
        others: List::default(),
        approved: List::default(),
        closed: List::default(),
        sought: wanted.sought,
        typed: Typed::default(),
    };
    for name in [Name::Yours, Name::Others, Name::Approved, Name::Closed] {
        if wanted.list.is_none_or(|list| list == name) {
            page.fill(&app, &session, name, wanted.after.filter(|_| wanted.list.is_some())).await?;
        }
    }
    page.others.rows.sort_by_key(|row| row.deadline.as_ref().map(|deadline| deadline.at));
    Ok(html(StatusCode::OK, &page))
}

impl QueuePage {
    /// Reads one list, from a place in it on.
    async fn fill(
        &mut self,
        app: &App,
        session: &Session,
        name: Name,
        after: Option<Place>,
    ) -> Result<(), StoreError> {
        let (which, most) = match name {
            Name::Yours => (Which::Yours, OPEN),
            Name::Others => (Which::Others, OPEN),
            Name::Approved => (Which::In(State::Approved), OPEN),
            Name::Closed => (Which::Closed, CLOSED),
        };
        let Page { items, next } =
            app.store.list(&session.member, which, &self.sought.filter(), (after, most)).await?;
        let ids: Vec<_> = items.iter().map(|listed| listed.ticket.id).collect();
        let unreached = app.store.unreached(&ids).await?;
        for listed in items {
            // They are in the group, and would not count all the same: for want of a second factor, say.
            let name = if name == Name::Yours && !could_approve(&listed.ticket, session) {
                Name::Others
            } else {
                name
            };
            let unreached = unreached.contains(&listed.ticket.id);
            self.list(name).rows.push(Row { unreached, ..Row::of(&listed) });
        }
        self.list(name).next = next.map(|next| next.to_string());
        Ok(())
    }

    fn list(&mut self, name: Name) -> &mut List {
        match name {
            Name::Yours => &mut self.yours,
            Name::Others => &mut self.others,
            Name::Approved => &mut self.approved,
            Name::Closed => &mut self.closed,
        }
    }
}

/// What somebody opened alone, and the viewer may see.
async fn broken(app: &App, session: &Session) -> Result<Vec<Broken>, StoreError> {
    let open = app.store.reviews_for(&session.member).await?;
    let broken = |(review, ticket): (Review, Ticket)| Broken {
        ticket: ticket.id,
        action: Named::of(&ticket.question.cedar.action),
        resource: Named::of(&ticket.question.cedar.resource),
        at: words::utc(review.opened_at),
        yours: may_close(&ticket, &review, &session.member),
        opener: review.opener.subject,
    };
    Ok(open.into_iter().map(broken).collect())
}

/// Whether the viewer's yes would count, with the second factor where that is needed.
fn could_approve(ticket: &Ticket, session: &Session) -> bool {
    let factors = session.member.factors_for(ticket.asked_at);
    let answer = session.member.answer(ticket.id, ticket.now, factors);
    countersign_protocol::quorum::eligible(&answer, asked(ticket)).is_ok()
}
