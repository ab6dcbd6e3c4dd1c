//! Fills in the `{{ names }}` of a gateway configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use countersign_core::bundle::Bundle;

/// The template with every name replaced: by the values, else by the lines of `file`. Names without a value, or
/// values without a name, are an error that lists them; but `file` may serve several templates, so the template
/// need not use all of it.
pub(crate) fn render(
    template: &Path,
    bundle: &Bundle,
    file: Option<&Path>,
    values: &[String],
) -> Result<String> {
    let text = read(template)?;
    let mut known = BTreeMap::from([("bundle".to_owned(), bundle.to_json().to_string())]);
    if let Some(file) = file {
        let lines = read(file)?;
        known.extend(pairs(lines_of(&lines)).with_context(|| format!("`{}`", file.display()))?);
    }
    let inline = pairs(values.iter().map(String::as_str))?;
    let needed: BTreeSet<_> = inline.keys().cloned().collect();
    known.extend(inline);
    fill(&text, &known, &needed).with_context(|| format!("`{}`", template.display()))
}

/// The lines that are neither empty nor a comment.
fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn pairs<'a>(values: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for value in values {
        let (name, value) =
            value.split_once('=').with_context(|| format!("`{value}` must be written `name=value`"))?;
        ensure!(pairs.insert(name.into(), content(value)?).is_none(), "`{name}` has two values");
    }
    Ok(pairs)
}

fn content(value: &str) -> Result<String> {
    match value.strip_prefix('@') {
        None => Ok(value.into()),
        Some(file) => Ok(read(Path::new(file))?.trim_end().into()),
    }
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}

/// Every value of `needed` must be used.
fn fill(text: &str, values: &BTreeMap<String, String>, needed: &BTreeSet<String>) -> Result<String> {
    let mut filled = String::new();
    let (mut used, mut missing) = (BTreeSet::new(), BTreeSet::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").context("a `{{` without `}}`")?;
        let name = name.trim();
        filled.push_str(before);
        match values.get(name) {
            Some(value) => filled.push_str(value),
            None => _ = missing.insert(name),
        }
        used.insert(name);
        rest = after;
    }
    filled.push_str(rest);
    ensure!(missing.is_empty(), "no value for {}", list(missing));
    let unused: Vec<_> = needed.iter().map(String::as_str).filter(|name| !used.contains(name)).collect();
    ensure!(unused.is_empty(), "nothing is named {}", list(unused));
    Ok(filled)
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, pairs: &[(&str, &str)]) -> Result<String> {
        let values: BTreeMap<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        fill(text, &values, &values.keys().cloned().collect())
    }

    #[test]
    fn names_are_replaced_wherever_they_stand() {
        let text = filled("port: {{ port }}\nagain: {{port}}", &[("port", "80")]).unwrap();
        assert_eq!(text, "port: 80\nagain: 80");
    }

    #[test]
    fn a_value_is_not_read_as_a_template() {
        assert_eq!(filled("{{ a }}", &[("a", "{{ b }}")]).unwrap(), "{{ b }}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = |text, pairs: &[_]| filled(text, pairs).unwrap_err().to_string();
        assert_eq!(error("{{ a }}", &[]), "no value for `a`");
        assert_eq!(error("{{ b }} {{ a }} {{ b }}", &[("c", "1")]), "no value for `a`, `b`");
        assert_eq!(error("x", &[("a", "1")]), "nothing is named `a`");
        assert_eq!(error("{{ a", &[]), "a `{{` without `}}`");
    }

    #[test]
    fn values_come_from_a_file_and_from_the_command_line() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("template"), "{{ a }} {{ b }} {{ c }}").unwrap();
        std::fs::write(at("secret"), "s=#1\n").unwrap();
        std::fs::write(at("values"), format!("# why\n\n a=1\nb=2\nc=@{}\n", at("secret").display())).unwrap();
        let bundle = Bundle::from_files(BTreeMap::new()).unwrap();
        let filled = |inline: &[&str]| {
            let inline: Vec<_> = inline.iter().map(|value| (*value).to_owned()).collect();
            render(&at("template"), &bundle, Some(&at("values")), &inline)
                .map_err(|error| format!("{error:#}"))
        };
        assert_eq!(filled(&["b=3"]).unwrap(), "1 3 s=#1");
        assert_eq!(
            filled(&["d=1"]).unwrap_err(),
            format!("`{}`: nothing is named `d`", at("template").display())
        );
        std::fs::write(at("template"), "{{ b }}").unwrap();
        assert_eq!(filled(&["b=3"]).unwrap(), "3", "the file's other values are for other templates");
        assert_eq!(filled(&["b"]).unwrap_err(), "`b` must be written `name=value`");
        assert_eq!(filled(&["b=1", "b=2"]).unwrap_err(), "`b` has two values");
    }

    #[test]
    fn the_example_has_a_value_for_every_name_of_the_templates() {
        let example = include_str!("../../envoy/values.example");
        let names = lines_of(example).map(|line| (line.split('=').next().unwrap().into(), "1".into()));
        let mut values: BTreeMap<String, String> = names.collect();
        values.insert("bundle".into(), "{}".into());
        let templates = [
            include_str!("../../envoy/envoy.yaml"),
            include_str!("../../envoy/reload.yaml"),
            include_str!("../../envoy/discovery.yaml"),
        ];
        for template in templates {
            fill(template, &values, &BTreeSet::new()).unwrap();
        }
    }
}
