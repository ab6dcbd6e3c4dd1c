//! A request and its response on their way through the filter.

use std::collections::BTreeMap;

use crate::cluster::{Fields, Response, Time};
use crate::message::{Ended, Forwarded};
use crate::properties::Properties;
use crate::reply::LocalReply;

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the upstream.
    Request,
    /// Back.
    Response,
}

/// One way through the filter chain, as Envoy's filter manager keeps it for one filter.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) headers: Fields,
    pub(crate) trailers: Option<Fields>,
    /// Whether header fields came.
    pub(crate) begun: bool,
    pub(crate) iteration: Iteration,
    /// Whether the header fields went on.
    pub(crate) headers_continued: bool,
    /// What was held back of the body; nothing is not the same as no bytes.
    pub(crate) buffered: Option<Vec<u8>>,
    /// Whether holding back too much ends the request; otherwise its sender is slowed down.
    pub(crate) limited: bool,
    /// Bytes of the body that came.
    pub(crate) received: u64,
    /// The part of the body that the filter looks at.
    pub(crate) part: Vec<u8>,
    /// Whether the sender has sent everything.
    pub(crate) complete: bool,
    /// Whether the last part went on.
    pub(crate) passed: bool,
    /// Whether what was held back is given again to the filter itself, which has not seen it.
    pub(crate) from_here: bool,
    pub(crate) sees: Sees,
}

/// Whether the chain goes on behind the filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Iteration {
    /// It does.
    #[default]
    Going,
    /// It stopped; the filter still gets what comes.
    Stopped,
    /// It stopped, and what comes is held back from the filter too.
    AllStopped,
}

/// What the filter can read and change at this moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sees {
    pub(crate) headers: bool,
    /// The part of the body that is here.
    pub(crate) part: bool,
    /// Everything that was held back so far, in place of the part.
    pub(crate) buffer: bool,
    pub(crate) trailers: bool,
    /// Whether the part is the last.
    pub(crate) end: bool,
}

/// A request and its response.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u64,
    pub(crate) root: u32,
    /// Whether the filter knows the context.
    pub(crate) created: bool,
    pub(crate) began: Time,
    /// When something happened to it last.
    pub(crate) active: Time,
    pub(crate) request: Flow,
    pub(crate) response: Flow,
    pub(crate) properties: Properties,
    /// What the filter set (`proxy_set_property`).
    pub(crate) state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What reached the upstream so far.
    pub(crate) forwarded: Option<Forwarded>,
    /// What reached the client so far.
    pub(crate) reached: Response,
    /// Whether the client gets header fields alone: it sent `HEAD`.
    pub(crate) head: bool,
    pub(crate) grpc: bool,
    /// Whether a callback for the request itself runs: an answer waits until it is over.
    pub(crate) deciding: bool,
    /// The answer that waits.
    pub(crate) prepared: Option<LocalReply>,
    /// Whether an answer of the gateway itself is on its way.
    pub(crate) local: bool,
    /// Whether that answer passes the filter by, because its VM failed.
    pub(crate) failed: bool,
    /// Why the response is what it is (`response.code_details`).
    pub(crate) details: String,
    /// Whether the access log is being written: everything can be read once more.
    pub(crate) logging: bool,
    pub(crate) ended: Option<Ended>,
}

impl Stream {
    pub(crate) fn new(id: u64, root: u32, began: Time, properties: Properties) -> Self {
        Self {
            id,
            root,
            created: false,
            began,
            active: began,
            request: Flow::default(),
            response: Flow::default(),
            properties,
            state: BTreeMap::new(),
            forwarded: None,
            reached: Response::default(),
            head: false,
            grpc: false,
            deciding: false,
            prepared: None,
            local: false,
            failed: false,
            details: String::new(),
            logging: false,
            ended: None,
        }
    }

    pub(crate) fn flow(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}
