//! For people and their tools: requests, answers, revocations.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as AppState;
use countersign_protocol::approval::State;
use countersign_protocol::grant::Answer;
use countersign_protocol::person::Person;
use countersign_protocol::request::{Question, Severity};
use countersign_protocol::{Hash, Token, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::callers::{Answerer, Reader};
use super::extract::{Body, Path, Query};
use super::problem::{Failed, Problem};
use super::reviews::Reviewed;
use super::said::NewAnswer;
use crate::app::App;
use crate::auth::Session;
use crate::code::Code;
use crate::reason::Reason;
use crate::store::StoreError;
use crate::store::answers::giving::Given;
use crate::store::answers::{Kept, Kind, Narrowed, counting, lacking};
use crate::store::claims::uses::Use;
use crate::store::history::Entry;
use crate::store::lists::{Filter, NoPlace, Place, Which};
use crate::store::readers::may_see;
use crate::store::tickets::{Ticket, state_name, state_named};

/// Requests on a page of a list: where nothing is said, and at most.
const LIST: (u32, u32) = (100, 500);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only those in this state.
    #[param(value_type = Option<State>)]
    state: Option<String>,
    /// Only those of this severity.
    severity: Option<Severity>,
    /// Only those with all of these words in who, for whom, what, to what, method or address; four at most count.
    words: Option<String>,
    /// Only those that come behind this place: `next` of the page before.
    #[param(value_type = Option<String>, pattern = "^[0-9]{1,18}-[0-9a-f]{32}$")]
    after: Option<String>,
    /// The most requests; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

impl Wanted {
    /// A gateway must take an unknown state for no approval; who asks for one has made a mistake.
    fn which(&self) -> Result<Which, Problem> {
        let Some(name) = self.state.as_deref() else { return Ok(Which::All) };
        let state = state_named(name);
        if state_name(state) == name {
            return Ok(Which::In(state));
        }
        Err(malformed(format!("there is no state `{name}`")))
    }

    fn filter(&self) -> Filter {
        Filter { severity: self.severity, words: self.words.clone().unwrap_or_default() }
    }

    fn after(&self) -> Result<Option<Place>, Problem> {
        self.after
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error: NoPlace| malformed(error.to_string()))
    }

    fn limit(&self) -> Result<u32, Problem> {
        let (usual, most) = LIST;
        let limit = self.limit.unwrap_or(usual);
        if (1..=most).contains(&limit) {
            Ok(limit)
        } else {
            Err(malformed(format!("`limit` is 1 to {most}")))
        }
    }
}

fn malformed(detail: String) -> Problem {
    Problem::new(Code::MalformedQuery, detail)
}

/// A request in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Summary {
    ticket: Token,
    state: State,
    audience: String,
    principal: String,
    action: String,
    resource: String,
    method: String,
    authority: String,
    path: String,
    severity: Severity,
    asked_at: UnixMillis,
    answer_by: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_by: Option<UnixMillis>,
    /// How many approvers it still lacks.
    missing: usize,
    /// How many people asked for one more to look at it.
    flags: usize,
    /// How many uses it is for, in all.
    uses: i64,
    /// How many of them are used up.
    used: i64,
    /// Of how many uses nobody said in time what became of them.
    outcomes_unknown: i64,
}

impl Summary {
    pub(crate) fn of(ticket: &Ticket, answers: &[Kept]) -> Self {
        let question = &ticket.question;
        Self {
            ticket: ticket.id,
            state: ticket.state,
            audience: ticket.audience.clone(),
            principal: ticket.principal.clone(),
            action: question.cedar.action.clone(),
            resource: question.cedar.resource.clone(),
            method: question.request.method.clone(),
            authority: question.request.authority.clone(),
            path: question.request.path.clone(),
            severity: question.terms.severity,
            asked_at: ticket.asked_at,
            answer_by: ticket.answer_by,
            use_by: ticket.use_by,
            missing: lacking(ticket, answers),
            flags: counting(answers).1.len(),
            uses: ticket.uses,
            used: ticket.used,
            outcomes_unknown: ticket.outcomes_unknown,
        }
    }
}

