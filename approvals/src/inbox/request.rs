//! One request, with all that is bound, and what the viewer can do about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_protocol::approval::State;
use countersign_protocol::grant::Answer;
use countersign_protocol::person::Person;
use countersign_protocol::quorum::{Ineligible, eligible};
use countersign_protocol::request::{Gate, Question, Severity, Shown};
use countersign_protocol::{Token, UnixMillis};
use serde::Deserialize;

use super::html;
use super::page::{LoggedIn, Trouble, Viewer};
use super::text::Visible;
use super::tree::Node;
use super::words::{self, Deadline, Named};
use crate::api::extract::{Path, Query};
use crate::api::people::seen;
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::store::answers::{Kept, Kind, asked, lacking, may_stop, needed};
use crate::store::claims::uses::{Known, Use};
use crate::store::history::Entry;
use crate::store::reviews::{Review, may_close};
use crate::store::tickets::Ticket;
use crate::store::waiters::Waiting;

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage {
    viewer: Viewer,
    problem: Option<String>,
    ticket: Ticket,
    who: Named,
    action: Named,
    resource: Named,
    involved: Vec<Involvement>,
    have: usize,
    need: usize,
    deadline: Option<Deadline>,
    waiting: Waiting,
    held: Option<Deadline>,
    answers: Vec<Said>,
    uses: Vec<Used>,
    open_end: Option<String>,
    history: Vec<Happened>,
    choice: Choice,
    may_stop: bool,
    /// What an approval must carry, if this page shows all of the request.
    saw_all: String,
    /// How the viewer may open it alone, if they may.
    glass_by: Option<Means>,
    glass: Option<Glass>,
    body: Body,
    context: Option<Node>,
}

/// Somebody who takes part.
struct Involvement {
    named: Named,
    part: &'static str,
    names: String,
}

/// An answer, in words.
struct Said {
    who: String,
    kind: Kind,
    at: String,
    /// Which second factor it was given with.
    factor: Option<&'static str>,
    /// To how much less they said yes.
    less: Option<String>,
    reason: Option<String>,
    dropped: Option<String>,
}

/// What somebody can prove a second factor with.
struct Means {
    /// They have just done so.
    proven: bool,
    codes: bool,
    passkeys: bool,
}

/// Broken glass, in words.
struct Glass {
    opener: String,
    at: String,
    closed: Option<Closed>,
    /// Whether the viewer may close the review.
    yours: bool,
}

/// Who looked at broken glass, in words.
struct Closed {
    who: String,
    at: String,
    note: String,
}

/// A use, in words.
struct Used {
    at: String,
    outcome: String,
    known: bool,
}

/// Something that happened, in words.
struct Happened {
    at: String,
    what: &'static str,
    refused: bool,
    who: Option<String>,
    code: Option<String>,
    gateway: Option<String>,
    reason: Option<String>,
}

/// What to call people.
type Names = BTreeMap<Person, String>;

/// The longest body that is shown without being asked for, bytes.
const SHOWN_AT_ONCE: usize = 64 * 1024;

/// How much of a request to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// What a page can hold without trouble; a request that is longer cannot be approved so.
    Folded,
    /// All of it.
    Full,
}

#[derive(Deserialize)]
pub(super) struct View {
    full: Option<String>,
}

