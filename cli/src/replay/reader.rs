//! Reads recordings entry by entry, and hashes what it reads.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use countersign_protocol::Hash;
use countersign_protocol::recording::Entry;
use countersign_recordings::native;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A recording that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// How many entries it has.
    pub entries: u64,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened.
    #[error("cannot read `{path}`: {error}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Something in it.
    #[error(transparent)]
    Native(#[from] native::ReadError),
}

/// A recording that is being read.
pub struct Reader {
    path: PathBuf,
    native: native::Reader<BufReader<Hashed>>,
    hash: Rc<RefCell<Sha256>>,
    entries: u64,
}

/// A file that is hashed as it is read.
struct Hashed {
    file: File,
    hash: Rc<RefCell<Sha256>>,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.file.read(buffer)?;
        self.hash.borrow_mut().update(buffer.get(..size).unwrap_or_default());
        Ok(size)
    }
}

impl Reader {
    /// Opens a recording in the native form.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| ReadError::Open { path: name.clone(), error })?;
        let hash = Rc::new(RefCell::new(Sha256::new()));
        let file = BufReader::with_capacity(1 << 20, Hashed { file, hash: Rc::clone(&hash) });
        Ok(Self { path: path.into(), native: native::Reader::new(name, file), hash, entries: 0 })
    }

    /// The next entry; nothing at the end.
    ///
    /// # Errors
    /// When the file cannot be read on, or the line is no entry.
    pub fn entry(&mut self) -> Result<Option<Entry>, ReadError> {
        let entry = self.native.next().transpose()?;
        self.entries += u64::from(entry.is_some());
        Ok(entry)
    }

    /// What was read, when all of it was.
    #[must_use]
    pub fn recording(&self) -> Recording {
        let sha256 = Hash(self.hash.borrow().clone().finalize().into());
        Recording { path: self.path.clone(), sha256, entries: self.entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_named_by_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        let line = r#"{"v":1,"id":"a","ts":1,"fidelity":"client","request":{"headers":[]}}"#;
        let text = format!("{line}\n\n{}\n", line.replace(r#""id":"a""#, r#""id":"b""#));
        std::fs::write(&path, &text).unwrap();
        let mut reader = Reader::open(&path).unwrap();
        while reader.entry().unwrap().is_some() {}
        let recording = reader.recording();
        assert_eq!((recording.entries, recording.sha256), (2, Hash::of(text.as_bytes())));
    }
}
