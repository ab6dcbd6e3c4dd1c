//! Answers in the place of a server's: JSON-RPC that the client's version understands, and that a model is shown as
//! the failure that it is.

use serde_json::{Map, Value, json};

use super::Version;
use super::message::Id;
use crate::denial::{Denial, Reason};

/// The key of `_meta` under which a tool's result carries the problem details.
const META: &str = "countersign/problem";

/// What an answer to a POST needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conversation {
    pub(crate) version: Version,
    /// The version that the client named, when nobody knows it.
    pub(crate) unknown: Option<String>,
    waits: Waits,
}

/// A request that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) id: Id,
    pub(crate) form: Form,
}

/// What an answer may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A tool's result: what is wrong is for the model to read.
    Tool,
    /// Anything else has nothing but errors.
    Plain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Waits {
    /// What was posted is not known.
    Unread,
    Read {
        all: Vec<Expected>,
        batch: bool,
    },
}

impl Conversation {
    pub(crate) fn unread(version: Version) -> Self {
        Self { version, unknown: None, waits: Waits::Unread }
    }

    /// What was posted is known now.
    pub(crate) fn expect(&mut self, all: Vec<Expected>, batch: bool) {
        self.waits = Waits::Read { all, batch };
    }

    /// Status and JSON for a request that is not sent on; nothing when no message waits for an answer. A request that
    /// was read is answered with 200 where the protocol says nothing else: clients take every other status for a
    /// broken connection, and show their model nothing of it.
    pub(crate) fn reply(
        &self,
        denial: &Denial,
        problem: &Map<String, Value>,
        status: u16,
    ) -> Option<(u16, String)> {
        let text = text(denial, problem);
        let (all, batch) = match &self.waits {
            Waits::Unread => {
                let id = (!self.version.may_omit_id()).then_some(Value::Null);
                return Some((status, self.error(id, denial, &text, problem).to_string()));
            }
            Waits::Read { all, .. } if all.is_empty() => return None,
            Waits::Read { all, batch } => (all, *batch),
        };
        let answers = all.iter().map(|expected| self.answer(expected, denial, &text, problem));
        let mut answers = answers;
        let body: Value = if batch { answers.collect() } else { answers.next().unwrap_or_default() };
        Some((self.status(denial.reason), body.to_string()))
    }

    fn answer(
        &self,
        expected: &Expected,
        denial: &Denial,
        text: &str,
        problem: &Map<String, Value>,
    ) -> Value {
        let id = match &expected.id {
            Id::Text(id) => json!(id),
            Id::Number(id) => json!(id),
        };
        if expected.form == Form::Plain || protocol_error(denial.reason).is_some() {
            return self.error(Some(id), denial, text, problem);
        }
        let mut result = Map::new();
        if self.version.is_stateless() {
            result.insert("resultType".into(), json!("complete"));
        }
        result.insert("content".into(), json!([{"type": "text", "text": text}]));
        result.insert("isError".into(), json!(true));
        result.insert("_meta".into(), json!({META: problem}));
        json!({"jsonrpc": "2.0", "id": id, "result": result})
    }

    /// What the protocol wants, where it wants something.
    fn status(&self, reason: Reason) -> u16 {
        match reason {
            Reason::NoRoute if self.version.is_stateless() => 404,
            Reason::NoRoute => 200,
            // Credentials are renewed by what HTTP says of them.
            Reason::BadIdentity => 401,
            _ if protocol_error(reason).is_some() => 400,
            _ => 200,
        }
    }
}

impl Conversation {
    fn error(&self, id: Option<Value>, denial: &Denial, text: &str, problem: &Map<String, Value>) -> Value {
        let unread = self.waits == Waits::Unread;
        let code = match denial.reason {
            Reason::Ambiguous | Reason::BadFact if unread => -32700,
            // Codes of our own are outside of what JSON-RPC reserves (2026-07-28, *Error Codes*): HTTP's.
            reason => protocol_error(reason).unwrap_or_else(|| reason.meaning().http.into()),
        };
        let mut data = problem.clone();
        if let Some(unknown) = &self.unknown {
            data.insert(
                "supported".into(),
                Version::ALL.iter().rev().map(|version| version.name()).collect(),
            );
            data.insert("requested".into(), json!(unknown));
        }
        let mut whole = Map::from_iter([("jsonrpc".into(), json!("2.0"))]);
        whole.extend(id.map(|id| ("id".into(), id)));
        whole.insert("error".into(), json!({"code": code, "message": text, "data": data}));
        Value::Object(whole)
    }
}

/// The code of an error that the protocol itself defines: a model could do nothing about it.
fn protocol_error(reason: Reason) -> Option<i64> {
    match reason {
        Reason::BadMessage => Some(-32600),
        Reason::NoRoute => Some(-32601),
        Reason::HeaderMismatch => Some(-32020),
        Reason::UnsupportedVersion => Some(-32022),
        Reason::BadIdentity => Some(401),
        _ => None,
    }
}

/// What a model reads: that it was not done, why, and what to do now.
fn text(denial: &Denial, problem: &Map<String, Value>) -> String {
    let meaning = denial.reason.meaning();
    let said = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
    let asked: Vec<_> = problem
        .get("asked")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if denial.reason != Reason::Pending {
        let colon = if denial.detail.is_empty() { "" } else { ": " };
        return format!("Not done: {}{colon}{} ({})", meaning.sentence, denial.detail, meaning.code);
    }
    let seconds = problem.get("retry_after").and_then(Value::as_i64).unwrap_or(1);
    format!(
        "Not done yet: a person of {} was asked to countersign this, and nobody has answered so far. Send exactly the \
         same request again in {seconds} seconds or later; it goes on when they said yes. They may answer until {}. \
         Ticket {}, status at {}",
        asked.join(" and "),
        said("answer_by"),
        said("ticket"),
        said("status_url"),
    )
}
