//! The query, split and decoded only where policy reads it.

use super::path::{QUERY, decode};
use super::rules::{Relaxed, Rule};
use crate::denial::Denial;

/// All values of the parameter `name`, in order, decoded once. A parameter without `=` has the value ``.
pub(super) fn values(path: &str, name: &str, relaxed: &Relaxed) -> Result<Vec<String>, Denial> {
    let Some((_, query)) = path.split_once('?') else { return Ok(Vec::new()) };
    Rule::QuerySemicolons.refuse_if(query.contains(';'), relaxed, "the query has a `;`")?;
    let mut found = Vec::new();
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Names are decoded like values: `%63onfirm` is `confirm` to every upstream.
        if read(key, relaxed)? == name {
            found.push(read(value, relaxed)?);
        }
    }
    Ok(found)
}

fn read(raw: &str, relaxed: &Relaxed) -> Result<String, Denial> {
    Rule::QueryPlus.refuse_if(raw.contains('+'), relaxed, "the query has a `+`: escape it or the space")?;
    decode(&raw.replace('+', " "), QUERY, relaxed, "the query")
}
