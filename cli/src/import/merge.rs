//! Puts generated entries into a file that people edit: what nobody touched is renewed, all else is kept and told.
//!
//! Each entry stands under a mark, `# imported pet-store 1a2b3c4d5e6f GET /pets`: whose it is, a hash of its lines,
//! and what it is about. It ends at the next blank line, mark, or line that closes.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use sha2::{Digest as _, Sha256};

/// How a kind of file is laid out.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What begins a comment.
    pub comment: &'static str,
    /// What stands before a mark.
    pub indent: &'static str,
    /// What a new file begins with, up to the first entry.
    pub head: String,
    /// The line under which entries stand.
    pub opens: String,
    /// Entries go before the first line that is indented less; a comment or a list at the first column is not.
    pub depth: usize,
    /// The line that ends what was opened, if one does.
    pub closes: Option<&'static str>,
    /// Whether what another source brought under a key serves all: sources are `name/kind`, and kinds have keys of their own.
    pub shared: bool,
}

/// A generated entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is about, on one line.
    pub key: String,
    /// Its lines, without a blank one.
    pub text: String,
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added(String),
    /// Nobody had touched it, and it is another now.
    Updated(String),
    /// It was edited by hand, and would be generated as it was.
    Kept(String),
    /// It was edited by hand, and would be generated as this.
    Outdated(String, String),
    /// It would no longer be generated.
    Gone(String),
    /// It is as it was.
    Same(String),
}

/// A file after an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Its text.
    pub text: String,
    /// What became of each entry.
    pub changes: Vec<Change>,
}

impl Change {
    /// Whether somebody wants to know.
    #[must_use]
    pub fn is_news(&self) -> bool {
        !matches!(self, Self::Same(_))
    }
}

/// An entry as it stands in a file.
struct Found<'a> {
    source: &'a str,
    key: &'a str,
    hash: &'a str,
    /// Of its lines, after the mark.
    lines: std::ops::Range<usize>,
}

/// Puts `entries` of `source` into `old`.
///
/// # Errors
/// When `old` has no place for entries, a key is there twice, or another source has something else under a key that is
/// shared.
pub fn merge(old: Option<&str>, frame: &Frame, source: &str, entries: Vec<Entry>) -> Result<Merged> {
    let keys: BTreeSet<_> = entries.iter().map(|entry| &entry.key).collect();
    ensure!(keys.len() == entries.len(), "two entries have one key");
    let new = format!(
        "{}{}\n{}",
        frame.head,
        frame.opens,
        frame.closes.map(|line| format!("{line}\n")).unwrap_or_default()
    );
    let old = old.unwrap_or(&new);
    let lines: Vec<&str> = old.lines().collect();
    let (found, others): (Vec<_>, Vec<_>) =
        find(&lines, frame).into_iter().partition(|found| found.source == source);
    let mut changes = Vec::new();
    let mut replaced: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for found in &found {
        let text = lines.get(found.lines.clone()).unwrap_or_default().join("\n");
        let edited = hash(&text) != found.hash;
        let key = found.key.to_owned();
        changes.push(match entries.iter().find(|entry| entry.key == key) {
            None => Change::Gone(key),
            Some(entry) if hash(&entry.text) == found.hash && edited => Change::Kept(key),
            Some(entry) if edited => Change::Outdated(key, entry.text.clone()),
            Some(entry) if entry.text == text => Change::Same(key),
            Some(entry) => {
                replaced.push((found.lines.start - 1..found.lines.end, marked(frame, source, entry)));
                Change::Updated(key)
            }
        });
    }
    let mut added = Vec::new();
    for entry in entries.iter().filter(|entry| !found.iter().any(|found| found.key == entry.key)) {
        let key = entry.key.clone();
        if frame.shared && stands(entry, source, &others, &lines)? {
            changes.push(Change::Same(key));
        } else {
            changes.push(Change::Added(key));
            added.push(entry);
        }
    }
    let place = place(&lines, frame)?;
    let blocks: Vec<_> = added.iter().map(|entry| format!("\n{}", marked(frame, source, entry))).collect();
    if !blocks.is_empty() {
        // An entry must not end one that a person wrote without a blank line after it.
        replaced.push((place..place, blocks.concat()));
    }
    Ok(Merged { text: put(&lines, replaced), changes })
}

