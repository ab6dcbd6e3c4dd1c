//! Reads recordings entry by entry, and hashes what it reads.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use countersign_protocol::Hash;
use countersign_protocol::recording::{Entry, VERSION};
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
    /// The file itself.
    #[error("cannot read `{path}`: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// One of its lines.
    #[error("`{path}`, line {line}: {error}")]
    Line {
        /// The file.
        path: String,
        /// From 1.
        line: u64,
        /// Why.
        error: LineError,
    },
}

/// Why a line is no entry.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It has another form.
    #[error("not an entry of a recording: {0}")]
    Form(#[from] serde_json::Error),
    /// It is of another version.
    #[error("version {0}, this reads version {VERSION}")]
    Version(u8),
    /// It comes before the one before it.
    #[error("it is older than the entry before it: sort the recording by `ts`")]
    Order,
}

/// A recording that is being read.
pub struct Reader {
    path: PathBuf,
    lines: BufReader<File>,
    hash: Sha256,
    line: u64,
    entries: u64,
    last: i64,
    text: Vec<u8>,
}

impl Reader {
    /// Opens a recording.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path);
        let file = file.map_err(|error| ReadError::File { path: path.display().to_string(), error })?;
        Ok(Self {
            path: path.into(),
            lines: BufReader::with_capacity(1 << 20, file),
            hash: Sha256::new(),
            line: 0,
            entries: 0,
            last: i64::MIN,
            text: Vec::new(),
        })
    }

    /// The next entry; nothing at the end. Empty lines are passed over.
    ///
    /// # Errors
    /// When the file cannot be read on, or the line is no entry.
    pub fn entry(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            self.text.clear();
            let read = self.lines.read_until(b'\n', &mut self.text);
            let read =
                read.map_err(|error| ReadError::File { path: self.path.display().to_string(), error })?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            self.hash.update(&self.text);
            if self.text.trim_ascii().is_empty() {
                continue;
            }
            let entry = self.parsed().map_err(|error| ReadError::Line {
                path: self.path.display().to_string(),
                line: self.line,
                error,
            })?;
            self.entries += 1;
            return Ok(Some(entry));
        }
    }

    fn parsed(&mut self) -> Result<Entry, LineError> {
        let entry: Entry = serde_json::from_slice(&self.text)?;
        if entry.v != VERSION {
            return Err(LineError::Version(entry.v));
        }
        if std::mem::replace(&mut self.last, entry.ts) > entry.ts {
            return Err(LineError::Order);
        }
        Ok(entry)
    }

    /// What was read so far.
    #[must_use]
    pub fn recording(&self) -> Recording {
        let sha256 = Hash(self.hash.clone().finalize().into());
        Recording { path: self.path.clone(), sha256, entries: self.entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        std::fs::write(&path, text).unwrap();
        let mut reader = Reader::open(&path).unwrap();
        let mut ids = Vec::new();
        loop {
            match reader.entry() {
                Ok(Some(entry)) => ids.push(entry.id),
                Ok(None) => {
                    assert_eq!(reader.recording().sha256, Hash::of(text.as_bytes()));
                    return (ids, None);
                }
                Err(error) => {
                    return (ids, Some(error.to_string().replace(&path.display().to_string(), "r")));
                }
            }
        }
    }

    fn line(id: &str, ts: i64) -> String {
        format!(r#"{{"v":1,"id":"{id}","ts":{ts},"fidelity":"client","request":{{"headers":[]}}}}"#)
    }

    #[test]
    fn entries_are_read_in_order_and_what_is_wrong_is_named() {
        let (one, two) = (line("a", 1), line("b", 1));
        assert_eq!(read(&format!("{one}\n\n{two}")), (vec!["a".into(), "b".into()], None));
        let (ids, error) = read(&format!("{}\n{one}\n", line("b", 2)));
        let order = "`r`, line 2: it is older than the entry before it: sort the recording by `ts`";
        assert_eq!((ids, error.as_deref()), (vec!["b".to_owned()], Some(order)));
        let error = read(&one.replace(r#""v":1"#, r#""v":2"#)).1.unwrap();
        assert_eq!(error, "`r`, line 1: version 2, this reads version 1");
        let error = read(&one.replace("ts", "time")).1.unwrap();
        assert!(error.contains("line 1: not an entry of a recording: unknown field `time`"), "{error}");
    }
}
