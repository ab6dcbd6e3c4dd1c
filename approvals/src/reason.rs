//! Why somebody does something, in their words.

use countersign_view::visible::{Lines, Piece, pieces};
use serde::Deserialize;
use utoipa::ToSchema;

/// The longest reason, characters.
const LONGEST: usize = 1000;

/// Something that can be read, of at most 1,000 characters; untrusted text all the same.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
// Somewhere a character that can be seen; these are many of them, and no marks, which need a letter before them.
#[schema(
    pattern = "[!-~\\u00a1-\\u00ac\\u00ae-\\u02ff\\u0370-\\u0482\\u048a-\\u0590\\u10a0-\\u115e\\u1161-\\u135c\\u30a1-\\u3163\\u3165-\\ua66e\\uac00-\\ud7ff]",
    max_length = 1000
)]
pub(crate) struct Reason(String);

/// A reason that says nothing, or too much.
#[derive(Debug, thiserror::Error)]
#[error("a reason has something to read in it, and at most {LONGEST} characters")]
pub(crate) struct BadReason;

impl TryFrom<String> for Reason {
    type Error = BadReason;

    /// Text with U+0000 is none: PostgreSQL would not keep it.
    fn try_from(text: String) -> Result<Self, BadReason> {
        let seen = |piece| matches!(piece, Piece::Text(text) if !text.trim().is_empty());
        let fits =
            pieces(&text, Lines::One).any(seen) && !text.contains('\0') && text.chars().count() <= LONGEST;
        if fits { Ok(Self(text)) } else { Err(BadReason) }
    }
}

impl Reason {
    /// What a form's field says; nothing where it was left empty.
    pub(crate) fn in_field(text: String) -> Result<Option<Self>, BadReason> {
        if text.trim().is_empty() { Ok(None) } else { Self::try_from(text).map(Some) }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_and_not_too_much() {
        for good in ["x", " not now\n", &"ü".repeat(LONGEST)] {
            assert_eq!(Reason::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in ["", " \n\t", "\u{200b}\u{2800}", "\u{301}", "\u{336}", "a\0b", &"x".repeat(LONGEST + 1)] {
            assert!(Reason::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(matches!(Reason::in_field("  ".into()), Ok(None)));
        assert!(Reason::in_field("a\0b".into()).is_err());
    }
}
