//! A body of `multipart/form-data` (RFC 7578), read strictly: names, sizes and short texts, never the content of
//! files.

use super::headers::is_token;
use super::media::MediaType;
use super::query::is_override;
use super::rules::{Relaxed, Rule, fold, is_taken_for};
use crate::denial::{Denial, Reason};

/// Most parts. Frameworks stop reading somewhere.
const MAX_PARTS: usize = 1000;
/// The longest head of a part, bytes.
const MAX_HEAD: usize = 8 * 1024;

/// The parts of a body, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts(Vec<Part>);

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) content: PartContent,
}

/// What a part holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PartContent {
    /// A field of a form; nothing when it is no UTF-8.
    Field(Option<String>),
    /// A file.
    File {
        /// Its name, as the client says it.
        name: String,
        /// Media type in lower case, as the client says it; `text/plain` when it says none.
        ty: String,
        /// Bytes.
        size: usize,
    },
}

fn refuse(why: &str) -> Denial {
    Rule::MultipartParts.broken(format_args!("the body {why}"))
}

impl Parts {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`] for whatever two parsers could split or name differently, [`Reason::BadFact`] for too
    /// many parts.
    pub(crate) fn read(body: &[u8], ty: &MediaType) -> Result<Self, Denial> {
        let boundary = ty.parameters.get("boundary").filter(|boundary| is_boundary(boundary));
        let boundary = boundary.ok_or_else(|| refuse("has no boundary that everybody reads"))?;
        let delimiter = format!("--{boundary}");
        let rest = body.strip_prefix(delimiter.as_bytes());
        let mut rest = rest.ok_or_else(|| refuse("does not begin with its boundary"))?;
        let mut parts = Vec::new();
        loop {
            match rest {
                b"--" | b"--\r\n" => return Ok(Self(parts)),
                _ if parts.len() == MAX_PARTS => {
                    let detail = format!("the multipart body has more than {MAX_PARTS} parts");
                    return Err(Denial::new(Reason::BadFact, detail));
                }
                _ => {}
            }
            let after = rest.strip_prefix(b"\r\n");
            let after = after.ok_or_else(|| refuse("has something behind a boundary"))?;
            let (part, next) = split(after, delimiter.as_bytes())?;
            parts.push(Part::read(part)?);
            rest = next;
        }
    }

    /// The parts called `name`.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`] when another is `name` in another case or with `[…]`.
    pub(crate) fn named<'a>(&'a self, name: &str, relaxed: &Relaxed) -> Result<Vec<&'a Part>, Denial> {
        let folded = fold(name);
        let twin = self.0.iter().any(|part| part.name != name && is_taken_for(&fold(&part.name), &folded));
        let place = format_args!("the multipart body has another spelling of `{name}`");
        Rule::QueryKeyCase.refuse_if(twin, relaxed, place)?;
        Ok(self.0.iter().filter(|part| part.name == name).collect())
    }

    /// Refuses a part by which some frameworks take another method.
    pub(crate) fn check_method(&self, relaxed: &Relaxed) -> Result<(), Denial> {
        let other = self.0.iter().any(|part| is_override(&part.name));
        Rule::MethodOverride.refuse_if(other, relaxed, "the multipart body has a `_method`")
    }

    /// The names of all parts.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|part| part.name.clone()).collect()
    }
}

/// A boundary (RFC 2046 section 5.1.1) without the characters that need quotes: some parsers keep those.
fn is_boundary(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'+_-.".contains(&byte);
    (1..=70).contains(&text.len()) && text.bytes().all(plain)
}

/// A part, and what follows the delimiter behind it. A line that begins like the delimiter is one.
fn split<'a>(rest: &'a [u8], delimiter: &[u8]) -> Result<(&'a [u8], &'a [u8]), Denial> {
    let mut from = 0;
    while let Some(found) = rest.get(from..).and_then(|rest| rest.iter().position(|&byte| byte == b'\n')) {
        let (line, next) = rest.split_at_checked(from + found + 1).unwrap_or((rest, &[]));
        if let Some(after) = next.strip_prefix(delimiter) {
            let part = line.strip_suffix(b"\r\n").ok_or_else(|| refuse("ends a line without `\\r`"))?;
            return Ok((part, after));
        }
        from += found + 1;
    }
    Err(refuse("does not end with its boundary"))
}

impl Part {
    fn read(part: &[u8]) -> Result<Self, Denial> {
        let end = part.windows(4).take(MAX_HEAD).position(|bytes| bytes == b"\r\n\r\n");
        let (head, content) = end
            .and_then(|end| Some((part.get(..end)?, part.get(end + 4..)?)))
            .ok_or_else(|| refuse("has a part without a head"))?;
        let head =
            str::from_utf8(head).map_err(|_| Rule::NotUtf8.broken("the head of a part is not UTF-8"))?;
        let (mut disposition, mut ty) = (None, None);
        for line in head.split("\r\n") {
            let (name, value) = line.split_once(':').ok_or_else(|| refuse("has a part with an odd head"))?;
            let slot = match name.to_ascii_lowercase().as_str() {
                "content-disposition" => &mut disposition,
                "content-type" => &mut ty,
                _ => return Err(refuse("has a part with other headers than disposition and type")),
            };
            if slot.replace(value.trim_matches([' ', '\t'])).is_some() || value.contains(['\r', '\n', '\0']) {
                return Err(refuse("has a part with a header twice, or an odd one"));
            }
        }
        let (name, file) = disposition
            .and_then(read_disposition)
            .ok_or_else(|| refuse("has a part whose name can be read in two ways"))?;
        if ty.is_some_and(|ty| ty.trim_ascii_end().ends_with(';')) {
            return Err(refuse("has a media type with a parameter that is empty"));
        }
        let ty = ty.map(MediaType::parse).transpose()?;
        if name == "_charset_" || ty.as_ref().is_some_and(|ty| !ty.is_utf8()) {
            return Err(refuse("names another charset than utf-8"));
        }
        let content = match file {
            None => PartContent::Field(str::from_utf8(content).ok().map(str::to_owned)),
            Some(name) => {
                let ty = ty.map_or_else(|| "text/plain".into(), |ty| ty.essence);
                PartContent::File { name, ty, size: content.len() }
            }
        };
        Ok(Self { name, content })
    }
}

