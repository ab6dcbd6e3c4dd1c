//! What the reading of one request may cost, all of its documents and operations together.

use std::cell::Cell;

use super::bad;
use crate::denial::Denial;
use crate::routes::json::Json;

/// Most tokens of a request, blanks and comments too.
const MAX_TOKENS: usize = 8_000;

/// Most values and selections that are looked at. What a fragment or a variable holds counts each time that it is used.
const MAX_VALUES: usize = 20_000;

/// The bytes of a text that count as one value.
const TEXT: usize = 32;

/// What is left.
pub(super) struct Budget {
    tokens: Cell<usize>,
    values: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tokens: MAX_TOKENS.into(), values: MAX_VALUES.into() }
    }
}

impl Budget {
    /// One more token.
    pub(super) fn token(&self) -> Result<(), Denial> {
        take(&self.tokens, 1).ok_or_else(|| bad(format!("more than {MAX_TOKENS} tokens")))
    }

    /// One more value or selection.
    pub(super) fn value(&self) -> Result<(), Denial> {
        self.values(1)
    }

    /// A value that is used where it was not written.
    pub(super) fn copy(&self, json: &Json) -> Result<(), Denial> {
        self.values(weight(json))
    }

    fn values(&self, count: usize) -> Result<(), Denial> {
        take(&self.values, count)
            .ok_or_else(|| bad("arguments, variables and fragments come to too many values"))
    }
}

fn take(left: &Cell<usize>, count: usize) -> Option<()> {
    left.set(left.get().checked_sub(count)?);
    Some(())
}

fn weight(json: &Json) -> usize {
    match json {
        Json::Text(text) => 1 + text.len() / TEXT,
        Json::List(all) => 1 + all.iter().map(weight).sum::<usize>(),
        Json::Object(members) => {
            1 + members.iter().map(|(name, member)| name.len() / TEXT + weight(member)).sum::<usize>()
        }
        _ => 1,
    }
}
