//! JSON whose strings hold surrogates without their other half, as Python writes bytes that are not UTF-8.
//!
//! Python keeps such a byte as U+DC80 to U+DCFF (PEP 383), and writes it as an escape that is no character. Readers of
//! JSON refuse it; here it becomes U+F780 to U+F7FF, of which [`bytes`] makes the byte again.

use std::io::{BufRead, Read};

/// Where the bytes 0x80 to 0xff are put: U+F780 to U+F7FF, for private use.
const MOVED: u32 = 0xf700;

/// Text as bytes, with the bytes that were moved as they were.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(u32::from(character).wrapping_sub(MOVED)) {
            Ok(byte @ 0x80..) => bytes.push(byte),
            _ => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// Moves lone surrogates while it reads.
pub(crate) struct Surrogates<R> {
    input: R,
    /// An escape, or a pair of them, of which the end is not there yet: `\`, `\u`, `\ud8`, `\ud83d\u` …
    begun: Vec<u8>,
    ready: Vec<u8>,
    given: usize,
}

impl<R: BufRead> Surrogates<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, begun: Vec::new(), ready: Vec::new(), given: 0 }
    }

    fn take(&mut self, byte: u8) {
        let expected = match self.begun.len() {
            0 | 6 => byte == b'\\',
            1 | 7 => byte == b'u',
            _ => byte.is_ascii_hexdigit(),
        };
        match (self.begun.len(), expected) {
            (0, false) => self.ready.push(byte),
            (_, true) => {
                self.begun.push(byte);
                self.complete();
            }
            (6.., false) => {
                // The first half has no second: what comes after it begins anew.
                let rest = self.begun.split_off(6);
                self.put_alone();
                self.begun = rest;
                self.take(byte);
            }
            (_, false) => {
                self.ready.append(&mut self.begun);
                self.ready.push(byte);
            }
        }
    }

    /// Lets go of what is whole.
    fn complete(&mut self) {
        match (self.begun.len(), code(&self.begun)) {
            (6, Some(0xd800..=0xdbff)) => {}
            (6, Some(0xdc00..=0xdfff)) => self.put_alone(),
            (6, _) => self.ready.append(&mut self.begun),
            (12, _) => {
                let second = self.begun.split_off(6);
                if matches!(code(&second), Some(0xdc00..=0xdfff)) {
                    self.ready.append(&mut self.begun);
                    self.ready.extend_from_slice(&second);
                } else {
                    self.put_alone();
                    self.begun = second;
                    self.complete();
                }
            }
            _ => {}
        }
    }

    fn put_alone(&mut self) {
        let moved = match code(&self.begun) {
            Some(code @ 0xdc80..=0xdcff) => code - 0xdc00 + MOVED,
            _ => 0xfffd,
        };
        self.begun.clear();
        self.ready.extend_from_slice(format!("\\u{moved:04x}").as_bytes());
    }
}

/// The number in `\uXXXX`.
fn code(escape: &[u8]) -> Option<u32> {
    let digits = str::from_utf8(escape.get(2..6)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

impl<R: BufRead> Read for Surrogates<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
            let chunk = self.input.fill_buf()?.to_vec();
            if chunk.is_empty() {
                self.ready.append(&mut self.begun);
                if self.ready.is_empty() {
                    return Ok(0);
                }
            }
            chunk.iter().for_each(|byte| self.take(*byte));
            self.input.consume(chunk.len());
        }
        let rest = self.ready.get(self.given..).unwrap_or_default();
        let count = std::io::copy(&mut rest.take(buffer.len() as u64), &mut &mut *buffer)?;
        let count = usize::try_from(count).unwrap_or_default();
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(text: &str, capacity: usize) -> String {
        let mut out = String::new();
        let input = BufReader::with_capacity(capacity, text.as_bytes());
        Surrogates::new(input).read_to_string(&mut out).unwrap();
        out
    }

    #[test]
    fn lone_halves_are_moved_and_the_rest_stays() {
        let cases = [
            (r#"{"a":"b\\udcff\"\n\u00e9"}"#, r#"{"a":"b\\udcff\"\n\u00e9"}"#),
            (r"\ud83c\udf70", r"\ud83c\udf70"),
            (r"x\udcffy", r"x\uf7ffy"),
            (r"\udce9\udc80", r"\uf7e9\uf780"),
            (r"\ud83cx", r"\ufffdx"),
            (r"\ud83c\n", r"\ufffd\n"),
            (r"\ud83c\u00e9", r"\ufffd\u00e9"),
            (r"\ud83c\ud83c\udf70", r"\ufffd\ud83c\udf70"),
            (r"\ud83c\udc", r"\ud83c\udc"),
        ];
        for (text, expected) in cases {
            for capacity in [1, 3, 4096] {
                assert_eq!(read(text, capacity), expected, "{text}");
            }
        }
    }

    #[test]
    fn moved_bytes_are_made_bytes_again() {
        assert_eq!(bytes("caf\u{f7e9} é"), b"caf\xe9 \xc3\xa9");
    }
}