/// Whether another source has brought the entry. One that was edited since, but would be generated as this one, has been;
/// one whose lines were deleted has not.
fn stands(entry: &Entry, source: &str, others: &[Found<'_>], lines: &[&str]) -> Result<bool> {
    let kind = |source: &str| source.rsplit_once('/').map(|(_, kind)| kind.to_owned());
    let same = |found: &&Found<'_>| found.key == entry.key && kind(found.source) == kind(source);
    let Some(found) = others.iter().find(|found| same(found) && !found.lines.is_empty()) else {
        return Ok(false);
    };
    let text = lines.get(found.lines.clone()).unwrap_or_default().join("\n");
    let name = found.source.rsplit_once('/').map_or(found.source, |(name, _)| name);
    ensure!(
        text == entry.text || hash(&entry.text) == found.hash,
        "`{}` is there from the import of `{name}`, and is something else here: import `{name}` again with the same files, \
         or put this API into another folder; here it is\n{}",
        entry.key,
        entry.text,
    );
    Ok(true)
}

/// The lines with some of them replaced; ranges do not overlap.
fn put(lines: &[&str], mut replaced: Vec<(std::ops::Range<usize>, String)>) -> String {
    replaced.sort_by_key(|(range, _)| (range.start, range.end));
    let mut text = String::new();
    let mut next = 0;
    for (range, block) in replaced {
        for line in lines.get(next..range.start).unwrap_or_default() {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(&block);
        next = range.end;
    }
    for line in lines.get(next..).unwrap_or_default() {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// An entry under its mark, each line with its line feed.
fn marked(frame: &Frame, source: &str, entry: &Entry) -> String {
    let Frame { indent, comment, .. } = frame;
    format!("{indent}{comment} imported {source} {} {}\n{}\n", hash(&entry.text), entry.key, entry.text)
}

/// Where new entries go: before the line that closes, or before the next line that is indented less, or at the end.
fn place(lines: &[&str], frame: &Frame) -> Result<usize> {
    let opened = lines.iter().position(|line| line.trim_end() == frame.opens);
    let Some(opened) = opened else {
        anyhow::bail!("there is no line `{}` under which entries could go: add one", frame.opens);
    };
    let rest = lines.get(opened + 1..).unwrap_or_default();
    let ends = |line: &&str| match frame.closes {
        Some(closes) => line.trim_end() == closes,
        None => {
            let indent = line.len() - line.trim_start().len();
            let listed = frame.depth == 1 && line.starts_with(['#', '-']);
            !line.trim().is_empty() && indent < frame.depth && !listed
        }
    };
    let end = rest.iter().position(ends).map_or(lines.len(), |place| opened + 1 + place);
    // After the last line that says something.
    let last = lines.get(..end).unwrap_or_default().iter().rposition(|line| !line.trim().is_empty());
    Ok(last.map_or(end, |last| last + 1))
}

fn find<'a>(lines: &[&'a str], frame: &Frame) -> Vec<Found<'a>> {
    let start = format!("{} imported ", frame.comment);
    let mut found = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let Some((source, rest)) =
            line.trim_start().strip_prefix(&start).and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let Some((hash, key)) = rest.split_once(' ') else { continue };
        let rest = lines.get(place + 1..).unwrap_or_default();
        let closes = |line: &str| frame.closes == Some(line.trim_end());
        let ends =
            |line: &&str| line.trim().is_empty() || line.trim_start().starts_with(&start) || closes(line);
        let count = rest.iter().position(ends).unwrap_or(rest.len());
        found.push(Found { source, key, hash, lines: place + 1..place + 1 + count });
    }
    found
}

