//! A document as one tree of values, whether it is JSON or YAML.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The largest document, bytes.
const LARGEST: u64 = 64 << 20;

/// Reads a JSON or YAML file.
///
/// # Errors
/// When it cannot be read, is too large, or is neither.
pub(super) fn read(path: &Path) -> Result<Value> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read `{shown}`"))?.len();
    anyhow::ensure!(size <= LARGEST, "`{shown}` has {size} bytes, at most {LARGEST} are read");
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{shown}`"))?;
    parse(&text).with_context(|| format!("`{shown}` is neither JSON nor YAML"))
}

/// JSON begins with a brace; the rest is YAML.
fn parse(text: &str) -> Result<Value> {
    if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
        return Ok(serde_json::from_str(text.trim_start_matches('\u{feff}'))?);
    }
    let budget = serde_saphyr::budget! { max_nodes: 4_000_000, max_events: 10_000_000 };
    let options = serde_saphyr::options! { budget: budget };
    Ok(serde_saphyr::from_str_with_options(text, options)?)
}

/// What a node stands for: itself, or what its `$ref` points to inside of the document. `None` when that is
/// elsewhere, nowhere, or goes round in circles.
pub(super) fn resolve<'a>(root: &'a Value, node: &'a Value) -> Option<&'a Value> {
    let mut here = node;
    for _ in 0..32 {
        let Some(reference) = here.get("$ref").and_then(Value::as_str) else { return Some(here) };
        here = root.pointer(&decoded(reference.strip_prefix('#')?))?;
    }
    None
}

/// A fragment may escape what a pointer may hold (RFC 6901 section 6).
fn decoded(fragment: &str) -> String {
    fragment
        .replace("%7B", "{")
        .replace("%7D", "}")
        .replace("%7b", "{")
        .replace("%7d", "}")
        .replace("%20", " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_lead_inside_of_the_document_only() {
        let root =
            json!({"a": {"b": 1}, "c": {"$ref": "#/a"}, "d": {"$ref": "#/d"}, "e": {"$ref": "x.json#/a"}});
        assert_eq!(resolve(&root, &root["c"]), Some(&json!({"b": 1})));
        assert_eq!(resolve(&root, &root["d"]), None);
        assert_eq!(resolve(&root, &root["e"]), None);
    }

    #[test]
    fn yaml_and_json_come_to_the_same() {
        let yaml = parse("a: [1, true, x]\n200: { b: ~ }\n").unwrap();
        assert_eq!(yaml, parse(r#"{"a":[1,true,"x"],"200":{"b":null}}"#).unwrap());
        assert!(parse("a: [").is_err());
    }
}
