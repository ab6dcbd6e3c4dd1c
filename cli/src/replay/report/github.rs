//! Annotations of GitHub Actions: each failure at the policy that decided, or at the recording.
//!
//! <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>.

use super::super::tally::Failure;
use super::Report;

pub(super) fn render(report: &Report) -> String {
    let failures = report.tally.failures.iter().map(|failure| annotation(report, failure));
    let faults = report.tally.faults.iter().map(|fault| format!("::error::{}", data(fault)));
    let last = format!("{}: {}", report.bundle.path.display(), report.verdict());
    let level = if report.tally.is_clean() { "notice" } else { "error" };
    let recordings: String =
        report.recordings.iter().map(|recording| format!(", recording {}", recording.sha256)).collect();
    let hashes = format!("filter {}, policies {}{recordings}", report.filter.sha256, report.bundle.sha256);
    let partial = match report.tally.partial {
        0 => String::new(),
        partial => format!("; {partial} more requests were left out: their bodies were not recorded whole"),
    };
    let hashes = hashes + &partial;
    let last = format!("::{level} title={}::{}", property(&last), data(&hashes));
    failures.chain(faults).chain([last]).map(|line| line + "\n").collect()
}

fn annotation(report: &Report, failure: &Failure) -> String {
    let place = failure.policies.iter().find_map(|id| report.places.find(id));
    let place = match place {
        Some((file, line)) => format!("file={},line={line}", property(&file.display().to_string())),
        None => format!("file={}", property(&failure.recording.display().to_string())),
    };
    let findings: Vec<_> = failure.findings.iter().map(ToString::to_string).collect();
    let title = property(&format!("{} in {}", failure.id, failure.recording.display()));
    format!("::error {place},title={title}::{}", data(&findings.join("\n")))
}

/// The text of a command.
pub(crate) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value before the text.
pub(crate) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
