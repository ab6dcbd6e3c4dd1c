//! The types that a route can give a fact, and the one spelling in which each is read.

use std::net::IpAddr;
use std::str::FromStr;

use super::json::Json;
use crate::entity::EntityName;
pub(super) use crate::types::Type;
use crate::value::Value;

/// The largest set that policy reads.
pub(super) const MAX_SET: usize = 1000;

/// The longest string that policy reads, bytes.
pub(super) const MAX_STRING: usize = 8 * 1024;

/// What of a value is more than policy reads, as the end of a sentence.
pub(super) fn excess(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => excess_text(text),
        Value::Entity(entity) => excess_text(&entity.id),
        Value::Set(members) if members.len() > MAX_SET => {
            Some(format!("has {} members, at most {MAX_SET} are read", members.len()))
        }
        Value::Set(members) => members.iter().find_map(excess),
        _ => None,
    }
}

/// The same for a text.
pub(super) fn excess_text(text: &str) -> Option<String> {
    (text.len() > MAX_STRING).then(|| format!("has {} bytes, at most {MAX_STRING} are read", text.len()))
}

/// Whether a value has a NUL in a text: a parser in C ends the text there.
pub(super) fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Entity(entity) => entity.id.contains('\0'),
        Value::Set(members) => members.iter().any(has_nul),
        _ => false,
    }
}

impl Type {
    /// The type as it is written in the file; anything that is no built-in type names an entity type.
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "String" => Self::String,
            "Long" => Self::Long,
            "Bool" => Self::Bool,
            "decimal" => Self::Decimal,
            "datetime" => Self::Datetime,
            "ipaddr" => Self::Ip,
            other => match other.strip_prefix("Set<").and_then(|inner| inner.strip_suffix('>')) {
                Some(member) if !member.contains('<') => Self::Set(Box::new(Self::parse(member))),
                _ => Self::Entity(other.to_owned()),
            },
        }
    }

    /// For messages: what a value is not.
    pub(super) fn article(&self) -> String {
        match self {
            Self::String => "a string".into(),
            Self::Long => "a whole number inside 64 bits".into(),
            Self::Bool => "`true` or `false`".into(),
            Self::Set(member) => format!("a list whose members are each {}", member.article()),
            Self::Decimal => "a decimal with at most 4 digits after the point".into(),
            Self::Datetime => "a date and time as in RFC 3339".into(),
            Self::Ip => "an IP address or range".into(),
            Self::Entity(_) => "an entity's id".into(),
            Self::Record(_) | Self::Other(_) => format!("a `{self}`"),
        }
    }

    /// What a text means.
    pub(super) fn of_text(&self, text: &str) -> Option<Value> {
        match self {
            Self::String => Some(Value::String(text.to_owned())),
            Self::Long => long(text).map(Value::Long),
            Self::Bool => text.parse().ok().map(Value::Bool),
            Self::Decimal => decimal(text).map(Value::Decimal),
            Self::Datetime => datetime(text).map(Value::Datetime),
            Self::Ip => ip(text).map(Value::Ip),
            Self::Entity(ty) => is_id(text).then(|| Value::Entity(EntityName::new(ty, text))),
            Self::Set(_) | Self::Record(_) | Self::Other(_) => None,
        }
    }

    /// What several texts mean together.
    pub(super) fn of_texts(&self, texts: &[String]) -> Option<Value> {
        let Self::Set(member) = self else { return None };
        texts.iter().map(|text| member.of_text(text)).collect::<Option<_>>().map(Value::Set)
    }

    /// What a JSON value means. Only an id may be a string or a number; nothing else is converted.
    pub(super) fn of_json(&self, json: &Json) -> Option<Value> {
        match (self, json) {
            (Self::Long, Json::Int(number)) => Some(Value::Long(*number)),
            (Self::Bool, Json::Bool(value)) => Some(Value::Bool(*value)),
            (Self::Set(member), Json::List(members)) => {
                members.iter().map(|json| member.of_json(json)).collect::<Option<_>>().map(Value::Set)
            }
            (Self::Decimal | Self::Entity(_), Json::Int(number)) => self.of_text(&number.to_string()),
            // Below 10^11 a double keeps four digits after the point exactly as they were written.
            (Self::Decimal, Json::Float(number)) if number.abs() < 1e11 => self.of_text(&number.to_string()),
            (Self::Long | Self::Bool | Self::Set(_), _) => None,
            (_, Json::Text(text)) => self.of_text(text),
            _ => None,
        }
    }
}

/// Whether a text can be an entity's id: not empty, nothing invisible.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// A UUID in its text form (RFC 9562 section 4), in lower case; its case does not matter.
pub(super) fn uuid(text: &str) -> Option<String> {
    let shape = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    (text.len() == 36 && text.bytes().enumerate().all(shape)).then(|| text.to_ascii_lowercase())
}

/// Whether a text is a whole number in its one spelling.
pub(super) fn is_long(text: &str) -> bool {
    long(text).is_some()
}

