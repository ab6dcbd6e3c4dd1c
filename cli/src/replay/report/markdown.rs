//! The report for a pull request.

use std::fmt::Write as _;

use super::super::tally::Failure;
use super::Report;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let decisions = report.tally.decisions;
    writeln!(out, "### Replay: {}\n", report.verdict())?;
    writeln!(out, "| requests | allowed | asked about | denied | unknown |\n|---:|---:|---:|---:|---:|")?;
    writeln!(
        out,
        "| {} | {} | {} | {} | {} |\n",
        decisions.total(),
        decisions.allow,
        decisions.ask,
        decisions.deny,
        decisions.unknown
    )?;
    if report.tally.partial > 0 {
        writeln!(out, "{} more were left out: their bodies were not recorded whole\n", report.tally.partial)?;
    }
    if !report.tally.failures.is_empty() {
        writeln!(out, "| request | what is not as it must be | decided by |\n|---|---|---|")?;
    }
    for failure in &report.tally.failures {
        write_failure(out, report, failure)?;
    }
    if report.tally.failing > report.shown() {
        writeln!(out, "\n… and {} more", report.tally.failing - report.shown())?;
    }
    for fault in &report.tally.faults {
        writeln!(out, "\n**Fault:** {}", escaped(fault))?;
    }
    writeln!(out, "\n<details><summary>What was replayed</summary>\n")?;
    writeln!(out, "- filter `{}`\n- policies `{}`", report.filter.sha256, report.bundle.sha256)?;
    for recording in &report.recordings {
        writeln!(out, "- {} `{}`", escaped(&recording.path.display().to_string()), recording.sha256)?;
    }
    writeln!(out, "- memory of workers: {}", report.memory())?;
    writeln!(out, "\n</details>")
}

fn write_failure(out: &mut String, report: &Report, failure: &Failure) -> std::fmt::Result {
    let findings: Vec<_> = failure.findings.iter().map(|finding| escaped(&finding.to_string())).collect();
    let policies: Vec<_> = failure.policies.iter().map(|id| escaped(&report.places.named(id))).collect();
    let (id, findings, policies) = (escaped(&failure.id), findings.join("<br>"), policies.join("<br>"));
    writeln!(out, "| {id} | {findings} | {policies} |")
}

/// Text that may come from a request: it is no markup, and stays in its cell.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => out.push(' '),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '@' => out.push_str("&#64;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' => out.extend(['\\', letter]),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_requests_is_no_markup() {
        assert_eq!(escaped("a|b\n[x](y) <b> @all `c`"), r"a\|b \[x\](y) &lt;b> &#64;all \`c\`");
    }
}
