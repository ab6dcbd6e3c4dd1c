//! The page of the guide that the rules make.

use std::fmt::Write as _;

use super::{OTHERS, Outcome, Request, Rule, SECTIONS, USUAL};

/// Where the page lies in the repository.
pub const FILE: &str = "docs/one-reading.md";

const HEAD: &str = "\
# One reading

The request that was judged must be the request that the upstream reads. What two parsers could read differently is refused and never
guessed at: with 400 `ambiguous_request`, and the rule that is broken is the member `rule` of the answer's problem details and of the
`denied` record. Nothing is tidied up first: people would approve a path that the client did not write.

`relax` in the [filter's configuration](configuration.md) switches a rule off by name; what it is about then stays as it is written
([0021](decisions/0021-relaxed-rules-keep-what-is-written.md)). The `start` record of each filter lists in `relax` what was switched off. Rules
that always hold are about what policy could not read without them.

A rule about bodies, parameters or single headers looks only where a route reads them; the rest of the request is not split, not decoded and not
buffered.

Below are the rules, and requests that break them. `cargo xtask test` writes each of them, byte by byte, to three real Envoys, and this page
is made of the very table that it asserts (`cargo xtask guide`):

- *shipped*: [envoy.yaml](../envoy/envoy.yaml) as it is. Envoy refuses some of them before any filter sees them; then only its
  access log knows of them, by the name that stands here.
- *lenient*: every option by which Envoy refuses or tidies up is off, or takes more: escaped slashes, `_` in names, two framings, trailers, fragments, upgrades,
  `CONNECT`. What is *refused* here is refused by the filter.
- *relaxed*: the same, with all rules in `relax`. What *passes* comes to the upstream as it was written.
";

/// The page as text.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## {}\n\n", section.title);
        page.push_str("| rule | attack | default | reference |\n|---|---|---|---|\n");
        section.rules.iter().for_each(|rule| page.push_str(&line(rule)));
        page.push_str("\n| rule | request | shipped | lenient | relaxed |\n|---|---|---|---|---|\n");
        for rule in section.rules {
            rule.requests.iter().for_each(|request| page.push_str(&example(rule, request)));
        }
    }
    let _ = write!(page, "\n## {}\n\n", OTHERS.title);
    page.push_str("Nor is guessed at what policy cannot use. The answer's `code` is the reason, and no rule is broken.\n\n");
    page.push_str("| reason | what readers make of it | reference |\n|---|---|---|\n");
    for Rule { name, attack, references, .. } in OTHERS.rules {
        let _ = writeln!(page, "| `{name}` | {attack} | {} |", linked(references));
    }
    page.push_str("\n| reason | request | shipped | lenient | relaxed |\n|---|---|---|---|---|\n");
    for rule in OTHERS.rules {
        rule.requests.iter().for_each(|request| page.push_str(&example(rule, request)));
    }
    page
}

fn linked(references: &[(&str, &str)]) -> String {
    references.iter().map(|(text, url)| format!("[{text}]({url})")).collect::<Vec<_>>().join(", ")
}

fn line(rule: &Rule) -> String {
    let default = rule.relaxed.map_or_else(
        || "refused; cannot be relaxed".to_owned(),
        |relaxed| format!("refused. Relaxed, {relaxed}"),
    );
    format!("| `{}` | {} | {default} | {} |\n", rule.name, rule.attack, linked(rule.references))
}

fn example(rule: &Rule, request: &Request) -> String {
    let outcomes = [request.shipped, request.lenient, request.relaxed].map(said).join(" | ");
    format!("| `{}` | {} | {outcomes} |\n", rule.name, shown(request))
}

/// What is particular about a request, as it is written.
fn shown(request: &Request) -> String {
    let own = request.usual.iter().filter(|field| !USUAL.contains(field)).chain(request.fields);
    let parts = [request.start].into_iter().chain(own.copied()).chain([request.body]);
    let parts = parts.filter(|part| !part.is_empty()).map(|part| format!("`{}`", plain(part)));
    parts.collect::<Vec<_>>().join(" · ")
}

/// Visible ASCII as it is, all else escaped.
fn plain(bytes: &[u8]) -> String {
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte).to_string(),
        other => other.escape_ascii().to_string(),
    };
    bytes.iter().map(shown).collect()
}

fn said(outcome: Outcome) -> String {
    match outcome {
        Outcome::Refused => "refused".into(),
        Outcome::RefusedBy(rule) => format!("refused by `{rule}`"),
        Outcome::Envoy(status, name) => format!("Envoy: {status} `{name}`"),
        Outcome::Passes => "passes".into(),
        Outcome::Rewritten(how) => format!("Envoy lets it pass {how}"),
        Outcome::Denied(_) => "refused".into(),
        Outcome::Held => "people are asked".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_repository_is_made_of_the_table() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE);
        let text = std::fs::read_to_string(file).unwrap_or_default();
        assert!(text == page(), "{FILE} is out of date: run `cargo xtask guide`");
    }

    #[test]
    fn nothing_breaks_the_tables() {
        for row in page().lines().filter(|row| row.starts_with('|')) {
            assert!([4, 5, 6].contains(&row.matches('|').count()), "{row}");
        }
    }
}
