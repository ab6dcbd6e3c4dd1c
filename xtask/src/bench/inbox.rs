//! What people wait for in a real browser, with very much open: the browser's own figures, taken by the tests.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::workspace::{Workspace, output};

/// Medians, milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Inbox {
    /// Requests that were open.
    open: usize,
    /// From the start of the navigation to the first paint.
    queue_paint: f64,
    request_paint: f64,
    /// From a key to the frame after it.
    queue_key: f64,
    request_key: f64,
    /// From an answer in one browser to the change in another.
    elsewhere: f64,
}

/// What is run.
const MEASURED: [&str; 6] = ["test", "--release", "--package", "countersign-approvals", "--test", "browser"];

/// Builds it, so that nothing compiles while something is measured.
pub(super) fn build(workspace: &Workspace) -> Command {
    let mut cargo = workspace.cargo();
    cargo.args(MEASURED).arg("--no-run");
    cargo
}

/// Measures with the released service in headless Chromium.
///
/// # Errors
/// When the browser does not start or the pages do not come.
pub(super) fn measure(workspace: &Workspace) -> Result<Inbox> {
    let mut cargo = workspace.cargo();
    cargo.args(MEASURED).args(["--", "--ignored", "--exact", "speed::figures", "--nocapture"]);
    let said = output(&mut cargo)?;
    let line = said.lines().find_map(|line| line.strip_prefix("figures ")).context("it gave no figures")?;
    Ok(serde_json::from_str(line)?)
}

/// The section of the page.
pub(super) fn render(inbox: &Inbox) -> String {
    let Inbox { open, queue_paint, request_paint, queue_key, request_key, elsewhere } = inbox;
    let mut text = format!(
        "## The inbox\n\n\
        In headless Chromium with {open} requests open, the service and the browser on the same processors. Medians of 15.\n\n\
        | | first paint, ms | a key to the next frame, ms |\n|---|---:|---:|\n"
    );
    // Writing to a string cannot fail.
    writeln!(text, "| queue | {queue_paint:.0} | {queue_key:.0} |").ok();
    writeln!(text, "| one request | {request_paint:.0} | {request_key:.0} |").ok();
    writeln!(text, "\nFrom an answer in one browser to the change in another: {elsewhere:.0} ms.").ok();
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn inbox() -> Inbox {
        Inbox {
            open: 10_000,
            queue_paint: 210.4,
            request_paint: 80.0,
            queue_key: 16.6,
            request_key: 5.8,
            elsewhere: 52.4,
        }
    }

    #[test]
    fn each_page_has_its_line() {
        let text = render(&inbox());
        assert!(text.contains("| queue | 210 | 17 |\n| one request | 80 | 6 |\n"), "{text}");
        assert!(text.contains("in another: 52 ms."), "{text}");
    }
}
