//! The report for continuous integration: `JUnit` XML, a test case for each entry that has expectations.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::super::tally::Case;
use super::Report;
use crate::output::word;

pub(super) fn render(report: &Report) -> String {
    let mut xml = quick_junit::Report::new("countersign replay");
    if report.tally.partial > 0 {
        let mut suite = TestSuite::new("left out");
        suite.add_property(("requests without their whole body", report.tally.partial.to_string().as_str()));
        xml.add_test_suite(suite);
    }
    for recording in &report.recordings {
        let name = recording.path.display().to_string();
        let mut suite = TestSuite::new(name);
        suite.add_property(("filter", report.filter.sha256.to_string().as_str()));
        suite.add_property(("policies", report.bundle.sha256.to_string().as_str()));
        suite.add_property(("recording", recording.sha256.to_string().as_str()));
        let cases = report.tally.cases.iter().flatten();
        suite.add_test_cases(cases.filter(|case| case.recording == recording.path).map(test_case));
        xml.add_test_suite(suite);
    }
    if !report.tally.faults.is_empty() {
        let mut suite = TestSuite::new("filter and harness");
        let faults = report.tally.faults.iter();
        suite.add_test_cases(faults.map(|fault| failed("fault", fault, NonSuccessKind::Error)));
        xml.add_test_suite(suite);
    }
    // It is text already: nothing in it that could not be written.
    xml.to_string().unwrap_or_default() + "\n"
}

fn test_case(case: &Case) -> TestCase {
    match case.findings.as_slice() {
        [] => TestCase::new(word(&case.id).as_ref(), TestCaseStatus::success()),
        findings => failed(&case.id, &findings.join("; "), NonSuccessKind::Failure),
    }
}

fn failed(name: &str, message: &str, kind: NonSuccessKind) -> TestCase {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(word(message).as_ref());
    TestCase::new(word(name).as_ref(), status)
}
