//! An answer of which not all is to be shown: looked through as it comes, and never passed on unread.

use countersign_core::engine::Engine;
use countersign_core::life::{Events, Form, Listing, Unreadable};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, BufferType, MapType};

use crate::host;

/// How far an answer is looked through.
#[derive(Debug, Default)]
pub(crate) enum Answer {
    /// Nothing of it is to be looked at.
    #[default]
    Plain,
    /// A document: kept back until it is whole. So many bytes are there.
    Document(usize),
    /// Events: each is passed on when it is whole.
    Events(Events),
    /// It cannot be read: nothing of it is passed on.
    Refused,
}

/// Asks the upstream for an answer that can be read.
pub(crate) fn unencoded() {
    host::report(hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, "accept-encoding", None));
}

fn header(name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, name).ok().flatten()
}

impl Answer {
    /// The answer's headers came, and a body will.
    pub(crate) fn begin(&mut self, listing: &Listing) -> Action {
        let status = header(":status").unwrap_or_default();
        let form =
            Form::of(&status, header("content-type").as_deref(), header("content-encoding").as_deref());
        match form {
            Ok(Form::Other) => return Action::Continue,
            Ok(Form::Json) => *self = Self::Document(0),
            Ok(Form::Events) => *self = Self::Events(Events::default()),
            Err(Unreadable) => return self.refuse(listing),
        }
        host::report(hostcalls::set_map_value_bytes(MapType::HttpResponseHeaders, "content-length", None));
        // Once the headers of a document are gone, its place could not be taken by an error.
        if matches!(self, Self::Document(_)) { Action::Pause } else { Action::Continue }
    }

    /// More of it came: `size` bytes are there.
    pub(crate) fn more(&mut self, listing: &Listing, engine: &Engine, size: usize, end: bool) -> Action {
        let limit = engine.limits().body;
        match self {
            Self::Plain => Action::Continue,
            Self::Refused => {
                // A stream that has begun already ends without what cannot be read.
                pass(size, &[]);
                Action::Continue
            }
            Self::Document(_) if size > limit => self.refuse(listing),
            Self::Document(seen) => {
                *seen = size;
                if end { self.end(listing, engine) } else { Action::Pause }
            }
            Self::Events(events) => {
                let bytes = host::buffer(BufferType::HttpResponseBody, size).ok_or(Unreadable);
                match bytes.and_then(|bytes| events.push(listing, engine, &bytes, limit)) {
                    Ok(shown) => pass(size, &shown),
                    Err(Unreadable) => {
                        pass(size, format!("data: {}\n\n", listing.refusal().body).as_bytes());
                        *self = Self::Refused;
                    }
                }
                Action::Continue
            }
        }
    }

    /// All of it came.
    pub(crate) fn end(&mut self, listing: &Listing, engine: &Engine) -> Action {
        let Self::Document(size) = *self else { return Action::Continue };
        match document(listing, engine, size) {
            Ok(shown) => {
                pass(size, shown.as_bytes());
                Action::Continue
            }
            Err(Unreadable) => self.refuse(listing),
        }
    }

    fn refuse(&mut self, listing: &Listing) -> Action {
        *self = Self::Refused;
        host::reply(&listing.refusal());
        Action::Pause
    }
}

fn document(listing: &Listing, engine: &Engine, size: usize) -> Result<String, Unreadable> {
    let bytes = host::buffer(BufferType::HttpResponseBody, size).ok_or(Unreadable)?;
    listing.filter(engine, str::from_utf8(&bytes).map_err(|_| Unreadable)?)
}

/// Puts `shown` in the place of what came.
fn pass(size: usize, shown: &[u8]) {
    host::report(hostcalls::set_buffer(BufferType::HttpResponseBody, 0, size, shown));
}
