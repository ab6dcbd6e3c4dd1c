//! A request for approval, as the service shows it to people.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// All that is shown of one request.
#[derive(Debug, Clone)]
pub struct Ticket {
    id: String,
    shown: String,
    detail: Value,
}

impl Ticket {
    pub(crate) fn new(detail: Value) -> Result<Self> {
        let shown = text(&detail, "shown").unwrap_or_default();
        Ok(Self { id: text(&detail, "ticket")?, shown, detail })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Hash of what is shown; an answer names it. Empty for one of a list, which shows too little.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// `pending`, `approved` …
    #[must_use]
    pub fn state(&self) -> &str {
        self.detail.get("state").and_then(Value::as_str).unwrap_or_default()
    }

    /// A part of it, by JSON pointer (RFC 6901).
    #[must_use]
    pub fn part(&self, pointer: &str) -> &Value {
        self.detail.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The text of a part, empty when there is none.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.part(pointer).as_str().unwrap_or_default()
    }

    /// The gates that are shut.
    #[must_use]
    pub fn gates(&self) -> &[Value] {
        self.part("/question/gates").as_array().map_or(&[], Vec::as_slice)
    }

    /// Whether somebody's answer was refused with this code, and that is kept.
    #[must_use]
    pub fn recorded_refusal(&self, person: &str, code: &str) -> bool {
        let history = self.part("/history").as_array().map_or(&[][..], Vec::as_slice);
        history.iter().any(|entry| {
            let is = |name, value| entry.get(name).and_then(Value::as_str) == Some(value);
            is("event", "refused") && is("subject", person) && is("code", code)
        })
    }
}

pub(super) fn text(value: &Value, name: &str) -> Result<String> {
    let member = value.get(name).and_then(Value::as_str);
    Ok(member.with_context(|| format!("no `{name}` in {value}"))?.to_owned())
}
