//! Small files that only this service reads, written whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::random;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refuses.
    #[error("cannot use `{path}`: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not the JSON that it should be.
    #[error("cannot read `{path}`: {source}")]
    Json {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl FileError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    fn json(path: &Path) -> impl FnOnce(serde_json::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Json { path, source }
    }
}

/// Makes a folder that only its owner can enter.
pub(crate) fn private_folder(path: &Path) -> Result<(), FileError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(FileError::io(path))
}

/// Makes an empty file that only its owner can read, unless there is one.
pub(crate) fn private_file(path: &Path) -> Result<(), FileError> {
    private().create(true).append(true).open(path).map(drop).map_err(FileError::io(path))
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Puts `value` in place of the file's content; a reader sees the old or the new, never a part.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(FileError::json(path))?;
    text.push(b'\n');
    replace(path, &text).map_err(FileError::io(path))
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    // No process id: in a container each process may have the same, and a killed one leaves its draft behind.
    let draft = path.with_extension(format!("{}.draft", random::token()?));
    let mut file = private().create_new(true).open(&draft)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    // The new name has to survive a power cut too: gateways know the key that lies under it.
    #[cfg(unix)]
    fs::File::open(path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")))?
        .sync_all()?;
    Ok(())
}

/// Reads a file of JSON.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let text = fs::read(path).map_err(FileError::io(path))?;
    serde_json::from_slice(&text).map_err(FileError::json(path))
}

/// A file that somebody may change while the service runs: read again when it did.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    path: PathBuf,
    last: Mutex<Option<(Stamp, Arc<T>)>>,
}

/// What tells one version of a file from the next.
type Stamp = (SystemTime, u64);

impl<T: DeserializeOwned> Watched<T> {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, last: Mutex::new(None) }
    }

    /// The content as it is now. A file that was broken since is an error, never the old content: somebody
    /// who was removed must not come back because of a typing mistake elsewhere.
    pub(crate) fn get(&self) -> Result<Arc<T>, FileError> {
        let about = fs::metadata(&self.path).map_err(FileError::io(&self.path))?;
        let stamp = (about.modified().map_err(FileError::io(&self.path))?, about.len());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = last.as_ref().filter(|(seen, _)| *seen == stamp) {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(read(&self.path)?);
        *last = Some((stamp, Arc::clone(&value)));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_that_was_left_behind_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        fs::write(path.with_extension(format!("{}.draft", std::process::id())), "half").unwrap();
        write(&path, &["whole"]).unwrap();
        assert_eq!(read::<Vec<String>>(&path).unwrap(), ["whole"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no draft of its own is left");
    }
}
