//! How values, places and pieces of policies are written for people.

use std::borrow::Cow;
use std::path::Path;

use countersign_core::clock::rfc3339;
use countersign_core::policy::Place;
use countersign_core::value::Value;

/// A place that an editor finds.
pub(crate) fn place(folder: &Path, place: &Place) -> String {
    format!("{}:{}:{}", folder.join(&place.file).display(), place.line, place.column)
}

/// A piece of a policy in one line: line ends and the indentation after them become one space.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    match text.contains('\n') {
        false => Cow::Borrowed(text),
        true => Cow::Owned(text.lines().map(str::trim).collect::<Vec<_>>().join(" ")),
    }
}

/// A value as a policy would write it, nearly.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::String(value) => format!("{value:?}"),
        Value::Set(members) => {
            format!("[{}]", members.iter().map(self::value).collect::<Vec<_>>().join(", "))
        }
        Value::Record(members) => {
            let members = members.iter().map(|(name, member)| format!("{name}: {}", self::value(member)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Entity(entity) => entity.to_string(),
        Value::Decimal(text) | Value::Ip(text) => text.clone(),
        Value::Datetime(millis) => rfc3339(*millis),
    }
}

/// A duration in whole units, as an annotation writes it.
pub(crate) fn duration(millis: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.into_iter().find(|(unit, _)| millis > 0 && millis % unit == 0) {
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_policies_write_them() {
        let set = Value::Set(vec![Value::Long(1), Value::String("a\"\u{1b}".into())]);
        let record = Value::Record([("at".to_owned(), Value::Datetime(0)), ("of".to_owned(), set)].into());
        assert_eq!(value(&record), r#"{at: 1970-01-01T00:00:00.000Z, of: [1, "a\"\u{1b}"]}"#);
        assert_eq!(one_line("a &&\n   b"), "a && b");
        assert_eq!([25_000, 3_600_000, 0, 1_500].map(duration), ["25s", "1h", "0ms", "1500ms"]);
    }
}
