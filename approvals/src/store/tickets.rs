//! A ticket as it is kept, and how it is read.

use std::str::FromStr;

use countersign_protocol::approval::{State, Verdict};
use countersign_protocol::request::{CedarRequest, ExactRequest, Question, Shown};
use countersign_protocol::{Hash, Token, UnixMillis};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, FromRow, Row as _};

use super::{Store, StoreError};

/// One request for approval and where it stands now.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) id: Token,
    pub(crate) capability: Token,
    pub(crate) audience: String,
    pub(crate) principal: String,
    pub(crate) digest: Hash,
    /// The question's bytes, as the gateway sent them.
    pub(crate) raw: String,
    pub(crate) question: Question,
    /// SHA-256 of the text that people are shown of it.
    pub(crate) shown: Hash,
    pub(crate) asked_at: UnixMillis,
    pub(crate) answer_by: UnixMillis,
    pub(crate) use_by: Option<UnixMillis>,
    pub(crate) uses: i64,
    pub(crate) used: i64,
    /// Of how many uses nobody said in time what became of them.
    pub(crate) outcomes_unknown: i64,
    /// Deadlines included: a lapsed ticket never reads as open.
    pub(crate) state: State,
    pub(crate) reason: Option<String>,
    pub(crate) grant: Option<String>,
    /// The deadline of the state that it is in.
    pub(crate) lapses_at: Option<UnixMillis>,
    /// The database's clock when this was read.
    pub(crate) now: UnixMillis,
}

/// Reads a column that is kept as text.
pub(crate) fn parsed<T: FromStr>(row: &AnyRow, column: &str) -> Result<T, sqlx::Error>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.try_get(column)?;
    text.parse().map_err(|error| undecodable(column, error))
}

/// Reads a column that is kept as JSON.
pub(crate) fn json<T: serde::de::DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|error| undecodable(column, error))
}

/// Reads a column that is kept as one word of several.
pub(crate) fn named<T: serde::de::DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T, sqlx::Error> {
    let word: String = row.try_get(column)?;
    serde_json::from_value(word.into()).map_err(|error| undecodable(column, error))
}

fn undecodable(column: &str, error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.into(), source: Box::new(error) }
}

/// How a state is written in the database and on the wire.
pub(crate) fn state_name(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Approved => "approved",
        State::Consumed => "consumed",
        State::Rejected => "rejected",
        State::Expired => "expired",
        State::Revoked => "revoked",
        State::Cancelled => "cancelled",
        State::Unknown => "unknown",
    }
}

/// The state of that name.
pub(crate) fn state_named(name: &str) -> State {
    serde_json::from_value(name.into()).unwrap_or(State::Unknown)
}

impl FromRow<'_, AnyRow> for Ticket {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: parsed(row, "id")?,
            capability: parsed(row, "capability")?,
            audience: row.try_get("audience")?,
            principal: row.try_get("principal")?,
            digest: parsed(row, "digest")?,
            raw: row.try_get("question")?,
            question: json(row, "question")?,
            shown: parsed(row, "shown")?,
            asked_at: row.try_get("asked_at")?,
            answer_by: row.try_get("answer_by")?,
            use_by: row.try_get("use_by")?,
            uses: row.try_get("uses")?,
            used: row.try_get("used")?,
            outcomes_unknown: row.try_get("outcomes_unknown")?,
            state: state_named(row.try_get("state_now")?),
            reason: row.try_get("reason")?,
            grant: row.try_get("grant_jws")?,
            lapses_at: row.try_get("lapses_at")?,
            now: row.try_get("now")?,
        })
    }
}

impl Ticket {
    /// What gateways are told.
    pub(crate) fn verdict(&self) -> Verdict {
        let grant = self.grant.clone().filter(|_| self.state == State::Approved);
        Verdict {
            ticket: self.id,
            digest: self.digest,
            state: self.state,
            grant,
            reason: self.reason.clone(),
        }
    }
}

/// The most of what else a request does that lists count.
pub(crate) const MOST_ALSO: usize = 100;

/// The most of a path that lists show, characters.
pub(crate) const LONGEST_PATH: usize = 500;

/// A question without what is long and lists do not show.
pub(crate) fn outline(question: &Question) -> Result<String, serde_json::Error> {
    let without_context =
        |cedar: &CedarRequest| CedarRequest { context: serde_json::Value::Null, ..cedar.clone() };
    let ExactRequest { method, scheme, authority, path, body_sha256, .. } = question.request.clone();
    let path = path.chars().take(LONGEST_PATH).collect();
    let (headers, trailers, loose) = (Vec::new(), Vec::new(), Vec::new());
    let body = Shown::Text(String::new());
    serde_json::to_string(&Question {
        cedar: without_context(&question.cedar),
        also: question.also.iter().take(MOST_ALSO).map(without_context).collect(),
        audience: question.audience.clone(),
        route: question.route.clone(),
        involved: question.involved.clone(),
        gates: question.gates.clone(),
        terms: question.terms.clone(),
        request: ExactRequest {
            method,
            scheme,
            authority,
            path,
            headers,
            body,
            body_sha256,
            loose,
            trailers,
        },
        justification: None,
    })
}

/// The ticket of that id.
pub(crate) async fn find(db: &mut AnyConnection, id: Token) -> Result<Option<Ticket>, StoreError> {
    let query = sqlx::query_as("SELECT * FROM current WHERE id = $1").bind(id.to_string());
    Ok(query.fetch_optional(db).await?)
}

impl Store {
    /// The ticket of that id.
    pub(crate) async fn ticket(&self, id: Token) -> Result<Option<Ticket>, StoreError> {
        find(&mut *self.reader.acquire().await?, id).await
    }

    /// The ticket whose status link that is.
    pub(crate) async fn by_capability(&self, capability: Token) -> Result<Option<Ticket>, StoreError> {
        let query =
            sqlx::query_as("SELECT * FROM current WHERE capability = $1").bind(capability.to_string());
        Ok(query.fetch_optional(&self.reader).await?)
    }
}
