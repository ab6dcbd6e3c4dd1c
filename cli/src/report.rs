//! Shows what is wrong with a bundle, with the line that it is about.

use std::collections::BTreeMap;
use std::io::Write as _;

use countersign_core::load::LoadError;
use miette::{GraphicalReportHandler, LabeledSpan, MietteDiagnostic, NamedSource, Report};

/// Prints every error to standard error.
pub(crate) fn show(files: &BTreeMap<String, String>, errors: &[LoadError]) {
    for error in errors {
        // Its colours are meant.
        _ = writeln!(std::io::stderr(), "{}", render(files, error));
    }
}

fn render(files: &BTreeMap<String, String>, error: &LoadError) -> String {
    let mut diagnostic = MietteDiagnostic::new(error.message.clone());
    let place = error.line.and_then(|line| Some((span(files.get(&error.file)?, line)?, error.file.as_str())));
    let Some((span, file)) = place else { return format!("  × {error}") };
    diagnostic = diagnostic.with_label(LabeledSpan::at(span, "here"));
    let text = files.get(file).cloned().unwrap_or_default();
    let report = Report::new(diagnostic).with_source_code(NamedSource::new(file, text));
    let mut out = String::new();
    match GraphicalReportHandler::new().render_report(&mut out, report.as_ref()) {
        Ok(()) => out,
        Err(_) => format!("  × {error}"),
    }
}

/// The bytes of a line (from 1), without its indentation and line feed.
fn span(text: &str, line: usize) -> Option<std::ops::Range<usize>> {
    let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let content = text.split_inclusive('\n').nth(line - 1)?.trim_end();
    let indent = content.len() - content.trim_start().len();
    Some(before + indent..before + content.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_without_its_indentation() {
        assert_eq!(span("a\n  bc\nd", 2), Some(4..6));
        assert_eq!(span("a\n", 9), None);
    }
}
