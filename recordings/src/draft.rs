//! A request on its way from another tool's recording to an entry.

use std::collections::VecDeque;

use countersign_protocol::recording::{self, Entry, Fidelity, Peer, Request, Source, lost};
use serde_json::{Map, Value};

use crate::format::Format;
use crate::open::{ImportError, Imported, Note};

/// What an importer found at one place of its source.
pub(crate) struct Piece {
    /// The place, from 0.
    pub(crate) place: u64,
    /// What is there.
    pub(crate) found: Found,
}

pub(crate) enum Found {
    Request(Box<Draft>),
    /// Nothing to replay, and why not.
    Nothing(String),
}

/// What an importer is: pieces in the order of the source.
pub(crate) trait Pieces: Iterator<Item = Result<Piece, Broken>> {}

impl<T: Iterator<Item = Result<Piece, Broken>>> Pieces for T {}

/// Why an importer cannot go on.
#[derive(Debug)]
pub(crate) enum Broken {
    Io(std::io::Error),
    /// What is wrong, and where.
    Wrong(String),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// A request that has no id yet.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Milliseconds since the Unix epoch.
    pub(crate) time: Option<i64>,
    /// The program that wrote it.
    pub(crate) tool: Option<String>,
    pub(crate) fidelity: Fidelity,
    pub(crate) lost: Vec<&'static str>,
    pub(crate) peer: Peer,
    pub(crate) claims: Map<String, Value>,
    pub(crate) request: Request,
}

impl Draft {
    pub(crate) fn new(fidelity: Fidelity, request: Request) -> Self {
        let (time, tool, lost, peer, claims) = (None, None, Vec::new(), Peer::default(), Map::new());
        Self { time, tool, fidelity, lost, peer, claims, request }
    }

    /// Notes that `what` is not as it was, once.
    pub(crate) fn lose(&mut self, what: &'static str) {
        if !self.lost.contains(&what) {
            self.lost.push(what);
        }
    }

    /// Sets the time; one that is not exact is noted.
    pub(crate) fn at(&mut self, time: Option<i64>, exact: bool) {
        self.time = time;
        if !exact {
            self.lose(lost::TIME);
        }
    }
}

/// Makes entries of pieces.
pub(crate) struct Entries<P> {
    format: Format,
    name: String,
    ids: String,
    /// The time of the entry before, once one has a time.
    last: Option<i64>,
    /// What came before the first time.
    timeless: VecDeque<Result<Piece, Broken>>,
    pieces: P,
}

/// How many pieces are held until one has a time.
const TIMELESS: usize = 4096;

impl<P: Pieces> Entries<P> {
    pub(crate) fn new(format: Format, name: String, ids: String, pieces: P) -> Self {
        Self { format, name, ids, last: None, timeless: VecDeque::new(), pieces }
    }

    fn entry(&mut self, place: u64, mut draft: Draft) -> Entry {
        if draft.time.is_none() {
            draft.lose(lost::TIME);
        }
        let ts = draft.time.or(self.last).unwrap_or(0);
        self.last = Some(ts);
        Entry {
            v: recording::VERSION,
            id: format!("{}-{place}", self.ids),
            ts,
            source: Some(Source { kind: self.format.name().into(), tool: draft.tool, entry: place }),
            fidelity: draft.fidelity,
            lost: draft.lost.into_iter().map(str::to_owned).collect(),
            peer: draft.peer,
            route: None,
            claims: draft.claims,
            request: draft.request,
            leaves: None,
            people: Vec::new(),
            service: Vec::new(),
            expect: None,
        }
    }
}

impl<P: Pieces> Entries<P> {
    /// The next piece. Requests without a time get that of the one before; those at the beginning, of the first that has
    /// one.
    fn piece(&mut self) -> Option<Result<Piece, Broken>> {
        while self.last.is_none() && self.timeless.len() < TIMELESS {
            let Some(piece) = self.pieces.next() else { break };
            let broken = piece.is_err();
            if let Ok(Piece { found: Found::Request(draft), .. }) = &piece {
                self.last = draft.time;
            }
            self.timeless.push_back(piece);
            if broken {
                // Nothing comes after it.
                break;
            }
        }
        self.timeless.pop_front().or_else(|| self.pieces.next())
    }
}

impl<P: Pieces> Iterator for Entries<P> {
    type Item = Result<Imported, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.name.clone();
        Some(match self.piece()? {
            Ok(Piece { place, found: Found::Request(draft) }) => {
                Ok(Imported::Entry(Box::new(self.entry(place, *draft))))
            }
            Ok(Piece { place, found: Found::Nothing(what) }) => {
                Ok(Imported::Skipped(Note { name, place, what }))
            }
            Err(Broken::Io(error)) => Err(ImportError::Io { name, error }),
            Err(Broken::Wrong(message)) => Err(ImportError::Broken { name, message }),
        })
    }
}
