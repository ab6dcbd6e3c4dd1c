//! One request, with all that is bound, and what the viewer can do about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_protocol::approval::State;
use countersign_protocol::person::Person;
use countersign_protocol::quorum::{Ineligible, eligible};
use countersign_protocol::request::{Gate, Question, Severity, Shown};
use countersign_protocol::{Token, UnixMillis};

use super::html;
use super::page::{LoggedIn, Trouble, Viewer};
use super::text::Visible;
use super::tree::Node;
use super::words::{self, Deadline, Named};
use crate::api::extract::Path;
use crate::api::people::seen;
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::store::answers::{Kept, Kind, asked, lacking, may_stop, needed};
use crate::store::claims::uses::{Known, Use};
use crate::store::history::Entry;
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
    reason: Option<String>,
    dropped: Option<String>,
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

/// What the viewer can do about it.
enum Choice {
    /// Say yes.
    Approve,
    /// Say yes, with one of these second factors.
    ApproveWith { codes: bool, passkeys: bool },
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
    Bytes(String),
    Redacted(u64),
}

pub(super) async fn show(
    AppState(app): AppState<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Path(id): Path<Token>,
) -> Result<Response, Trouble> {
    page(&app, &session, id, None).await
}

/// The page, with what went wrong when somebody just tried to answer.
pub(super) async fn page(
    app: &App,
    session: &Session,
    id: Token,
    problem: Option<Problem>,
) -> Result<Response, Trouble> {
    let ticket = seen(app, session, id).await?;
    let answers = app.store.answers(&ticket).await?;
    let history = app.store.history(id).await?;
    let people = answers.iter().map(|kept| kept.answer.person.clone());
    let names = app.store.names(people.chain(history.iter().filter_map(Entry::person))).await?;
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
        choice: choose(&ticket, &answers, session),
        may_stop: may_stop(&ticket, &session.member),
        answers: answers.iter().map(|kept| said(&names, kept)).collect(),
        uses: app.store.uses(id).await?.iter().map(used).collect(),
        open_end: words::open_end(&ticket),
        history: history.into_iter().map(|entry| happened(&names, entry)).collect(),
        body: readable(&question.request.body),
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

fn choose(ticket: &Ticket, answers: &[Kept], session: &Session) -> Choice {
    let person = &session.member.person;
    let proven = session.member.amr_for(&session.amr, ticket.asked_at);
    let own = answers.iter().find(|kept| kept.dropped.is_none() && kept.answer.person == *person);
    let may = |amr: &[String]| {
        let answer = session.member.answer(ticket.id, ticket.now, amr.to_vec());
        eligible(&answer, asked(ticket))
    };
    match (ticket.state, own) {
        (_, Some(kept)) => Choice::Answered(kept.kind),
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

fn readable(shown: &Shown) -> Body {
    match shown {
        Shown::Text(text) if text.is_empty() => Body::Empty,
        Shown::Text(text) => Body::Text(text.clone(), Node::parse(text)),
        Shown::Base64(text) => Body::Bytes(text.clone()),
        Shown::Redacted { bytes } => Body::Redacted(*bytes),
    }
}