/// Name, and file name if there is one, of `form-data; name="…"; filename="…"`: each once, quoted, without `\`, and
/// without the escapes that browsers write and few servers read.
fn read_disposition(value: &str) -> Option<(String, Option<String>)> {
    let mut rest = value.strip_prefix("form-data")?;
    let (mut name, mut file) = (None, None);
    while !rest.is_empty() {
        let parameter = rest.strip_prefix(';')?.trim_start_matches([' ', '\t']);
        let (key, quoted) = parameter.split_once("=\"")?;
        let (text, after) = quoted.split_once('"')?;
        let escaped = ["%22", "%0d", "%0a"].iter().any(|escape| text.to_ascii_lowercase().contains(escape));
        if escaped || text.contains('\\') || text.chars().any(char::is_control) || !key.bytes().all(is_token)
        {
            return None;
        }
        let slot = match key {
            "name" => &mut name,
            "filename" => &mut file,
            _ => return None,
        };
        if slot.replace(text.to_owned()).is_some() {
            return None;
        }
        rest = after;
    }
    Some((name?, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: &str = "Content-Disposition: form-data; name=\"a\"";

    fn read(body: &str) -> Result<Parts, Denial> {
        Parts::read(body.as_bytes(), &MediaType::parse("multipart/form-data; boundary=b-1").unwrap())
    }

    fn one(head: &str) -> String {
        format!("--b-1\r\n{head}\r\n\r\nx\r\n--b-1--\r\n")
    }

    #[test]
    fn fields_and_files_are_told_apart() {
        let file =
            "content-type: Image/PNG\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a;b.png\"";
        let body = format!("--b-1\r\n{FIELD}\r\n\r\none\r\n--b\r\n--b-1\r\n{file}\r\n\r\n\n\r\n\r\n--b-1--");
        let parts = read(&body).unwrap();
        assert_eq!(parts.names(), ["a", "f"]);
        assert_eq!(parts.0[0].content, PartContent::Field(Some("one\r\n--b".into())));
        let expected = PartContent::File { name: "a;b.png".into(), ty: "image/png".into(), size: 3 };
        assert_eq!(parts.0[1].content, expected);
        assert_eq!(read("--b-1--").unwrap().names(), [""; 0]);
    }

    #[test]
    fn a_name_that_some_framework_takes_for_another_is_refused() {
        for (name, refused) in [("a", false), ("b", false), ("A", true), ("a[]", true), ("a[x]", true)] {
            let parts = read(&one(&FIELD.replace("\"a\"", &format!("\"{name}\"")))).unwrap();
            let rule = parts.named("a", &Relaxed::default()).err().and_then(|denial| denial.rule);
            assert_eq!(rule, refused.then_some(Rule::QueryKeyCase), "{name}");
        }
    }

    #[test]
    fn what_two_parsers_split_or_name_differently_is_refused() {
        assert!(read(&one(FIELD)).is_ok());
        let good = one(FIELD);
        let bodies = [
            format!("preamble\r\n{good}"),
            format!("{good}epilogue"),
            good.replace("--b-1--\r\n", ""),
            good.replace("x\r\n--b-1--", "x\n--b-1--"),
            good.replace("--b-1\r\n", "--b-1 \r\n"),
            good.replace("x\r\n", "x\r\n--b-1x\r\n"),
            good.replace("\r\n\r\n", "\n\n"),
            one(""),
            one(&format!("{FIELD}\r\n{FIELD}")),
            one(&format!("{FIELD}\r\nContent-Transfer-Encoding: base64")),
            one(&format!("{FIELD}\r\n folded")),
            one(&format!("{FIELD}; name=\"b\"")),
            one(&format!("{FIELD}; filename*=utf-8''x")),
            one(&format!("{FIELD}\r\nContent-Type: text/plain; charset=utf-16")),
            one(&format!("{FIELD}\r\nContent-Type: text/plain ; ")),
            one("Content-Disposition: form-data; name=a"),
            one("Content-Disposition: form-data; name=\"a%22\""),
            one("Content-Disposition: form-data; name=\"a\\\"\""),
            one("Content-Disposition: attachment; name=\"a\""),
            one("Content-Disposition: form-data; name=\"_charset_\""),
            one("Content-Type: text/plain"),
        ];
        for body in bodies {
            assert_eq!(read(&body).map_err(|denial| denial.reason), Err(Reason::Ambiguous), "{body:?}");
        }
        let many = format!("--b-1\r\n{}", format!("{FIELD}\r\n\r\nx\r\n--b-1\r\n").repeat(1001));
        assert_eq!(read(&many).map_err(|denial| denial.reason), Err(Reason::BadFact));
        let names = one(FIELD);
        let quoted = MediaType::parse("multipart/form-data; boundary=\"b 1\"").unwrap();
        assert!(Parts::read(names.as_bytes(), &quoted).is_err());
    }
}
