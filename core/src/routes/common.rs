//! The facts that every request has, whatever its route.

use std::collections::BTreeMap;

use countersign_protocol::UnixMillis;

use super::types::MAX_STRING;
use super::types::{Type, ip_text};
use crate::clock::Zone;
use crate::denial::{Denial, Reason};
use crate::facts::RequestFacts;
use crate::reading::Reading;
use crate::value::Value;

/// Their names in the context; a route cannot take one for something else.
pub const COMMON_FACTS: [&str; 9] =
    ["now", "weekday", "hour", "minute", "source_ip", "host", "method", "path", "justification"];

/// The type of a common fact; nothing for what is none.
pub(super) fn common_type(name: &str) -> Option<Type> {
    match name {
        "now" => Some(Type::Datetime),
        "hour" | "minute" => Some(Type::Long),
        "source_ip" => Some(Type::Ip),
        _ => COMMON_FACTS.contains(&name).then_some(Type::String),
    }
}

/// Those common facts that are `wanted` (that the schema declares for the action) and that the request has:
/// `source_ip` is missing behind a Unix socket, `justification` when the caller gives none. `path` is decoded
/// and without its query.
///
/// # Errors
/// A wanted fact that cannot be given: a path of more than 8 KB, a time beyond the calendar.
pub fn common_facts(
    reading: &Reading,
    facts: &RequestFacts,
    now: UnixMillis,
    zone: &Zone,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Value>, Denial> {
    let mut context = BTreeMap::new();
    for name in COMMON_FACTS.into_iter().filter(|name| wanted(name)) {
        if let Some(value) = fact(name, reading, facts, now, zone)? {
            context.insert(name.to_owned(), value);
        }
    }
    Ok(context)
}

fn fact(
    name: &str,
    reading: &Reading,
    facts: &RequestFacts,
    now: UnixMillis,
    zone: &Zone,
) -> Result<Option<Value>, Denial> {
    let bad = |detail: &str| Denial::new(Reason::BadFact, detail);
    let local = || zone.at(now).ok_or_else(|| bad("the clock is beyond the calendar"));
    Ok(match name {
        "now" => Some(Value::Datetime(now)),
        "weekday" => Some(Value::String(local()?.weekday.to_owned())),
        "hour" => Some(Value::Long(local()?.hour)),
        "minute" => Some(Value::Long(local()?.minute)),
        "source_ip" => facts.peer.address.map(|address| Value::Ip(ip_text(address))),
        "host" => Some(Value::String(reading.host.clone())),
        "method" => Some(Value::String(reading.method.clone())),
        "path" if reading.path.len() > MAX_STRING => {
            return Err(bad(&format!("`:path` has more than {MAX_STRING} bytes, and policy reads it")));
        }
        "path" => Some(Value::String(reading.decoded_path())),
        _ => reading.justification.clone().map(Value::String),
    })
}
