//! Shows what is wrong with a bundle, with the line that it is about.

use std::collections::BTreeMap;
use std::io::Write as _;

use countersign_cli::output::{self, word};
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
    let plain = || format!("  × {}", word(&error.to_string()));
    // Colours are the report's own: nothing in a policy makes any.
    let text = files.get(&error.file).map(|text| output::text(text).into_owned());
    let place = text.and_then(|text| Some((span(&text, error.line?)?, text)));
    let Some((span, text)) = place else { return plain() };
    let diagnostic =
        MietteDiagnostic::new(output::text(&error.message)).with_label(LabeledSpan::at(span, "here"));
    let report = Report::new(diagnostic).with_source_code(NamedSource::new(word(&error.file), text));
    let mut out = String::new();
    match GraphicalReportHandler::new().render_report(&mut out, report.as_ref()) {
        Ok(()) => out,
        Err(_) => plain(),
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
    fn nothing_in_a_policy_acts_on_its_reader() {
        let error = LoadError { file: "a\n.cedar".into(), line: Some(2), message: "no\u{1b}[2J".into() };
        let files = BTreeMap::from([("a\n.cedar".to_owned(), "// a\n\u{1b}]0;x\u{7} \u{202e}\n".to_owned())]);
        let said = render(&files, &error);
        assert!(
            !said.contains(['\u{7}', '\u{202e}']) && !said.contains("\u{1b}]") && !said.contains("\u{1b}[2J"),
            "{said}"
        );
        assert!(said.contains(r"a\n.cedar") && said.contains(r"\u{1b}]0;x"), "{said}");
    }

    #[test]
    fn a_line_is_found_without_its_indentation() {
        assert_eq!(span("a\n  bc\nd", 2), Some(4..6));
        assert_eq!(span("a\n", 9), None);
    }
}
