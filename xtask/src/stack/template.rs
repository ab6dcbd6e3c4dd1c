//! Fills in the `{{ names }}` of a gateway configuration.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// The template as a document, every name replaced by its value's text.
///
/// # Errors
/// When a name has no value or a value no name, or the result is no YAML.
pub fn fill(template: &str, values: &[(&str, String)]) -> Result<Value> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{ ") {
        let (name, after) = after.split_once(" }}").context("a `{{` without `}}`")?;
        let (_, value) = values
            .iter()
            .find(|(known, _)| *known == name)
            .with_context(|| format!("`{name}` has no value"))?;
        filled.extend([before, value.as_str()]);
        rest = after;
    }
    filled.push_str(rest);
    if let Some((unused, _)) =
        values.iter().find(|(name, _)| !template.contains(&format!("{{{{ {name} }}}}")))
    {
        bail!("the template has no `{unused}`");
    }
    Ok(serde_saphyr::from_str(&filled)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_become_values() {
        let filled = fill("a: {{ one }}\nb: '{{ two }}'\n", &[("one", "[1]".into()), ("two", "{}".into())]);
        assert_eq!(filled.unwrap(), json!({"a": [1], "b": "{}"}));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(fill("a: {{ one }}", &[]).is_err());
        assert!(fill("a: 1", &[("one", "1".into())]).is_err());
        assert!(fill("a: {{ one", &[("one", "1".into())]).is_err());
    }
}
