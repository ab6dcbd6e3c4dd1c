//! All that the command prints: nothing that was recorded can act on the terminal or the log that shows it.
//!
//! Control characters, what turns the direction of writing around, and the words that continuous integration takes as
//! commands are escaped. A reader that has gone, as `head` does, is no failure.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::io::{self, ErrorKind, Write};

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
    out.push_str(&escaped(&words.to_string(), |letter| matches!(letter, '\n' | '\t')));
    out.push('\n');
    Ok(())
}

/// Text that is part of a line.
#[must_use]
pub fn word(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| matches!(letter, '\n' | '\t'))
}

/// Text of several lines.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// Prints a report as it is, but for what could act on its reader.
///
/// # Errors
/// When it cannot be written, unless nobody reads it any more.
pub fn print(text: &str) -> Result<(), Failure> {
    written(io::stdout().lock(), &self::text(text))
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
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match acts(letter) && letter != '\n' {
            true => out.extend(format!("\\u{:04x}", u32::from(letter)).chars()),
            false => out.push(letter),
        }
    }
    written(io::stdout().lock(), &out)
}

/// Says something on standard error; lines after the first are marked as belonging to it.
pub fn say(what: impl Display) {
    let text = what.to_string();
    let lines: Vec<_> = text.trim_end().lines().map(word).collect();
    // Nobody is there to be told that it cannot be written.
    _ = written(io::stderr().lock(), &(lines.join("\n| ") + "\n"));
}

fn written(mut out: impl Write, text: &str) -> Result<(), Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// Whether a character does something else than to stand there.
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, also: impl Fn(char) -> bool) -> Cow<'_, str> {
    let escapes = |letter: char| also(letter) || (acts(letter) && !matches!(letter, '\n' | '\t'));
    if !text.contains(escapes) && !text.contains("##[") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match escapes(letter) {
            true => out.extend(letter.escape_default()),
            false => out.push(letter),
        }
    }
    // What GitHub's runner takes as a command wherever it stands in a line.
    Cow::Owned(out.replace("##[", "#\\#["))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_recorded_acts_on_its_reader() {
        let mut out = String::new();
        line!(&mut out, "id `{}`", "a\n::error::b\r\u{1b}[2J\u{202e}c\u{9b}##[error]d é").unwrap();
        assert_eq!(out, "id `a\\n::error::b\\r\\u{1b}[2J\\u{202e}c\\u{9b}#\\#[error]d é`\n");
        assert_eq!(escaped("a\nb\tc", |_| false), "a\nb\tc");
        assert!(matches!(escaped("plain\ntext", |_| false), Cow::Borrowed(_)));
    }
}