/// What the viewer can do about it.
enum Choice {
    /// Say yes.
    Approve,
    /// Say yes, with one of these second factors.
    ApproveWith { codes: bool, passkeys: bool },
    /// Nothing before they have seen all of it.
    Unseen,
    /// Nothing more: they have answered.
    Answered(Kind),
    /// Nothing, and why.
    Barred(&'static str),
    /// Nothing: it is closed.
    Closed,
}

/// The request's body.
enum Body {
    Empty,
    Text(String, Option<Node>),
    /// The beginning of a text, and how many bytes it has in all.
    Folded(String, usize),
    Bytes(String),
    Redacted(u64),
}

pub(super) async fn show(
    AppState(app): AppState<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Path(id): Path<Token>,
    Query(view): Query<View>,
) -> Result<Response, Trouble> {
    let extent = if view.full.is_some() { Extent::Full } else { Extent::Folded };
    page(&app, &session, id, extent, None).await
}

/// The page, with what went wrong when somebody just tried to answer.
pub(super) async fn page(
    app: &App,
    session: &Session,
    id: Token,
    extent: Extent,
    problem: Option<Problem>,
) -> Result<Response, Trouble> {
    let ticket = seen(app, session, id).await?;
    let answers = app.store.answers(&ticket).await?;
    let history = app.store.history(id).await?;
    let people = answers.iter().map(|kept| kept.answer.person.clone());
    let people = people.chain(history.iter().filter_map(Entry::person)).collect();
    let names = app.store.names(people).await?;
    let review = app.store.review(id).await?;
    let waiting = app.store.waiting(id).await?;
    let status = problem.as_ref().map_or(StatusCode::OK, |problem| problem.status);
    let need = needed(&ticket, &answers);
    let question = &ticket.question;
    let page = RequestPage {
        viewer: Viewer::of(session),
        problem: problem.map(|problem| problem.detail),
        who: Named::of(&question.cedar.principal),
        action: Named::of(&question.cedar.action),
        resource: Named::of(&question.cedar.resource),
        involved: involvements(question),
        have: need.saturating_sub(lacking(&ticket, &answers)),
        need,
        deadline: ticket.lapses_at.map(|at| Deadline::new(at, ticket.now)),
        held: waiting.held_until.map(|at| Deadline::new(at, ticket.now)),
        waiting,
        choice: choose(&ticket, &answers, session, extent),
        may_stop: may_stop(&ticket, &session.member),
        saw_all: match extent {
            Extent::Full => session.saw_all(id, ticket.shown),
            Extent::Folded => String::new(),
        },
        glass_by: glass_by(&ticket, &answers, session).filter(|_| !is_folded(&question.request.body, extent)),
        glass: review.map(|review| glass(&names, &ticket, review, session)),
        answers: answers.iter().map(|kept| said(&names, kept)).collect(),
        uses: app.store.uses(id).await?.iter().map(used).collect(),
        open_end: words::open_end(&ticket),
        history: history.into_iter().map(|entry| happened(&names, entry)).collect(),
        body: readable(&question.request.body, extent),
        context: Node::parse(&question.cedar.context.to_string()),
        ticket,
    };
    Ok(html(status, &page))
}

impl RequestPage {
    fn question(&self) -> &Question {
        &self.ticket.question
    }

    fn gates(&self) -> &[Gate] {
        &self.question().gates
    }

    fn state(&self) -> &'static str {
        words::state(self.ticket.state)
    }

    fn severity(&self) -> &'static str {
        words::severity(self.question().terms.severity)
    }

    fn needs_otp(&self) -> bool {
        self.question().terms.severity == Severity::High
    }

    fn is(&self, state: &str) -> bool {
        crate::store::tickets::state_name(self.ticket.state) == state
    }

    fn has_answered(&self) -> bool {
        matches!(self.choice, Choice::Answered(_))
    }

    fn now(&self) -> UnixMillis {
        self.ticket.now
    }

    fn use_within(&self) -> String {
        words::lasting(self.question().terms.use_within_ms)
    }
}

fn choose(ticket: &Ticket, answers: &[Kept], session: &Session, extent: Extent) -> Choice {
    let person = &session.member.person;
    let proven = session.member.amr_for(&session.amr, ticket.asked_at);
    let own = answers.iter().find(|kept| kept.dropped.is_none() && kept.answer.person == *person);
    let may = |amr: &[String]| {
        let answer = session.member.answer(ticket.id, ticket.now, amr.to_vec());
        eligible(&answer, asked(ticket))
    };
    match (ticket.state, own) {
        (_, Some(kept)) => Choice::Answered(kept.kind),
        (State::Pending, None) if is_folded(&ticket.question.request.body, extent) => Choice::Unseen,
        (State::Pending, None) => match may(&proven) {
            Ok(()) => Choice::Approve,
            Err(Ineligible::SecondFactorMissing) => match may(&session.member.factors_for(ticket.asked_at)) {
                Ok(()) => Choice::ApproveWith {
                    codes: session.member.has_codes(ticket.asked_at),
                    passkeys: session.member.has_passkey(ticket.asked_at),
                },
                Err(why) => Choice::Barred(words::ineligible(why)),
            },
            Err(why) => Choice::Barred(words::ineligible(why)),
        },
        _ => Choice::Closed,
    }
}

