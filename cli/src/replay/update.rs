//! Writes what came of a replay as what is expected from now on.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use countersign_protocol::recording::Expect;

use super::reader::Reader;

/// Whether expectations may be written here.
///
/// # Errors
/// Under continuous integration: what is expected would follow what came.
pub(super) fn permitted() -> Result<()> {
    if std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false") {
        bail!(
            "`--update` is refused where `CI` is set: update the recording where a person reads the change"
        );
    }
    Ok(())
}

/// Gives every entry what came of it as its expectation. Each file is replaced at once, or stays as it was.
///
/// # Errors
/// When a file cannot be read again or written.
pub(super) fn write(recordings: &[PathBuf], came: &BTreeMap<u64, Expect>) -> Result<()> {
    let mut number = 0;
    for path in recordings {
        write_one(path, came, &mut number).with_context(|| format!("cannot update `{}`", path.display()))?;
    }
    Ok(())
}

fn write_one(path: &Path, came: &BTreeMap<u64, Expect>, number: &mut u64) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let mut reader = Reader::open(path)?;
    while let Some(mut entry) = reader.entry()? {
        entry.expect = came.get(number).cloned();
        *number += 1;
        serde_json::to_writer(&mut file, &entry)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    file.as_file().set_permissions(fs::metadata(path)?.permissions())?;
    file.persist(path)?;
    Ok(())
}