/// An answer that was given.
#[derive(Serialize, ToSchema)]
struct Said {
    id: Token,
    /// `approve`, `reject` or `flag`.
    #[schema(pattern = "^(approve|reject|flag)$")]
    kind: &'static str,
    person: Person,
    at: UnixMillis,
    /// How they proved who they are (RFC 8176).
    amr: Vec<String>,
    reason: Option<String>,
    /// Whether it opens gates alone.
    break_glass: bool,
    /// To how many uses they said yes, where to fewer than was asked for.
    uses: Option<i64>,
    /// For how long, milliseconds, likewise.
    use_within_ms: Option<i64>,
    /// Why it does not count: a stable code.
    dropped: Option<String>,
    /// What a passkey signed over this very answer, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    assertion: Option<Value>,
}

impl From<Kept> for Said {
    fn from(kept: Kept) -> Self {
        let Kept { kind, answer, reason, narrowed: Narrowed { uses, use_within_ms }, dropped, assertion } =
            kept;
        let assertion = assertion.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let Answer { id, person, at, amr, .. } = answer;
        let (kind, break_glass) = kind.marked();
        Self { id, kind, person, at, amr, reason, break_glass, uses, use_within_ms, dropped, assertion }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Requests {
    items: Vec<Summary>,
    /// What to ask for the next page with, as `after`, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next: Option<Place>,
}

/// A request with all that there is about it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Detail {
    #[serde(flatten)]
    summary: Summary,
    digest: Hash,
    /// SHA-256 of the text that people are shown of it; an answer has to name it.
    shown: Hash,
    /// The question, byte for byte as the gateway sent it.
    #[schema(value_type = Question)]
    question: Box<RawValue>,
    answers: Vec<Said>,
    claims: Vec<Use>,
    history: Vec<Entry>,
    waiting: i64,
    /// What became of the review, where glass was broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    review: Option<Reviewed>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revocation {
    reason: Reason,
}

/// The request of that name, if the person may know of it.
pub(crate) async fn seen(app: &App, session: &Session, id: Token) -> Result<Ticket, Problem> {
    let ticket = app.store.ticket(id).await?.filter(|ticket| may_see(ticket, &session.member));
    ticket.ok_or_else(Problem::not_found)
}

/// The same for somebody who answers. Whoever may not know of the request is told what a stranger is told, and
/// the attempt is kept.
pub(crate) async fn seen_to_answer(
    app: &App,
    session: &Session,
    id: Token,
    kind: Kind,
) -> Result<Ticket, Problem> {
    seen_to(app, session, id, kind.name()).await
}

/// The same for anything that somebody does to a request.
pub(crate) async fn seen_to(
    app: &App,
    session: &Session,
    id: Token,
    what: &'static str,
) -> Result<Ticket, Problem> {
    let ticket = app.store.ticket(id).await?.ok_or_else(Problem::not_found)?;
    if !may_see(&ticket, &session.member) {
        app.store.note_refusal(id, &session.member, Code::NotInGroup, what).await?;
        return Err(Problem::not_found());
    }
    Ok(ticket)
}

/// What somebody said to a request; that it could not be understood is kept as an attempt of theirs.
pub(crate) async fn heard<T>(
    app: &App,
    session: &Session,
    id: Token,
    (what, said): (&str, Result<T, Problem>),
) -> Result<T, Problem> {
    if let Err(problem) = &said
        && problem.status.is_client_error()
    {
        app.store.note_refusal(id, &session.member, problem.code, what).await?;
    }
    said
}

async fn detail(app: &App, ticket: Ticket) -> Result<Detail, Problem> {
    let answers = app.store.answers(&ticket).await?;
    Ok(Detail {
        summary: Summary::of(&ticket, &answers),
        digest: ticket.digest,
        shown: ticket.shown,
        answers: answers.into_iter().map(Said::from).collect(),
        claims: app.store.uses(ticket.id).await?,
        history: app.store.history(ticket.id).await?,
        waiting: app.store.waiting(ticket.id).await?.held,
        review: app.store.review(ticket.id).await?.map(Reviewed::from),
        question: RawValue::from_string(ticket.raw).map_err(StoreError::from)?,
    })
}

/// Takes an answer, and finishes even when the browser goes away in between.
pub(crate) async fn give(app: &Arc<App>, session: Session, id: Token, given: Given) -> Result<(), Problem> {
    let app = Arc::clone(app);
    let work = async move {
        let kind = given.kind;
        let taken = app.store.answer(id, &session.member, given, &app.signer).await;
        app.metrics.answered(kind, taken.is_ok());
        taken
    };
    Ok(tokio::spawn(work).await??)
}

/// Takes a yes back, and finishes even when the browser goes away in between.
pub(crate) async fn take_back(
    app: &Arc<App>,
    session: Session,
    id: Token,
    reason: Reason,
) -> Result<(), Problem> {
    let app = Arc::clone(app);
    let work = async move { app.store.revoke(id, &session.member, &reason).await };
    Ok(tokio::spawn(work).await??)
}

/// List the requests that one may see
#[utoipa::path(get, path = "/v1/requests", tag = "people", params(Wanted),
    responses((status = 200, description = "The latest first; open ones by when they lapse", body = Requests), Failed))]
