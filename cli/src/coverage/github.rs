//! The coverage as annotations of GitHub Actions, each at what was never exercised.

use super::{Report, markdown::missing};
use crate::replay::report::{github_property as property, github_text as data};

pub(super) fn render(report: &Report) -> String {
    let missing = missing(report).into_iter().map(|[what, how, place]| {
        let mut parts = place.rsplitn(3, ':');
        let (last, middle, first) = (parts.next(), parts.next(), parts.next());
        let place = match (first, middle, last) {
            (Some(file), Some(line), Some(_)) => format!("file={},line={line},", property(file)),
            _ => String::new(),
        };
        format!("::warning {place}title={}::{}", property(&how), data(&what))
    });
    let wrong = report.wrong().into_iter().map(|what| format!("::error::{}", data(&what)));
    let covered: Vec<_> = report
        .covered
        .iter()
        .filter_map(|covered| Some(format!("{:.1} % of {}", covered.percent()?, covered.kind.word())))
        .collect();
    let hashes: Vec<_> =
        report.hashes().into_iter().map(|(what, path, hash)| format!("{what} {path} {hash}")).collect();
    let last =
        format!("::notice title=coverage::{}%0A{}", data(&covered.join(", ")), data(&hashes.join("\n")));
    missing.chain(wrong).chain([last]).map(|line| line + "\n").collect()
}
