//! The path: split into segments, each decoded exactly once.

use super::rules::{Relaxed, Rule};
use crate::denial::Denial;

/// The decoded segments of `path` (with its query), or the rule that it breaks.
pub(super) fn segments(path: &str, relaxed: &Relaxed) -> Result<Vec<String>, Denial> {
    let raw = path.split_once('?').map_or(path, |(before, _)| before);
    let Some(inside) = raw.strip_prefix('/') else {
        return Err(Rule::PseudoHeaders.broken("`:path` does not start with `/`"));
    };
    check_raw(path, raw, relaxed)?;
    let count = inside.split('/').count();
    let segment = |(index, segment)| read_segment(segment, index + 1 == count, relaxed);
    inside.split('/').enumerate().map(segment).collect()
}

fn check_raw(path: &str, raw: &str, relaxed: &Relaxed) -> Result<(), Denial> {
    let foreign = path.bytes().any(|byte| !byte.is_ascii_graphic());
    Rule::RawBytes.refuse_if(foreign, relaxed, "`:path` has a byte that is not visible ASCII")?;
    Rule::Fragments.refuse_if(path.contains('#'), relaxed, "`:path` has a `#`")?;
    Rule::Backslashes.refuse_if(raw.contains('\\'), relaxed, "`:path` has a `\\`")?;
    Rule::PathParameters.refuse_if(raw.contains(';'), relaxed, "`:path` has a `;` before its query")
}

fn read_segment(raw: &str, last: bool, relaxed: &Relaxed) -> Result<String, Denial> {
    Rule::EmptySegments.refuse_if(raw.is_empty() && !last, relaxed, "`:path` has an empty segment")?;
    let decoded = decode(raw, PATH, relaxed, "`:path`")?;
    let dots = decoded == "." || decoded == "..";
    Rule::DotSegments.refuse_if(dots, relaxed, format_args!("`:path` has the segment `{raw}`"))?;
    Ok(decoded)
}

/// Whether `/` and `\` may be escaped: they separate in a path, they are plain characters in a query.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Separates(bool);

const PATH: Separates = Separates(true);

/// For what stands behind the `?`.
pub(super) const QUERY: Separates = Separates(false);

/// Decodes percent escapes once. What a relaxed rule would have refused stays as it is written.
pub(super) fn decode(raw: &str, separates: Separates, relaxed: &Relaxed, at: &str) -> Result<String, Denial> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let Some((escape, tail)) = escape(rest) else {
            Rule::InvalidEscapes.refuse_if(
                true,
                relaxed,
                format_args!("{at} has a `%` that escapes nothing"),
            )?;
            bytes.push(b'%');
            continue;
        };
        rest = tail;
        match suspicion(escape, rest, separates) {
            Some(rule) => {
                rule.refuse_if(true, relaxed, format_args!("{at} has `%{escape:02x}`"))?;
                bytes.extend_from_slice(format!("%{escape:02X}").as_bytes());
            }
            None => bytes.push(escape),
        }
    }
    text(bytes, relaxed, at)
}

/// Decodes percent escapes once, whatever they stand for; what is no escape stays.
pub(super) fn decoded_leniently(raw: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(raw.len()), raw.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = if first == b'%' { escape(tail) } else { None };
        let (byte, after) = escaped.unwrap_or((first, tail));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// The rule that an escape breaks where it stands.
fn suspicion(escape: u8, rest: &[u8], separates: Separates) -> Option<Rule> {
    match escape {
        b'/' | b'\\' if separates == PATH => Some(Rule::EncodedSeparators),
        b'%' if self::escape(rest).is_some() => Some(Rule::DoubleEncoding),
        0..=0x1f | 0x7f => Some(Rule::ControlCharacters),
        _ => None,
    }
}

/// The byte for which two hexadecimal digits stand, and what follows them.
fn escape(digits: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = digits.split_first_chunk::<2>()?;
    Some((nibble(high)? << 4 | nibble(low)?, rest))
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The decoded bytes as text; when [`Rule::NotUtf8`] is relaxed, what is no UTF-8 is escaped again.
fn text(bytes: Vec<u8>, relaxed: &Relaxed, at: &str) -> Result<String, Denial> {
    String::from_utf8(bytes).or_else(|error| {
        Rule::NotUtf8.refuse_if(true, relaxed, format_args!("{at} has escapes that are not UTF-8"))?;
        let escaped = error.as_bytes().utf8_chunks().fold(String::new(), |mut text, chunk| {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
            text
        });
        Ok(escaped)
    })
}