/// Twelve hexadecimal digits: enough to tell an edit from none.
fn hash(text: &str) -> String {
    Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            comment: "#",
            indent: "  ",
            head: "# Head\n".into(),
            opens: "routes:".into(),
            depth: 1,
            closes: None,
            shared: false,
        }
    }

    fn entry(key: &str, text: &str) -> Entry {
        Entry { key: key.into(), text: text.into() }
    }

    fn go(old: Option<&str>, entries: &[(&str, &str)]) -> Merged {
        merge(old, &frame(), "pets", entries.iter().map(|(key, text)| entry(key, text)).collect()).unwrap()
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let first = go(None, &[("a", "  - a\n    b"), ("c", "  - c")]);
        assert!(first.text.starts_with("# Head\nroutes:\n\n  # imported pets "), "{}", first.text);
        let again = go(Some(&first.text), &[("a", "  - a\n    b"), ("c", "  - c")]);
        assert_eq!(again.text, first.text);
        assert_eq!(again.changes, [Change::Same("a".into()), Change::Same("c".into())]);
    }

    #[test]
    fn edits_stay_and_the_rest_follows_the_document() {
        let first = go(None, &[("a", "  - a"), ("b", "  - b"), ("c", "  - c"), ("d", "  - d")]);
        let edited =
            first.text.replace("  - a", "  - a # mine").replace("  - b\n", "  - b!\n") + "\nhosts: {}\n";
        let second = go(Some(&edited), &[("a", "  - a"), ("b", "  - b2"), ("c", "  - c2"), ("e", "  - e")]);
        let expected = [
            Change::Kept("a".into()),
            Change::Outdated("b".into(), "  - b2".into()),
            Change::Updated("c".into()),
            Change::Gone("d".into()),
            Change::Added("e".into()),
        ];
        assert_eq!(second.changes, expected);
        let place = |text: &str| second.text.find(text).unwrap_or_else(|| panic!("{text}\n{}", second.text));
        assert!(place("  - a # mine") < place("  - b!"));
        assert!(place("  - c2") < place("  - d"));
        assert!(place("  - d") < place("  - e") && place("  - e") < place("hosts: {}"));
        assert!(!second.text.contains("  - b2") && !second.text.contains("  - c\n"));
    }

    #[test]
    fn what_is_deleted_stays_away_while_its_mark_is_there() {
        let first = go(None, &[("a", "  - a"), ("b", "  - b")]);
        let without = first.text.replace("  - a\n", "");
        let second = go(Some(&without), &[("a", "  - a"), ("b", "  - b")]);
        assert_eq!(second.text, without);
        assert_eq!(second.changes, [Change::Kept("a".into()), Change::Same("b".into())]);
    }

    #[test]
    fn a_file_that_people_wrote_takes_entries_where_they_belong() {
        let old = "hosts:\n  x: {}\nroutes:\n  - mine\n\nzzz: 1\n";
        let merged = go(Some(old), &[("a", "  - a")]);
        assert!(merged.text.starts_with("hosts:\n  x: {}\nroutes:\n  - mine\n\n  # imported pets "));
        assert!(merged.text.ends_with("  - a\n\nzzz: 1\n"), "{}", merged.text);
        let other = merge(Some("hosts: {}\n"), &frame(), "pets", vec![entry("a", "  - a")]);
        assert!(other.unwrap_err().to_string().contains("no line `routes:`"));
    }

    #[test]
    fn what_is_shared_stands_once() {
        let frame = Frame { shared: true, ..frame() };
        let merge = |old: Option<&str>, source: &str, text: &str| {
            merge(old, &frame, source, vec![entry("Money", text)])
        };
        let first = merge(None, "a/messages", "  Money: 1").unwrap().text;
        let second = merge(Some(&first), "b/messages", "  Money: 1").unwrap();
        assert_eq!((second.text, second.changes), (first.clone(), vec![Change::Same("Money".into())]));
        // An enum of that name is something else, and what was deleted is not there.
        assert!(merge(Some(&first), "b/enums", "  Money: 1").unwrap().text.contains("imported b/enums "));
        let deleted = first.replace("  Money: 1\n", "");
        assert!(merge(Some(&deleted), "b/messages", "  Money: 1").unwrap().text.contains("  Money: 1\n"));
        // What somebody made of it holds for both.
        let edited = first.replace("Money: 1", "Money: 1 # mine");
        assert_eq!(merge(Some(&edited), "b/messages", "  Money: 1").unwrap().text, edited);
        let error = merge(Some(&first), "b/messages", "  Money: 2").unwrap_err().to_string();
        assert!(
            error.starts_with("`Money` is there from the import of `a`, and is something else here: "),
            "{error}"
        );
        // The first brings the new one, and then the second has it.
        let newer = merge(Some(&first), "a/messages", "  Money: 2").unwrap().text;
        assert_eq!(merge(Some(&newer), "b/messages", "  Money: 2").unwrap().text, newer);
    }

    #[test]
    fn a_namespace_is_closed_after_its_entries() {
        let frame = Frame {
            comment: "//",
            indent: "  ",
            head: String::new(),
            opens: "namespace Pets {".into(),
            depth: 0,
            closes: Some("}"),
            shared: false,
        };
        let first = merge(None, &frame, "pets", vec![entry("a", "  entity A;")]).unwrap();
        let second = merge(Some(&first.text), &frame, "pets", vec![entry("b", "  entity B;")]).unwrap();
        assert!(second.text.ends_with("  entity B;\n}\n"), "{}", second.text);
        assert_eq!(second.changes, [Change::Gone("a".into()), Change::Added("b".into())]);
    }
}
