//! What happened, in order: to tickets, refused attempts to answer among it, and to calls that failed.

use countersign_protocol::person::Person;
use countersign_protocol::{Token, UnixMillis};
use serde::Serialize;

/// One thing that happened. The words are those of the history that the approval service keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// When.
    pub at: UnixMillis,
    /// To which ticket; none when it is a call that failed or evidence that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Token>,
    /// What, `snake_case`. To tickets: `asked`, `joined`, `approve`, `reject`, `flag`, `refused` (an attempt of
    /// somebody, with the kind of it as the detail), `false_grant`, `approved`, `claimed`, `lost` (a claim),
    /// `forwarded`, `outcome_unknown`, `reopened`, `revoked`, `client_left`, `cancelled`, `expired`. To calls:
    /// `not_asked` (a question), `evidence_refused`, `fault` (with the operation as the detail).
    pub event: &'static str,
    /// By whom, when it was a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Person>,
    /// A stable code, `snake_case`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Happened {
    /// Something that happens at `at`.
    pub(super) fn new(at: UnixMillis, event: &'static str) -> Self {
        Self { at, ticket: None, event, by: None, code: None, detail: None }
    }

    pub(super) fn to(self, ticket: Token) -> Self {
        Self { ticket: Some(ticket), ..self }
    }

    pub(super) fn by(self, person: &Person) -> Self {
        Self { by: Some(person.clone()), ..self }
    }

    pub(super) fn code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    pub(super) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}