/// Whether the viewer may open it alone, and what they can prove their second factor with.
fn glass_by(ticket: &Ticket, answers: &[Kept], session: &Session) -> Option<Means> {
    let member = &session.member;
    let own = answers.iter().find(|kept| kept.dropped.is_none() && kept.answer.person == member.person);
    let free = own.is_none_or(|kept| kept.kind == Kind::Approve);
    let may = |amr: Vec<String>| {
        let answer = member.answer(ticket.id, ticket.now, amr);
        let answer = Answer { break_glass: Some("to see whether they may".into()), ..answer };
        ticket.state == State::Pending && free && eligible(&answer, asked(ticket)).is_ok()
    };
    may(member.factors_for(ticket.asked_at)).then(|| Means {
        proven: may(member.amr_for(&session.amr, ticket.asked_at)),
        codes: member.has_codes(ticket.asked_at),
        passkeys: member.has_passkey(ticket.asked_at),
    })
}

fn glass(names: &Names, ticket: &Ticket, review: Review, session: &Session) -> Glass {
    let yours = review.closed.is_none() && may_close(ticket, &review, &session.member);
    let note = review.note.unwrap_or_default();
    let closed = |(who, at)| Closed { who: called(names, &who), at: words::utc(at), note };
    Glass {
        opener: called(names, &review.opener),
        at: words::utc(review.opened_at),
        closed: review.closed.map(closed),
        yours,
    }
}

fn involvements(question: &Question) -> Vec<Involvement> {
    let names = |names: &[Person]| {
        names.iter().map(|name| format!("{} at {}", name.subject, name.issuer)).collect::<Vec<_>>().join(", ")
    };
    let one = |one: &countersign_protocol::person::Involved| Involvement {
        named: Named::of(&one.entity),
        part: words::role(one.role),
        names: names(&one.names),
    };
    question.involved.iter().map(one).collect()
}

fn called(names: &Names, person: &Person) -> String {
    match names.get(person) {
        Some(name) => format!("{name} ({})", person.subject),
        None => person.subject.clone(),
    }
}

fn said(names: &Names, kept: &Kept) -> Said {
    Said {
        who: called(names, &kept.answer.person),
        kind: kept.kind,
        at: words::utc(kept.answer.at),
        factor: words::factor(&kept.answer.amr),
        less: words::less(kept.narrowed),
        reason: kept.reason.clone(),
        dropped: kept.dropped.clone(),
    }
}

fn used(used: &Use) -> Used {
    let known = used.outcome != Known::Unknown;
    Used { at: words::utc(used.claimed_at), outcome: words::outcome(used), known }
}

fn happened(names: &Names, entry: Entry) -> Happened {
    let person = entry.person();
    let refused = entry.event == "refused";
    let what = words::event(&entry.event, entry.detail.as_deref().or(entry.code.as_deref()));
    let (gateway, reason) = match person {
        Some(_) => (None, entry.detail.filter(|_| !refused)),
        None => (entry.detail, None),
    };
    let who = person.map(|person| called(names, &person));
    let code = entry.code.filter(|code| code != "unknown");
    Happened { at: words::utc(entry.at), what, refused, who, code, gateway, reason }
}

/// Whether only the beginning is shown.
pub(super) fn is_folded(shown: &Shown, extent: Extent) -> bool {
    let long = |text: &String| text.len() > SHOWN_AT_ONCE;
    extent == Extent::Folded && matches!(shown, Shown::Text(text) | Shown::Base64(text) if long(text))
}

fn readable(shown: &Shown, extent: Extent) -> Body {
    match shown {
        Shown::Text(text) if text.is_empty() => Body::Empty,
        Shown::Text(text) | Shown::Base64(text) if is_folded(shown, extent) => {
            let end = text.floor_char_boundary(SHOWN_AT_ONCE / 16);
            Body::Folded(text.get(..end).unwrap_or_default().to_owned(), text.len())
        }
        Shown::Text(text) => Body::Text(text.clone(), Node::parse(text)),
        Shown::Base64(text) => Body::Bytes(text.clone()),
        Shown::Redacted { bytes } => Body::Redacted(*bytes),
    }
}
