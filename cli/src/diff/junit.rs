//! What a change of policies does, as `JUnit` XML: a test case for each kind of change, which fails when it is one
//! of those that are to fail and there are such requests.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::Change;
use super::report::{Report, lines};
use crate::output::word;

pub(super) fn render(report: &Report) -> String {
    let mut xml = quick_junit::Report::new("countersign diff");
    let mut suite = TestSuite::new("policy change");
    for (what, path, hash) in report.hashes() {
        suite.add_property((word(&format!("{what} {path}")).as_ref(), hash.as_str()));
    }
    suite.add_property(("summary", report.summary().as_str()));
    suite.add_test_cases(Change::ALL.map(|change| case(report, change)));
    let failed = |fault: &String| failed("fault", fault, NonSuccessKind::Error);
    suite.add_test_cases(report.faults.iter().map(failed));
    xml.add_test_suite(suite);
    // It is text already: nothing in it that could not be written.
    xml.to_string().unwrap_or_default() + "\n"
}

fn case(report: &Report, change: Change) -> TestCase {
    if !report.fail_on.contains(&change) || report.table.count(change) == 0 {
        return TestCase::new(change.word(), TestCaseStatus::success());
    }
    let cells = report.table.changed().filter(|(_, _, found, _)| *found == Some(change));
    let words: Vec<_> = cells.flat_map(|(.., cell)| lines(cell)).collect();
    let message = format!("{} requests: {}", report.table.count(change), words.join("; "));
    failed(change.word(), &message, NonSuccessKind::Failure)
}

fn failed(name: &str, message: &str, kind: NonSuccessKind) -> TestCase {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(word(message).as_ref());
    TestCase::new(name, status)
}
