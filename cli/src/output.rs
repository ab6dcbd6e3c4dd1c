//! All that the command prints: nothing that was recorded can act on the terminal or the log that shows it.
//!
//! What cannot be seen or changes the order of other characters, by the table that everybody is shown requests with, and
//! the words that continuous integration takes as commands are escaped. A reader that has gone, as `head` does, is no
//! failure.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::io::{self, ErrorKind, IsTerminal as _, Write};

use countersign_view::visible::{Lines, Piece, pieces};

use crate::failure::Failure;

/// Writes one line, whatever is in it.
macro_rules! line {
    ($out:expr) => { $crate::output::write_line($out, format_args!("")) };
    ($out:expr, $($words:tt)*) => { $crate::output::write_line($out, format_args!($($words)*)) };
}

/// Writes an empty line and then one line, whatever is in it.
macro_rules! para {
    ($out:expr, $($words:tt)*) => { $crate::output::paragraph($out, format_args!($($words)*)) };
}
pub(crate) use {line, para};

/// See [`para!`].
pub(crate) fn paragraph(out: &mut String, words: fmt::Arguments<'_>) -> fmt::Result {
    out.push('\n');
    write_line(out, words)
}

/// See [`line!`].
pub(crate) fn write_line(out: &mut String, words: fmt::Arguments<'_>) -> fmt::Result {
    out.push_str(&word(&words.to_string()));
    out.push('\n');
    Ok(())
}

/// Text that is part of a line.
#[must_use]
pub fn word(text: &str) -> Cow<'_, str> {
    escaped(text, Lines::One)
}

/// Text of several lines.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    escaped(text, Lines::Many)
}

/// Prints a report as it is, but for what could act on its reader.
///
/// # Errors
/// When it cannot be written, unless nobody reads it any more.
pub fn print(text: &str) -> Result<(), Failure> {
    written(io::stdout().lock(), &self::text(text))
}

/// Prints lines that hold what others wrote, named where it cannot be seen
/// ([`Visible`](countersign_view::visible::Visible)). In a report a line may be a command for continuous integration;
/// here none is, and how that is prevented can be told from what was written.
///
/// # Errors
/// See [`print`].
pub fn print_foreign(text: &str) -> Result<(), Failure> {
    print(&without_commands(text))
}

/// Prints what is hashed, byte for byte. Only on a terminal, where nobody hashes it, is it printed as a report is.
///
/// # Errors
/// See [`print`].
pub fn print_exact(text: &str) -> Result<(), Failure> {
    if io::stdout().is_terminal() { print_foreign(text) } else { print_raw(text) }
}

/// Prints what other programs read, as it is.
///
/// # Errors
/// See [`print`].
pub fn print_raw(text: &str) -> Result<(), Failure> {
    written(io::stdout().lock(), text)
}

/// Prints a report in JSON, which stays JSON: only strings have such characters.
///
/// # Errors
/// See [`print`].
pub fn print_json(text: &str) -> Result<(), Failure> {
    written(io::stdout().lock(), &escaped_json(text))
}

/// Says something on standard error; lines after the first are marked as belonging to it.
pub fn say(what: impl Display) {
    let text = what.to_string();
    let lines: Vec<_> = text.trim_end().lines().map(word).collect();
    // Nobody is there to be told that it cannot be written.
    _ = written(io::stderr().lock(), &without_commands(&(lines.join("\n| ") + "\n")));
}

fn written(mut out: impl Write, text: &str) -> Result<(), Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

fn escaped(text: &str, lines: Lines) -> Cow<'_, str> {
    let acts = pieces(text, lines).any(|piece| matches!(piece, Piece::Unseen(_)));
    if !acts && !text.contains("##[") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text, lines) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Unseen(letter) => out.extend(letter.escape_default()),
        }
    }
    // What GitHub's runner takes as a command wherever it stands in a line.
    Cow::Owned(out.replace("##[", "#\\#["))
}

/// The same JSON, with what acts on its reader escaped.
fn escaped_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text, Lines::Many) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            // No string holds it as it is, so it is white space between two values.
            Piece::Unseen('\r') => out.push(' '),
            Piece::Unseen(letter) => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.replace("##[", "#\\u0023[")
}

/// The same lines, with what GitHub's runner takes as a command named as an unseen character is: `##[` anywhere, and `::`
/// where a line begins, white space aside.
fn without_commands(text: &str) -> String {
    let line = |line: &str| match line.trim_start().starts_with("::") {
        true => line.replacen("::", "⟨U+003A⟩:", 1),
        false => line.to_owned(),
    };
    let lines: String = text.split_inclusive('\n').map(line).collect();
    lines.replace("##[", "#⟨U+0023⟩[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_recorded_acts_on_its_reader() {
        let mut out = String::new();
        line!(&mut out, "id `{}`", "a\n::error::b\r\u{1b}[2J\u{202e}c\u{9b}##[error]d é").unwrap();
        assert_eq!(out, "id `a\\n::error::b\\r\\u{1b}[2J\\u{202e}c\\u{9b}#\\#[error]d é`\n");
        assert_eq!(text("a\nb\tc"), "a\nb\tc");
        assert!(matches!(text("plain\ntext"), Cow::Borrowed(_)));
        assert_eq!(word("a\u{200b}b\u{a0}c\u{ad}d\u{e0041}"), "a\\u{200b}b\\u{a0}c\\u{ad}d\\u{e0041}");
    }

    #[test]
    fn no_line_of_others_is_a_command() {
        for (said, printed) in [
            (
                "::error::a\n  ::set-output name=b::c\n",
                "⟨U+003A⟩:error::a\n  ⟨U+003A⟩:set-output name=b::c\n",
            ),
            ("a ::b\na::b", "a ::b\na::b"),
            ("a ##[error]b ###[c", "a #⟨U+0023⟩[error]b ##⟨U+0023⟩[c"),
        ] {
            assert_eq!(without_commands(said), printed);
        }
    }

    #[test]
    fn json_stays_the_same_json() {
        let said = "{\"a\":\r\n\t\"\u{202e}\u{e0041}\u{9b}\u{feff}##[error]é\"}\n";
        let printed = escaped_json(said);
        assert_eq!(printed, "{\"a\": \n\t\"\\u202e\\udb40\\udc41\\u009b\\ufeff#\\u0023[error]é\"}\n");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&printed), read(said));
    }
}
