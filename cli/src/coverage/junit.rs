//! The coverage as `JUnit` XML: a test case for each kind of what can be exercised, which fails below the limit.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::{Covered, Report, markdown::missing};
use crate::output::word;

pub(super) fn render(report: &Report) -> String {
    let mut xml = quick_junit::Report::new("countersign coverage");
    let mut suite = TestSuite::new("coverage");
    for (what, path, hash) in report.hashes() {
        suite.add_property((format!("{what} {path}").as_str(), hash.as_str()));
    }
    for [what, how, place] in missing(report) {
        suite.add_property((word(&format!("{what} ({place})")).as_ref(), how.as_str()));
    }
    suite.add_test_cases(report.covered.iter().map(|covered| case(report, covered)));
    let wrong = report.wrong();
    suite.add_test_cases(wrong.iter().map(|what| failed("fault", what, NonSuccessKind::Error)));
    xml.add_test_suite(suite);
    // It is text already: nothing in it that could not be written.
    xml.to_string().unwrap_or_default() + "\n"
}

fn case(report: &Report, covered: &Covered) -> TestCase {
    let percent = covered.percent().unwrap_or(100.0);
    match report.min.filter(|min| percent < *min) {
        None => TestCase::new(covered.kind.word(), TestCaseStatus::success()),
        Some(min) => {
            let message = format!("{percent:.1} % were exercised, less than {min} %");
            failed(covered.kind.word(), &message, NonSuccessKind::Failure)
        }
    }
}

fn failed(name: &str, message: &str, kind: NonSuccessKind) -> TestCase {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(word(message).as_ref());
    TestCase::new(name, status)
}
