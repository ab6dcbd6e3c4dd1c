//! What people wait for in a real browser, with very much open: the browser's own figures, taken by the tests.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::workspace::{Workspace, output};

/// Medians, milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Inbox {
    /// Requests that were open.
    open: usize,
    /// From the start of the navigation to the first paint.
    pub(super) queue_paint: f64,
    /// The same for somebody who may see none of them.
    pub(super) none_paint: f64,
    pub(super) request_paint: f64,
    /// From a key to the frame after it.
    pub(super) queue_key: f64,
    pub(super) request_key: f64,
    /// From an answer in one browser to the change in another.
    elsewhere: f64,
    /// Messages a second through the outbox.
    messages: f64,
}

/// The tests that measure: the binary of each, and its name there.
const MEASURED: [(&str, &str); 2] =
    [("browser", "speed::figures"), ("it", "channels::speed::messages_per_second")];

/// Measures with the released service in headless Chromium, and at a receiver of messages.
///
/// # Errors
/// When the browser does not start, the pages do not come or messages are lost.
pub(super) fn measure(workspace: &Workspace) -> Result<Inbox> {
    let mut figures = Map::new();
    for (binary, name) in MEASURED {
        let mut cargo = workspace.cargo();
        cargo.args(["test", "--release", "--workspace", "--test", binary]);
        let said = output(cargo.args(["--", "--ignored", "--exact", name, "--nocapture"]))?;
        let line = said.lines().find_map(|line| line.strip_prefix("figures "));
        let line = line.with_context(|| format!("`{name}` gave no figures"))?;
        figures.extend(serde_json::from_str::<Map<String, Value>>(line)?);
    }
    Ok(serde_json::from_value(figures.into())?)
}

/// The section of the page.
pub(super) fn render(inbox: &Inbox) -> String {
    let Inbox { open, queue_paint, none_paint, request_paint, queue_key, request_key, elsewhere, messages } =
        inbox;
    let mut text = format!(
        "## The inbox\n\n\
        In headless Chromium with {open} requests open, the service and the browser on the same processors. Medians of 15.\n\n\
        | | first paint, ms | a key to the next frame, ms |\n|---|---:|---:|\n"
    );
    // Writing to a string cannot fail.
    writeln!(text, "| queue | {queue_paint:.0} | {queue_key:.0} |").ok();
    writeln!(text, "| queue of somebody who may see none of them | {none_paint:.0} | |").ok();
    writeln!(text, "| one request | {request_paint:.0} | {request_key:.0} |").ok();
    writeln!(
        text,
        "\nFrom an answer in one browser to the change in another that was quiet: {elsewhere:.0} ms; a page\n\
        that has just followed another change waits up to 1.2 s more. Through the outbox, on SQLite, to a receiver of signed\n\
        webhooks that takes each at once: {messages:.0} messages a second."
    )
    .ok();
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn inbox() -> Inbox {
        Inbox {
            open: 10_000,
            queue_paint: 210.4,
            none_paint: 150.0,
            request_paint: 80.0,
            queue_key: 16.6,
            request_key: 5.8,
            elsewhere: 52.4,
            messages: 800.0,
        }
    }

    #[test]
    fn each_page_has_its_line() {
        let text = render(&inbox());
        assert!(text.contains("| queue | 210 | 17 |\n| queue of somebody who may see none of them | 150 | |\n| one request | 80 | 6 |\n"), "{text}");
        assert!(
            text.contains("that was quiet: 52 ms;") && text.contains("once: 800 messages a second."),
            "{text}"
        );
    }
}
