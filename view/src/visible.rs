//! Untrusted text with every character made visible that could hide or reorder others.

use std::fmt::{self, Write as _};

use unicode_normalization::char::is_combining_mark;

/// The most marks on one letter, which stack without an end: Tibetan has words with four.
const MOST_MARKS: usize = 4;

/// A piece of text: characters that look like what they are, or one that is invisible or changes how others
/// look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text to be shown as it is.
    Text(&'a str),
    /// A character to be named instead.
    Unseen(char),
}

/// How many lines a text may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// One: a line feed is named like any other control character.
    One,
    /// Many: line feeds and tabs are what they are.
    Many,
}

/// Takes text apart.
pub fn pieces(text: &str, lines: Lines) -> impl Iterator<Item = Piece<'_>> {
    let (mut rest, mut marks) = (text, Marks::default());
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = rest.find(|c| !marks.allow(c) || !shows(c, lines)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(if end == 0 { first.len_utf8() } else { end });
        rest = after;
        Some(if end == 0 { Piece::Unseen(first) } else { Piece::Text(piece) })
    })
}

/// How many marks the last letter has. One that is on no letter would be on what stands before the text.
#[derive(Default)]
struct Marks(Option<usize>);

impl Marks {
    /// Whether `c` is no mark, or one that a letter before it can have.
    fn allow(&mut self, c: char) -> bool {
        let is_named = hides(c) || c == '⟨';
        if !is_combining_mark(c) || is_named {
            self.0 = (!is_named).then_some(0);
            return true;
        }
        self.0 = self.0.map(|marks| marks + 1);
        self.0.is_some_and(|marks| marks <= MOST_MARKS)
    }
}

fn shows(c: char, lines: Lines) -> bool {
    !hides(c) || (lines == Lines::Many && matches!(c, '\n' | '\t'))
}

/// Text with what is invisible, reorders others or is drawn across them named as `⟨U+202E⟩`. No other text is written the same: the bracket that opens a name
/// is named itself.
#[derive(Debug, Clone, Copy)]
pub struct Visible<'a>(pub &'a str, pub Lines);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pieces(self.0, self.1).try_for_each(|piece| match piece {
            Piece::Text(text) => text.chars().try_for_each(|c| match c {
                '⟨' => named(f, c),
                c => f.write_char(c),
            }),
            Piece::Unseen(c) => named(f, c),
        })
    }
}

fn named(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    write!(f, "⟨U+{:04X}⟩", u32::from(c))
}

/// Whether a character is invisible, changes the order of others, is drawn across them or looks like a plain space
/// (Unicode 16: controls, format characters, fillers, separators, variation selectors, tags, overlays, enclosing marks).
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{a0}' | '\u{ad}' | '\u{334}'..='\u{338}' | '\u{34f}' | '\u{488}' | '\u{489}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{1680}'
            | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{1abe}' | '\u{1cd4}' | '\u{1ce2}'..='\u{1ce8}' | '\u{20d0}'..='\u{20f0}' | '\u{2800}' | '\u{3000}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{a670}'..='\u{a672}' | '\u{10a39}' | '\u{16af0}'..='\u{16af4}' | '\u{16fe4}' | '\u{1bc9e}' | '\u{1d159}' | '\u{1d167}'..='\u{1d169}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_reorders_is_named() {
        for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{7}', '\u{e0041}', '\r', '\u{ad}'] {
            let shown = Visible(&format!("a{c}b"), Lines::Many).to_string();
            assert_eq!(shown, format!("a⟨U+{:04X}⟩b", u32::from(c)));
        }
        assert_eq!(Visible("a\n\tb", Lines::Many).to_string(), "a\n\tb");
        assert_eq!(Visible("a\nb", Lines::One).to_string(), "a⟨U+000A⟩b");
        assert_eq!(Visible("grüße 日本 שלום", Lines::One).to_string(), "grüße 日本 שלום");
    }

    #[test]
    fn marks_stay_on_their_letter() {
        let line = |text: &str| Visible(text, Lines::One).to_string();
        for plain in ["cafe\u{301}", "བསྒྲུབས", "क्षि", "שָׁלוֹם", "ผู้", "e\u{301}\u{301}\u{301}\u{301}"]
        {
            assert_eq!(line(plain), plain);
        }
        assert_eq!(line("\u{323}a"), "⟨U+0323⟩a");
        assert_eq!(Visible("a\n\u{323}", Lines::Many).to_string(), "a\n⟨U+0323⟩");
        assert_eq!(line("⟨\u{323}"), "⟨U+27E8⟩⟨U+0323⟩");
        let named = "⟨U+0323⟩".repeat(96);
        assert_eq!(
            line(&format!("a{}b", "\u{323}".repeat(100))),
            format!("a{}{named}b", "\u{323}".repeat(4))
        );
        assert_eq!(line("1\u{336}0\u{336}"), "1⟨U+0336⟩0⟨U+0336⟩", "struck out");
    }

    #[test]
    fn nothing_passes_for_a_name() {
        let (real, forged) = ("\u{202e}", "⟨U+202E⟩");
        assert_ne!(Visible(real, Lines::One).to_string(), Visible(forged, Lines::One).to_string());
    }

    proptest::proptest! {
        #[test]
        fn pieces_are_the_whole_text(text in "\\PC*|[\\x00-\\x20\u{200b}\u{202e}\u{323}\u{336}ab]*") {
            let whole: String = pieces(&text, Lines::One).map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Unseen(c) => c.to_string(),
            }).collect();
            proptest::prop_assert_eq!(whole, text);
        }
    }
}
