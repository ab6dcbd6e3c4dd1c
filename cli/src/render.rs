//! Fills in the `{{ names }}` of a gateway configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use countersign_core::bundle::Bundle;

/// The template with every name replaced; a name without a value, or a value without a name, is an error.
pub(crate) fn render(template: &Path, bundle: &Bundle, values: &[String]) -> Result<String> {
    let text =
        std::fs::read_to_string(template).with_context(|| format!("cannot read `{}`", template.display()))?;
    let mut known = BTreeMap::from([("bundle".to_owned(), bundle.to_json().to_string())]);
    for value in values {
        let (name, value) =
            value.split_once('=').with_context(|| format!("`{value}` must be written `name=value`"))?;
        known.insert(name.into(), content(value)?);
    }
    fill(&text, &known).with_context(|| format!("`{}`", template.display()))
}

fn content(value: &str) -> Result<String> {
    match value.strip_prefix('@') {
        None => Ok(value.into()),
        Some(file) => Ok(std::fs::read_to_string(file)
            .with_context(|| format!("cannot read `{file}`"))?
            .trim_end()
            .into()),
    }
}

fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String> {
    let mut filled = String::new();
    let mut used = BTreeSet::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").context("a `{{` without `}}`")?;
        let name = name.trim();
        let value = values.get(name).with_context(|| format!("`{{{{ {name} }}}}` has no value"))?;
        filled.extend([before, value]);
        used.insert(name);
        rest = after;
    }
    filled.push_str(rest);
    if let Some(unused) = values.keys().find(|name| *name != "bundle" && !used.contains(name.as_str())) {
        bail!("nothing is named `{unused}`");
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn names_are_replaced_wherever_they_stand() {
        let filled = fill("port: {{ port }}\nagain: {{port}}", &values(&[("port", "80")])).unwrap();
        assert_eq!(filled, "port: 80\nagain: 80");
    }

    #[test]
    fn a_value_is_not_read_as_a_template() {
        assert_eq!(fill("{{ a }}", &values(&[("a", "{{ b }}")])).unwrap(), "{{ b }}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = |text, pairs: &[_]| fill(text, &values(pairs)).unwrap_err().to_string();
        assert_eq!(error("{{ a }}", &[]), "`{{ a }}` has no value");
        assert_eq!(error("x", &[("a", "1")]), "nothing is named `a`");
        assert_eq!(error("{{ a", &[]), "a `{{` without `}}`");
    }
}
