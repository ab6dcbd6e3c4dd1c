//! Headers that repeat what the body says must say the same (2026-07-28, Streamable HTTP, *Server Validation*).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Message, Verb, Version};
use crate::denial::{Denial, Reason};
use crate::reading::Reading;
use crate::routes::json::Json;

fn mismatch(detail: String) -> Denial {
    Denial::new(Reason::HeaderMismatch, detail)
}

/// `Mcp-Method` and `Mcp-Name` of a message whose `name` is known. Where the version has no such headers, they may
/// be absent; what routes by them would be misled all the same if they said something else.
pub(crate) fn check_message(
    reading: &Reading,
    message: &Message,
    verb: Verb,
    name: Option<&str>,
    version: Version,
) -> Result<(), Denial> {
    // What headers a notification has is not said.
    let due = version.is_stateless() && message.id.is_some();
    let method = message.method.as_deref();
    match reading.text("mcp-method")? {
        None if due => return Err(mismatch("there is no `mcp-method`".into())),
        Some(stated) if Some(stated) != method => {
            return Err(mismatch("`mcp-method` is not the method of the body".into()));
        }
        _ => {}
    }
    match reading.text("mcp-name")? {
        None if due && verb.names().is_some() => Err(mismatch("there is no `mcp-name`".into())),
        None => Ok(()),
        Some(stated) => {
            // Extensions name what their requests are about: a task by its id.
            let about = name.or_else(|| message.json.plain(&["params", "taskId"]));
            match decoded(stated) {
                Some(stated) if Some(&*stated) == about => Ok(()),
                _ => Err(mismatch("`mcp-name` is not what the body names".into())),
            }
        }
    }
}

/// `Mcp-Param-<name>` of the argument that it mirrors.
pub(crate) fn check_argument(
    reading: &Reading,
    name: &str,
    argument: Option<&Json>,
    version: Version,
) -> Result<(), Denial> {
    let header = format!("mcp-param-{name}");
    let stated = reading.text(&header)?;
    let same = match (stated, argument) {
        (None, None | Some(Json::Null)) => true,
        (None, Some(_)) => !version.is_stateless(),
        (Some(stated), Some(Json::Text(text))) => decoded(stated).is_some_and(|stated| stated == *text),
        (Some(stated), Some(Json::Bool(value))) => stated == if *value { "true" } else { "false" },
        (Some(stated), Some(Json::Int(number))) => stated.parse() == Ok(*number),
        (Some(_), _) => false,
    };
    if same { Ok(()) } else { Err(mismatch(format!("`{header}` is not the argument that it mirrors"))) }
}

/// The value without its Base64 wrapping, if it has one (*Value Encoding*).
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(Cow::Borrowed(value)),
        Some(inside) => String::from_utf8(STANDARD.decode(inside).ok()?).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_base64_is_the_text_that_it_wraps() {
        let cases = [
            ("us-west1", Some("us-west1")),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", Some("Hello, 世界")),
            ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", Some("=?base64?literal?=")),
            ("=?BASE64?SGk=?=", Some("=?BASE64?SGk=?=")),
            ("=?base64?not base64?=", None),
            ("=?base64?/w==?=", None),
        ];
        for (value, expected) in cases {
            assert_eq!(decoded(value).as_deref(), expected, "{value}");
        }
    }
}
