//! gRPC over HTTP/2: which requests are, what their framing says, and statuses as answers.

use crate::denial::{Denial, Reason};
use crate::facts::RequestFacts;
use crate::reading::{Rule, is_grpc};

/// A message's prefix: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Whether a request calls itself gRPC. It was not read yet, and may be one that is refused: its denial is due in the
/// protocol that its client speaks.
pub(crate) fn is_request(facts: &RequestFacts) -> bool {
    let essence = facts.first(b"content-type").and_then(|value| value.split(|byte| *byte == b';').next());
    let essence = essence.and_then(|essence| str::from_utf8(essence.trim_ascii()).ok());
    essence.is_some_and(|essence| is_grpc(&essence.to_ascii_lowercase()))
}

/// `grpc-timeout` in milliseconds: at most 8 digits and a unit.
pub(crate) fn timeout(facts: &RequestFacts) -> Option<i64> {
    let text = str::from_utf8(facts.first(b"grpc-timeout")?).ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: i64 = if plain { digits.parse().ok()? } else { return None };
    match unit {
        "H" => Some(count.saturating_mul(3_600_000)),
        "M" => Some(count.saturating_mul(60_000)),
        "S" => Some(count.saturating_mul(1_000)),
        "m" => Some(count),
        "u" => Some(count / 1_000),
        "n" => Some(count / 1_000_000),
        _ => None,
    }
}

/// Whether a whole body is exactly one message, as that of a unary call is.
pub(crate) fn is_unary(body: &[u8]) -> bool {
    unary(body).is_some()
}

/// The one message of a unary call, and whether it is compressed.
fn unary(body: &[u8]) -> Option<(bool, &[u8])> {
    let (prefix, message) = body.split_first_chunk::<PREFIX>()?;
    let [flag, length @ ..] = *prefix;
    (usize::try_from(u32::from_be_bytes(length)) == Ok(message.len())).then_some((flag != 0, message))
}

/// The one message of a unary call, in which policy reads.
///
/// # Errors
/// [`Reason::BadFact`] when the body is something else, [`Reason::Ambiguous`] when the message is compressed.
pub(crate) fn message(body: &[u8]) -> Result<&[u8], Denial> {
    match unary(body) {
        Some((false, message)) => Ok(message),
        Some((true, _)) => {
            Err(Rule::ContentEncodings.broken("the message is compressed, and policy reads it"))
        }
        None => Err(Denial::new(Reason::BadFact, "the body is not one gRPC message, and policy reads it")),
    }
}

/// `Percent-Encoded` of the gRPC protocol: everything but visible ASCII without `%`.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, value: &str) -> RequestFacts {
        RequestFacts { headers: vec![(name.into(), value.into())], ..RequestFacts::default() }
    }

    #[test]
    fn what_is_grpc_is_told_by_its_media_type() {
        let cases = [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/GRPC ; x=y", true),
            ("application/grpc;x=y", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ];
        for (value, expected) in cases {
            assert_eq!(is_request(&facts("content-type", value)), expected, "{value}");
        }
    }

    #[test]
    fn a_timeout_is_milliseconds() {
        let cases = [("20S", Some(20_000)), ("1M", Some(60_000)), ("100m", Some(100)), ("5u", Some(0))];
        for (value, expected) in cases.into_iter().chain([("", None), ("S", None), ("123456789S", None)]) {
            assert_eq!(timeout(&facts("grpc-timeout", value)), expected, "{value}");
        }
    }

    #[test]
    fn a_unary_call_is_one_message() {
        for (body, expected) in [
            (&b"\0\0\0\0\x02ab"[..], true),
            (b"\0\0\0\0\0", true),
            (b"", false),
            (b"\0\0\0\0\x02a", false),
            (b"\0\0\0\0\x01a\0\0\0\0\0", false),
        ] {
            assert_eq!(is_unary(body), expected, "{body:?}");
        }
    }

    #[test]
    fn a_message_is_visible_ascii() {
        assert_eq!(percent_encoded("50 % für\n"), "50 %25 f%C3%BCr%0A");
    }
}
