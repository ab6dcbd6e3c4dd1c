//! Untrusted text for where it cannot be marked up: every character that hides or reorders others is named.

use countersign_view::visible::{Lines, Visible};

/// Text on one line, of at most so many characters; `…` stands where it goes on.
pub(crate) fn line(text: &str, most: usize) -> String {
    cut(&Visible(text, Lines::One).to_string(), most)
}

/// The same for text in which everything is named already: a second time would name the names. None is cut in two.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.char_indices().nth(most).is_none() {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(most.saturating_sub(1)).collect();
    let begun = kept.rfind('⟨');
    if begun > kept.rfind('⟩') {
        kept.truncate(begun.unwrap_or_default());
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_reorders_or_breaks_a_line() {
        assert_eq!(line("a\u{202e}b\nc\u{200b}", 100), "a⟨U+202E⟩b⟨U+000A⟩c⟨U+200B⟩");
        assert_eq!(line("grüße 日本", 100), "grüße 日本");
        assert_eq!((line("abcdef", 6), line("abcdef", 5)), ("abcdef".into(), "abcd…".into()));
        assert_eq!((line("ab\u{202e}c", 6), cut("a⟨U+27E8⟩bc", 10)), ("ab…".into(), "a⟨U+27E8⟩…".into()));
    }
}
