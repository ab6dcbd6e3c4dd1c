//! Opens a recording of any format as a stream of entries.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use countersign_protocol::recording::Entry;

use crate::draft::{Entries, Pieces};
use crate::format::{Format, PEEKED};
use crate::{audit, har, native, tap, vcr};

/// How a recording is read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What it is; found out from its first bytes when left out.
    pub format: Option<Format>,
    /// What the ids of imported entries begin with, and what messages call the recording: the name of its file, say.
    /// The format's name when left out. Entries of the native form keep their ids.
    pub name: Option<String>,
}

/// What a recording holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Imported {
    /// A request.
    Entry(Box<Entry>),
    /// Something that is no request, or none that can be replayed.
    Skipped(Note),
}

/// What was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What the recording is called.
    pub name: String,
    /// The place in it, from 0, as in [`countersign_protocol::recording::Source::entry`].
    pub place: u64,
    /// What it was and why it was left out.
    pub what: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, entry {}: skipped, {}", self.name, self.place, self.what)
    }
}

/// Why a recording cannot be read further. Nothing comes after it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The reader failed.
    #[error("{name}: cannot be read: {error}")]
    Io {
        /// What the recording is called.
        name: String,
        /// Why.
        error: std::io::Error,
    },
    /// Nothing tells what it is.
    #[error("{name}: is in no format that is known by its first bytes: name the format, or check the file")]
    UnknownFormat {
        /// What the recording is called.
        name: String,
    },
    /// It is not in the format that it should be in.
    #[error("{name}: {message}")]
    Broken {
        /// What the recording is called.
        name: String,
        /// What is wrong, and where.
        message: String,
    },
    /// A line of the native form is wrong.
    #[error(transparent)]
    Native(#[from] native::ReadError),
}

/// A recording that is being read: entries in the order of the source, each when it is asked for.
pub struct Opened<'a> {
    format: Format,
    items: Box<dyn Iterator<Item = Result<Imported, ImportError>> + 'a>,
    over: bool,
}

impl Opened<'_> {
    /// What it is.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }
}

impl Iterator for Opened<'_> {
    type Item = Result<Imported, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let item = self.items.next();
        self.over = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Opens a recording. At most an entry, or what the format needs to hold (`docs/recordings.md`), is in memory.
///
/// # Errors
/// When it cannot be read, or nothing tells its format and none was given.
pub fn open<'a>(input: impl Read + 'a, options: &Options) -> Result<Opened<'a>, ImportError> {
    let name = |format: Option<Format>| {
        let format = format.map_or("recording", Format::name);
        options.name.clone().unwrap_or_else(|| format.to_owned())
    };
    let io = |error| ImportError::Io { name: name(None), error };
    let mut input = BufReader::with_capacity(PEEKED, input);
    let mut head = peek(&mut input).map_err(io)?;
    if head.starts_with(BOM) {
        head.drain(..BOM.len());
    }
    let input = head_first(&head, input);
    let format = options.format.or_else(|| Format::detect(&head));
    let format = format.ok_or_else(|| ImportError::UnknownFormat { name: name(None) })?;
    let name = name(Some(format));
    let pieces: Box<dyn Pieces + 'a> = match format {
        Format::Native => {
            let entries = native::Reader::new(name, input);
            let items = entries.map(|entry| Ok(Imported::Entry(Box::new(entry?))));
            return Ok(Opened { format, items: Box::new(items), over: false });
        }
        Format::Har => Box::new(har::Har::new(input)),
        Format::EnvoyTap => tap::pieces(input, &head),
        Format::Vcr => vcr::pieces(input, &head),
        Format::KubernetesAudit => Box::new(audit::Audit::new(input)),
    };
    Ok(Opened { format, items: Box::new(Entries::new(format, name, pieces)), over: false })
}

/// Some tools begin a file so (UTF-8's byte order mark).
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The first bytes; they must be put back.
fn peek(input: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.take(PEEKED as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn head_first<'a>(head: &[u8], rest: impl BufRead + 'a) -> Box<dyn BufRead + 'a> {
    Box::new(std::io::Cursor::new(head.to_vec()).chain(rest))
}
