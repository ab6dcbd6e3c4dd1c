//! The page of the guide that the rows make.

use std::fmt::Write as _;

use super::{Row, SECTIONS};

/// Where the page lies in the repository.
pub const FILE: &str = "docs/what-happens-when.md";

const HEAD: &str = "\
# What happens when…

Everything around the filter can fail. This page says what comes of it: what the client gets, how often the upstream
gets the request, and what the evidence says. Each row is played through a real Envoy by `cargo xtask test`, and the
page is made of the very table that the tests assert (`cargo xtask guide`).

*client*: status and code of each try, in order; `-` where the connection just ends. *upstream*: how often it gets the
request, which is then whole and unchanged. *evidence*: the filter's records of it, in order. Left out are `start`,
`heartbeat` and `stop`, and of a reload the `reloaded` of the plain lane: each lane says it once.
";

/// The page as text.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## {}\n\n{}\n\n", section.title, section.about);
        page.push_str(
            "| when | client | upstream | evidence | why, and what to do |\n|---|---|---|---|---|\n",
        );
        section.rows.iter().for_each(|row| page.push_str(&line(row)));
    }
    page
}

fn line(row: &Row) -> String {
    let code = |words: &[&str]| match words {
        [] => "nothing".to_owned(),
        words => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
    };
    let upstream = match row.upstream {
        0 => "nothing".to_owned(),
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    format!("| {} | {} | {upstream} | {} | {} |\n", row.when, code(row.client), code(row.evidence), row.note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_repository_is_made_of_the_table() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE);
        let text = std::fs::read_to_string(file).unwrap_or_default();
        assert!(text == page(), "{FILE} is out of date: run `cargo xtask guide`");
    }

    #[test]
    fn each_row_has_a_name_of_its_own_and_says_why() {
        let mut names = std::collections::BTreeSet::new();
        for row in SECTIONS.iter().flat_map(|section| section.rows) {
            assert!(names.insert(row.id), "`{}` stands twice", row.id);
            assert!(!row.when.is_empty() && !row.note.is_empty(), "`{}` says too little", row.id);
            assert!(!format!("{row:?}").contains('|'), "`{}` would break the table", row.id);
        }
    }
}
