//! Writes what came of a replay as what is expected from now on.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use countersign_protocol::recording::{Entry, Expect};

use super::reader::{Reader, Recording};
use crate::failure::Failure;
use crate::output::{self, word};

/// Whether expectations may be written here.
///
/// # Errors
/// Under continuous integration: what is expected would follow what came.
pub(super) fn permitted() -> Result<(), Failure> {
    if std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false") {
        return Err(Failure::Usage(
            "`--update` is refused where `CI` is set: update the recording where a person reads the change"
                .into(),
        ));
    }
    Ok(())
}

/// Gives every entry that was replayed what came of it as its expectation; gives the recordings as they are then. Each
/// file is replaced at once, or stays as it was.
///
/// # Errors
/// When a file cannot be read again or written.
pub(super) fn write(recordings: &[PathBuf], came: &BTreeMap<u64, Expect>) -> Result<Vec<Recording>, Failure> {
    let mut number = 0;
    let mut written = Vec::new();
    for path in recordings {
        let one = write_one(path, came, &mut number).and_then(|()| {
            let mut reader = Reader::open(path)?;
            while reader.entry()?.is_some() {}
            Ok(reader.recording())
        });
        let error = |error| Failure::Unreadable(format!("cannot update `{}`: {error:#}", path.display()));
        written.push(one.map_err(error)?);
    }
    Ok(written)
}

fn write_one(path: &Path, came: &BTreeMap<u64, Expect>, number: &mut u64) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let mut reader = Reader::open(path)?;
    while let Some(mut entry) = reader.entry()? {
        if let Some(came) = came.get(number) {
            say_what_goes(&entry, came);
            entry.expect = Some(came.clone());
        }
        *number += 1;
        serde_json::to_writer(&mut file, &entry)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    file.as_file().set_permissions(fs::metadata(path)?.permissions())?;
    file.persist(path)?;
    Ok(())
}

/// A recording cannot expect that nothing is decided, or that there is no reason.
fn say_what_goes(entry: &Entry, came: &Expect) {
    let Some(expected) = &entry.expect else { return };
    let gone = [
        ("decision", expected.decision.is_some() && came.decision.is_none()),
        ("reason", expected.reason.is_some() && came.reason.is_none()),
    ];
    for (what, _) in gone.into_iter().filter(|(_, gone)| *gone) {
        output::say(format!("`{}` expects no `{what}` any more: none came", word(&entry.id)));
    }
}
