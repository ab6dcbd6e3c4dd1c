//! Reads recordings entry by entry, and hashes what it reads.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use countersign_protocol::recording::Entry;
use countersign_protocol::{Hash, UnixMillis};
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
    /// It is something else than a recording.
    #[error("`{path}`: {why}")]
    Other {
        /// The file.
        path: String,
        /// What it seems to be and what to do.
        why: &'static str,
    },
    /// A time at which no request can be replayed.
    #[error("{file}:{line}: `ts` is {ts}, {why}")]
    Time {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The time.
        ts: UnixMillis,
        /// What is wrong with it and what to do.
        why: &'static str,
    },
}

/// How much time may go by between two entries, 31 days: the gateway lives through every second of it.
const GAP: UnixMillis = 31 * 24 * 60 * 60 * 1_000;

/// A recording that is being read.
pub struct Reader {
    path: PathBuf,
    native: native::Reader<BufReader<Hashed>>,
    hash: Rc<RefCell<Sha256>>,
    bytes: Rc<Cell<u64>>,
    entries: u64,
    last: Option<UnixMillis>,
}

/// What is hashed and counted as it is read.
struct Hashed {
    file: Box<dyn Read>,
    hash: Rc<RefCell<Sha256>>,
    bytes: Rc<Cell<u64>>,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.file.read(buffer)?;
        self.hash.borrow_mut().update(buffer.get(..size).unwrap_or_default());
        self.bytes.set(self.bytes.get() + size as u64);
        Ok(size)
    }
}

impl Reader {
    /// Opens a recording in the native form; `-` is what is piped in.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let file: Box<dyn Read> = match is_piped(path) {
            true => Box::new(std::io::stdin()),
            false if path.is_dir() => {
                return Err(ReadError::Other { path: name, why: "it is a folder: name its files" });
            }
            false => {
                Box::new(File::open(path).map_err(|error| ReadError::Open { path: name.clone(), error })?)
            }
        };
        let (hash, bytes) = (Rc::new(RefCell::new(Sha256::new())), Rc::new(Cell::new(0)));
        let file = Hashed { file, hash: Rc::clone(&hash), bytes: Rc::clone(&bytes) };
        let native = native::Reader::new(name, BufReader::with_capacity(1 << 20, file));
        Ok(Self { path: path.into(), native, hash, bytes, entries: 0, last: None })
    }

    /// How many bytes were read so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// The next entry; nothing at the end.
    ///
    /// # Errors
    /// When the file cannot be read on, or the line is no entry.
    pub fn entry(&mut self) -> Result<Option<Entry>, ReadError> {
        let entry = self.native.next().transpose().map_err(|error| self.explain(error))?;
        self.entries += u64::from(entry.is_some());
        if self.entries == 0 {
            let (path, why) =
                (self.path.display().to_string(), "it has no entry: there is nothing to replay");
            return Err(ReadError::Other { path, why });
        }
        if let Some(entry) = &entry {
            self.check(entry.ts)?;
        }
        Ok(entry)
    }

    /// What begins otherwise is perhaps no recording at all.
    fn explain(&self, error: native::ReadError) -> ReadError {
        let mut begin = [0; 256];
        let read = File::open(&self.path).and_then(|mut file| file.read(&mut begin)).unwrap_or_default();
        let begin = begin.get(..read).filter(|_| self.entries == 0).unwrap_or_default();
        let has = |what: &[u8]| begin.windows(what.len()).any(|window| window == what);
        let why = if begin.starts_with(b"\xef\xbb\xbf") {
            "it begins with a byte order mark: take it out"
        } else if self.entries == 0 && self.path.is_file() && (has(b"\"log\"") || !has(b"\"v\"")) {
            "it is no recording: `countersign record` makes one of a HAR and of what other tools wrote"
        } else {
            return error.into();
        };
        ReadError::Other { path: self.path.display().to_string(), why }
    }

    fn check(&mut self, ts: UnixMillis) -> Result<(), ReadError> {
        let gap = self.last.replace(ts).map_or(0, |last| ts.saturating_sub(last));
        if gap <= GAP {
            return Ok(());
        }
        let why = "more than 31 days after the entry before: make two recordings of it";
        let (file, line) = (self.path.display().to_string(), self.native.line());
        Err(ReadError::Time { file, line, ts, why })
    }

    /// SHA-256 of the whole file, the rest of which is read as it is, whatever it holds.
    ///
    /// # Errors
    /// When it cannot be read on.
    pub fn hash(self) -> Result<Hash, ReadError> {
        let path = self.path.display().to_string();
        let mut rest = self.native.into_inner();
        std::io::copy(&mut rest, &mut std::io::sink()).map_err(|error| ReadError::Open { path, error })?;
        Ok(Hash(self.hash.borrow().clone().finalize().into()))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was read, when all of it was.
    #[must_use]
    pub fn recording(&self) -> Recording {
        let sha256 = Hash(self.hash.borrow().clone().finalize().into());
        Recording { path: self.path.clone(), sha256, entries: self.entries }
    }
}

/// Whether a recording is what is piped in: it can be read once.
pub(crate) fn is_piped(path: &Path) -> bool {
    path == Path::new("-")
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

    #[test]
    fn times_that_cannot_be_replayed_are_said_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        let line = |ts: i64| {
            format!(r#"{{"v":1,"id":"{ts}","ts":{ts},"fidelity":"client","request":{{"headers":[]}}}}"#)
        };
        let day = 24 * 60 * 60 * 1_000;
        for (first, second, said) in [
            (-1, 0, "r.jsonl:1: `ts` is -1: write milliseconds since 1970"),
            (0, i64::MAX, "r.jsonl:2: `ts` is 9223372036854775807: write milliseconds since 1970"),
            (0, 32 * day, "r.jsonl:2: `ts` is 2764800000, more than 31 days after"),
        ] {
            std::fs::write(&path, format!("{}\n{}\n", line(first), line(second))).unwrap();
            let mut reader = Reader::open(&path).unwrap();
            let error = std::iter::from_fn(|| reader.entry().transpose()).find_map(Result::err).unwrap();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
