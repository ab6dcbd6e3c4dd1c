//! A letter taken apart: its header, and its two forms with their encoding undone (RFC 2045, RFC 2047).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::smtp::Letter;

/// What somebody reads of a letter.
pub(crate) struct Opened {
    /// The header: each field on one line, with encoded words undone.
    pub(crate) head: String,
    pub(crate) plain: String,
    pub(crate) html: String,
}

impl Opened {
    pub(crate) fn of(letter: &Letter) -> Self {
        let (head, body) = letter.text.split_once("\n\n").unwrap();
        let head = words(&head.replace("\n ", " "));
        let boundary = head.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
        let parts: Vec<_> = body.split(&format!("--{boundary}")).collect();
        let [_, plain, html, _] = parts.as_slice() else { panic!("{parts:?}") };
        Self { plain: part(plain, "text/plain"), html: part(html, "text/html"), head }
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|field| field.0 == name).map(|field| field.1).next().unwrap()
    }
}

fn part(text: &str, kind: &str) -> String {
    let (head, body) = text.trim_start().split_once("\n\n").unwrap();
    assert!(head.contains(kind) && head.contains("utf-8"), "{head}");
    match head.split("Content-Transfer-Encoding: ").nth(1).unwrap().lines().next().unwrap() {
        "base64" => utf8(STANDARD.decode(body.replace('\n', "")).unwrap()).replace("\r\n", "\n"),
        "quoted-printable" => quoted_printable(body),
        "7bit" => body.to_owned(),
        other => panic!("{other}"),
    }
}

fn utf8(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn quoted_printable(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = (*first == b'=').then(|| more.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &more[2..] } else { more };
    }
    utf8(bytes).replace("\r\n", "\n")
}

/// Encoded words undone; white space between two of them is none of the text.
fn words(head: &str) -> String {
    let (mut out, mut rest, mut follows) = (String::new(), head, false);
    while let Some((before, after)) = rest.split_once("=?utf-8?b?") {
        if !(follows && before.trim().is_empty()) {
            out.push_str(before);
        }
        let (word, more) = after.split_once("?=").unwrap();
        out.push_str(&utf8(STANDARD.decode(word).unwrap()));
        (rest, follows) = (more, true);
    }
    out + rest
}