fn is_whole(digits: &str) -> bool {
    let plain = digits == "0" || !digits.starts_with('0');
    plain && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn long(text: &str) -> Option<i64> {
    let whole = is_whole(text.strip_prefix('-').unwrap_or(text)) && text != "-0";
    whole.then(|| text.parse().ok()).flatten()
}

/// A decimal as Cedar wants it: digits, a point, one to four digits, within i64 ten-thousandths.
fn decimal(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let fits = (1..=4).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !is_whole(whole) || !fits {
        return None;
    }
    let sign = if digits.len() < text.len() { "-" } else { "" };
    i64::from_str(&format!("{sign}{whole}{fraction:0<4}")).ok()?;
    Some(format!("{sign}{whole}.{fraction}"))
}

/// Milliseconds of an RFC 3339 time. RFC 9557's suffix and ISO 8601's freedoms, which jiff would read, are
/// refused.
fn datetime(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let shape = bytes.get(10).is_some_and(|byte| b"Tt".contains(byte)) && bytes.get(4) == Some(&b'-');
    let clock = bytes.get(13) == Some(&b':') && bytes.get(16) == Some(&b':');
    let known = bytes.iter().all(|byte| byte.is_ascii_digit() || b"+-:.TtZz".contains(byte));
    if !(shape && clock && known) {
        return None;
    }
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// An address or range in the form that Cedar reads: IPv4 inside IPv6 becomes IPv4, IPv6 has no dots.
fn ip(text: &str) -> Option<String> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(long(prefix)?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let widest = if address.is_ipv4() { 32 } else { 128 };
    match prefix {
        None => Some(ip_text(address)),
        Some(prefix) if (0..=widest).contains(&prefix) => Some(format!("{}/{prefix}", plain_text(address))),
        Some(_) => None,
    }
}

/// An address as Cedar reads it.
pub(super) fn ip_text(address: IpAddr) -> String {
    plain_text(address.to_canonical())
}

fn plain_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => address.segments().map(|part| format!("{part:x}")).join(":"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_reads_one_spelling() {
        let datetime = Some(Value::Datetime(1_774_745_940_123));
        let cases = [
            ("Long", "-12", Some(Value::Long(-12))),
            ("Long", "9223372036854775807", Some(Value::Long(i64::MAX))),
            ("Long", "9223372036854775808", None),
            ("Long", "+1", None),
            ("Long", "01", None),
            ("Long", "-0", None),
            ("Long", "1e3", None),
            ("Bool", "true", Some(Value::Bool(true))),
            ("Bool", "True", None),
            ("decimal", "12", Some(Value::Decimal("12.0".into()))),
            ("decimal", "-0.1234", Some(Value::Decimal("-0.1234".into()))),
            ("decimal", "0.12345", None),
            ("decimal", "922337203685477.5808", None),
            ("decimal", "-922337203685477.5808", Some(Value::Decimal("-922337203685477.5808".into()))),
            ("decimal", "1.", None),
            ("decimal", ".5", None),
            ("datetime", "2026-03-29T00:59:00.123456Z", datetime.clone()),
            ("datetime", "2026-03-29T02:59:00.123+02:00", datetime),
            ("datetime", "2026-03-29T00:59:00", None),
            ("datetime", "2026-03-29 00:59:00Z", None),
            ("datetime", "20260329T005900Z", None),
            ("datetime", "2026-03-29T00:59:00Z[UTC]", None),
            ("ipaddr", "10.0.0.1", Some(Value::Ip("10.0.0.1".into()))),
            ("ipaddr", "::ffff:10.0.0.1", Some(Value::Ip("10.0.0.1".into()))),
            ("ipaddr", "2001:db8::1/64", Some(Value::Ip("2001:db8:0:0:0:0:0:1/64".into()))),
            ("ipaddr", "10.0.0.0/33", None),
            ("ipaddr", "10.0.0.01", None),
            ("User", "ana", Some(Value::Entity(EntityName::new("User", "ana")))),
            ("User", "", None),
            ("User", "a\nb", None),
        ];
        for (ty, text, expected) in cases {
            assert_eq!(Type::parse(ty).of_text(text), expected, "{ty} of {text:?}");
        }
    }

    #[test]
    fn json_is_not_converted() {
        let cases = [
            ("Long", Json::Int(7), Some(Value::Long(7))),
            ("Long", Json::Float(7.0), None),
            ("Long", Json::Big, None),
            ("Long", Json::Text("7".into()), None),
            ("String", Json::Int(7), None),
            ("Bool", Json::Text("true".into()), None),
            ("decimal", Json::Float(12.5), Some(Value::Decimal("12.5".into()))),
            ("decimal", Json::Float(1e12), None),
            ("User", Json::Int(7), Some(Value::Entity(EntityName::new("User", "7")))),
            ("Set<String>", Json::List(vec![Json::Int(1)]), None),
            ("Set<Long>", Json::List(vec![Json::Int(1)]), Some(Value::Set(vec![Value::Long(1)]))),
            (
                "Set<User>",
                Json::List(vec![Json::Text("ana".into())]),
                Some(Value::Set(vec![Value::Entity(EntityName::new("User", "ana"))])),
            ),
            ("Set<String>", Json::Text("a".into()), None),
        ];
        for (ty, json, expected) in cases {
            assert_eq!(Type::parse(ty).of_json(&json), expected, "{ty} of {json:?}");
        }
    }
}
