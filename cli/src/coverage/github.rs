//! The coverage as annotations of GitHub Actions, each at what was never exercised.

use super::{Report, markdown::missing};
use crate::replay::report::{github_property as property, github_text as data};

pub(super) fn render(report: &Report) -> String {
    let missing = missing(report).into_iter().map(|[what, how, place]| {
        let place = location(&place).map(|(file, line)| format!("file={},line={line},", property(file)));
        let place = place.unwrap_or_default();
        format!("::warning {place}title={}::{}", property(&how), data(&what))
    });
    let below = report.too_little().into_iter().map(|line| format!("::error::{}", data(&line)));
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
    missing.chain(below).chain(wrong).chain([last]).map(|line| line + "\n").collect()
}

/// File and line of a place: `file:line` or `file:line:column`.
fn location(place: &str) -> Option<(&str, &str)> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, last) = place.rsplit_once(':').filter(|(_, last)| number(last))?;
    Some(rest.rsplit_once(':').filter(|(_, line)| number(line)).unwrap_or((rest, last)))
}
