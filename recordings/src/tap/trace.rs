//! One request of a tap, while its parts come and when it is whole.

use std::net::IpAddr;

use countersign_protocol::recording::{Bytes, Fidelity, Peer, Request, lost};

use super::message::{Body, Connection, HeaderValue, HttpBufferedTrace, HttpStreamedTraceSegment};
use crate::draft::Draft;
use crate::{head, time};

/// What the router adds when everything before it is done: a filter never sees it.
const ADDED_AT_END: &str = "x-envoy-expected-rq-timeout-ms";

/// A request of which segments come.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) id: u64,
    /// The place of its first segment.
    pub(super) place: u64,
    headers: Vec<(String, Bytes)>,
    body: Option<Vec<u8>>,
    chunks: Vec<usize>,
    trailers: Vec<(String, Bytes)>,
    /// Its answer came, so that the request had most likely ended.
    answered: bool,
    /// The date of the answer.
    date: Option<i64>,
    lost: Vec<&'static str>,
}

impl Partial {
    pub(super) fn new(id: u64, place: u64, headers: Vec<HeaderValue>) -> Self {
        let (headers, body, chunks, trailers, lost) = (fields(headers), None, vec![], vec![], vec![]);
        Self { id, place, headers, body, chunks, trailers, answered: false, date: None, lost }
    }

    /// What it takes in memory, about, bytes.
    pub(super) fn weight(&self) -> usize {
        let field = |(name, value): &(String, Bytes)| 64 + name.len() + value.0.len();
        let fields: usize = self.headers.iter().chain(&self.trailers).map(field).sum();
        self.body.as_ref().map_or(0, Vec::len) + size_of::<usize>() * self.chunks.len() + fields
    }

    /// Takes one more segment.
    pub(super) fn add(&mut self, segment: HttpStreamedTraceSegment) {
        if let Some(body) = segment.request_body_chunk {
            let (bytes, lost) = bytes(body);
            self.lost.extend(lost);
            self.chunks.push(bytes.len());
            self.body.get_or_insert_default().extend(bytes);
        }
        if let Some(trailers) = segment.request_trailers {
            self.trailers.extend(fields(trailers.headers));
        }
        if let Some(answer) = segment.response_headers {
            self.answered = true;
            self.date = head::value(&fields(answer.headers), "date").and_then(time::http);
        }
    }

    /// All that comes of it has come.
    pub(super) fn end(self) -> Draft {
        let ended = self.answered || !self.trailers.is_empty();
        let request = Request { headers: self.headers, trailers: self.trailers, ..Request::default() };
        let mut draft = Draft::new(Fidelity::Gateway, request);
        draft.at(self.date, false);
        draft.peer = Peer { address: external(&draft), uri_san: None };
        draft.lose(lost::PEER);
        self.lost.into_iter().for_each(|lost| draft.lose(lost));
        take(&mut draft, self.body, ended);
        if self.chunks.len() > 1 {
            draft.request.chunks = self.chunks;
        }
        draft
    }
}

/// The client's address as Envoy found it, where it wrote that down.
fn external(draft: &Draft) -> Option<IpAddr> {
    head::value(&draft.request.headers, "x-envoy-external-address")?.parse().ok()
}

/// A trace that was written when its request had ended.
pub(super) fn buffered(trace: HttpBufferedTrace) -> Option<Draft> {
    let message = trace.request.filter(|request| !request.headers.is_empty())?;
    let mut headers = fields(message.headers);
    headers.retain(|(name, _)| name != ADDED_AT_END);
    let request = Request { headers, trailers: fields(message.trailers), ..Request::default() };
    let ended = trace.response.is_some_and(|response| !response.headers.is_empty());
    let mut draft = Draft::new(Fidelity::Gateway, request);
    draft.lose(lost::HEADERS_AT_END);
    draft.time = message.headers_received_time.and_then(super::message::Timestamp::millis);
    draft.peer.address = trace.downstream_connection.and_then(address);
    if draft.peer.address.is_none() {
        draft.peer.address = external(&draft);
        draft.lose(lost::PEER);
    }
    let body = message.body.map(|body| {
        let (bytes, lost) = bytes(body);
        lost.into_iter().for_each(|lost| draft.lose(lost));
        bytes
    });
    if body.as_ref().is_some_and(|body| !body.is_empty()) {
        draft.lose(lost::CHUNKS);
    }
    let ended = ended || !draft.request.trailers.is_empty();
    take(&mut draft, body, ended);
    Some(draft)
}

fn address(connection: Connection) -> Option<IpAddr> {
    connection.remote_address?.socket_address?.address.parse().ok()
}

/// The body is as the gateway had it: a length that does not fit means that the rest did not come or was not kept.
fn take(draft: &mut Draft, body: Option<Vec<u8>>, ended: bool) {
    let length = body.as_ref().map_or(0, Vec::len);
    let whole = draft.content_length().map_or(ended || body.is_none(), |declared| declared == length);
    if !whole {
        draft.lose(lost::BODY);
    }
    draft.request.body = body.map(Bytes);
}

/// The bytes, and what of them is not as it was. As a string Envoy writes a space for each byte that is not UTF-8.
fn bytes(body: Body) -> (Vec<u8>, Vec<&'static str>) {
    let mut lost = Vec::new();
    if body.truncated {
        lost.push(lost::BODY);
    }
    match (body.as_bytes, body.as_string) {
        (Some(bytes), _) => (bytes, lost),
        (None, Some(text)) => {
            lost.push(lost::BODY_BYTES);
            (text.into_bytes(), lost)
        }
        (None, None) => (Vec::new(), lost),
    }
}

fn fields(headers: Vec<HeaderValue>) -> Vec<(String, Bytes)> {
    let field = |header: HeaderValue| {
        let raw = header.raw_value.filter(|raw| !raw.is_empty());
        (header.key, Bytes(raw.unwrap_or_else(|| header.value.into_bytes())))
    };
    headers.into_iter().map(field).collect()
}
