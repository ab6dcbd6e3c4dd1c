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

/// Text of [`line`] that no program makes a link of by itself: what holds an address together stands in brackets,
/// `https⟨:⟩//evil⟨.⟩example`. Nothing else in such text is written so, and whoever reads can take them away again.
pub(crate) fn unlinked(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(word).collect()
}

fn word(word: &str) -> String {
    let numbers = |c: char| !c.is_ascii_digit() && c != '.';
    // Four numbers are the address of a machine, or pass for one.
    let address = word.split(numbers).any(|part| part.split('.').count() > 3);
    let mut out = String::with_capacity(word.len());
    let mut rest = word.chars().peekable();
    let mut before = None;
    while let Some(c) = rest.next() {
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let after = rest.peek().copied();
        let number = !address && digit(before) && digit(after);
        match after {
            Some(after) if !number && joins(before, c, after) => out.extend(['⟨', c, '⟩']),
            _ => out.push(c),
        }
        before = Some(c);
    }
    out
}

/// Whether a character is what programs know an address by: `https://…`, `mailto:…`, `www.…`, `example.com`, `\\server`.
fn joins(before: Option<char>, c: char, after: char) -> bool {
    match c {
        '.' => before.is_some() && after.is_alphanumeric(),
        // Browsers take these for full stops, too; people who write no Latin letters end sentences with them.
        '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => before.is_some() && after.is_ascii_alphanumeric(),
        ':' => before.is_some_and(|c| c.is_ascii_alphanumeric()) && after != ':' && !after.is_whitespace(),
        '\\' => after == '\\',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_make_links_of_is_none_and_can_be_read_back() {
        for (text, shown) in [
            ("https://evil.example/a.b?c=d.e", "https⟨:⟩//evil⟨.⟩example/a⟨.⟩b?c=d⟨.⟩e"),
            ("see (WWW.evil.example).", "see (WWW⟨.⟩evil⟨.⟩example)."),
            ("mailto:eve@evil.example", "mailto⟨:⟩eve@evil⟨.⟩example"),
            (
                "evil\u{3002}com \u{440}\u{444}.\u{440}\u{444}",
                "evil⟨\u{3002}⟩com \u{440}\u{444}⟨.⟩\u{440}\u{444}",
            ),
            ("http://10.0.0.1:80/ 10.0.0.1", "http⟨:⟩//10⟨.⟩0⟨.⟩0⟨.⟩1⟨:⟩80/ 10⟨.⟩0⟨.⟩0⟨.⟩1"),
            ("\\\\evil\\share file:\\\\evil", "⟨\\⟩\\evil\\share file⟨:⟩⟨\\⟩\\evil"),
        ] {
            assert_eq!(unlinked(text), shown);
            assert_eq!(shown.replace(['⟨', '⟩'], ""), text);
        }
        for text in [
            "Release 4.2 costs 1.50 at 12:30: fine... Yes.",
            "Deploy::Environment::\"x\"",
            "a⟨U+202E⟩b",
            "{\"a\":1}",
            "你好。世界",
        ] {
            assert_eq!(unlinked(text), text);
        }
    }

    #[test]
    fn nothing_hides_reorders_or_breaks_a_line() {
        assert_eq!(line("a\u{202e}b\nc\u{200b}", 100), "a⟨U+202E⟩b⟨U+000A⟩c⟨U+200B⟩");
        assert_eq!(line("grüße 日本", 100), "grüße 日本");
        assert_eq!((line("abcdef", 6), line("abcdef", 5)), ("abcdef".into(), "abcd…".into()));
        assert_eq!((line("ab\u{202e}c", 6), cut("a⟨U+27E8⟩bc", 10)), ("ab…".into(), "a⟨U+27E8⟩…".into()));
    }
}