pub(crate) async fn list(
    AppState(app): AppState<Arc<App>>,
    Reader(session): Reader,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Requests>, Problem> {
    let (which, after, limit) = (wanted.which()?, wanted.after()?, wanted.limit()?);
    let page = app.store.list(&session.member, which, &wanted.filter(), (after, limit)).await?;
    let items = page.items.iter().map(|listed| Summary::of(&listed.ticket, &listed.answers)).collect();
    Ok(Json(Requests { items, next: page.next }))
}

/// See one request
#[utoipa::path(get, path = "/v1/requests/{ticket}", tag = "people", params(("ticket" = Token, Path)),
    responses((status = 200, description = "All that there is about it", body = Detail), Failed))]
pub(crate) async fn show(
    AppState(app): AppState<Arc<App>>,
    Reader(session): Reader,
    Path(id): Path<Token>,
) -> Result<Json<Detail>, Problem> {
    let ticket = seen(&app, &session, id).await?;
    Ok(Json(detail(&app, ticket).await?))
}

/// Approve, reject or flag
#[utoipa::path(post, path = "/v1/requests/{ticket}/answers", tag = "people", params(("ticket" = Token, Path)), request_body = NewAnswer,
    responses((status = 200, description = "The request as it is now", body = Detail), Failed))]
pub(crate) async fn answer(
    AppState(app): AppState<Arc<App>>,
    Answerer(session): Answerer,
    Path(id): Path<Token>,
    new: Result<Body<NewAnswer>, Problem>,
) -> Result<Json<Detail>, Problem> {
    let kind = new.as_ref().map_or("answer", |Body(new)| new.kind().name());
    seen_to(&app, &session, id, kind).await?;
    let Body(new) = heard(&app, &session, id, (kind, new)).await?;
    let given = new.given(session.amr.clone());
    give(&app, session.clone(), id, given).await?;
    let ticket = seen(&app, &session, id).await?;
    Ok(Json(detail(&app, ticket).await?))
}

/// Take an approval back that is not used up
#[utoipa::path(post, path = "/v1/requests/{ticket}/revoke", tag = "people", params(("ticket" = Token, Path)), request_body = Revocation,
    responses((status = 200, description = "The request as it is now", body = Detail), Failed))]
pub(crate) async fn revoke(
    AppState(app): AppState<Arc<App>>,
    Answerer(session): Answerer,
    Path(id): Path<Token>,
    revocation: Result<Body<Revocation>, Problem>,
) -> Result<Json<Detail>, Problem> {
    seen_to(&app, &session, id, "revoke").await?;
    let Body(revocation) = heard(&app, &session, id, ("revoke", revocation)).await?;
    take_back(&app, session.clone(), id, revocation.reason).await?;
    let ticket = seen(&app, &session, id).await?;
    Ok(Json(detail(&app, ticket).await?))
}
