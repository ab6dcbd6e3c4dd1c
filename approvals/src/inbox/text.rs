//! Untrusted text on a page: escaped, and with every character made visible that could hide or reorder others.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;

/// Text from outside, as markup that shows all of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visible<'a> {
    text: &'a str,
    lines: bool,
}

impl<'a> Visible<'a> {
    /// Text on one line: a line feed is marked like any other control character.
    pub(super) fn line(text: &'a str) -> Self {
        Self { text, lines: false }
    }

    /// Text with lines: line feeds and tabs are what they are.
    pub(super) fn lines(text: &'a str) -> Self {
        Self { text, lines: true }
    }
}

/// It escapes by itself.
impl HtmlSafe for Visible<'_> {}

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.chars().try_for_each(|c| match c {
            '\n' | '\t' if self.lines => f.write_char(c),
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&#34;"),
            '\'' => f.write_str("&#39;"),
            c if hides(c) => {
                write!(
                    f,
                    "<span class=\"unseen\" title=\"a character that cannot be seen\">U+{:04X}</span>",
                    u32::from(c)
                )
            }
            c => f.write_char(c),
        })
    }
}

/// Whether a character is invisible, changes the order of others or looks like a plain space (Unicode 16:
/// controls, format characters, fillers, separators, variation selectors, tags).
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{1680}'
            | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{2800}' | '\u{3000}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup() {
        let text = "<script>alert(\"&'\")</script>";
        let shown = Visible::line(text).to_string();
        assert_eq!(shown, "&lt;script&gt;alert(&#34;&amp;&#39;&#34;)&lt;/script&gt;");
    }

    #[test]
    fn what_hides_or_reorders_is_named() {
        for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{7}', '\u{e0041}', '\r', '\u{ad}'] {
            let shown = Visible::lines(&format!("a{c}b")).to_string();
            assert!(!shown.contains(c), "{shown}");
            assert!(shown.contains(&format!(">U+{:04X}</span>", u32::from(c))), "{shown}");
        }
        assert_eq!(Visible::lines("a\n\tb").to_string(), "a\n\tb");
        assert!(Visible::line("a\nb").to_string().contains("U+000A"));
        assert_eq!(Visible::line("grüße 日本 שלום").to_string(), "grüße 日本 שלום");
    }
}
