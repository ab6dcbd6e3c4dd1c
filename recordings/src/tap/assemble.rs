//! Puts the segments of many traces, which come in turn, together again.

use std::collections::VecDeque;

use super::Traces;
use super::message::HttpStreamedTraceSegment;
use super::trace::{Partial, buffered};
use crate::draft::{Broken, Found, Piece};

/// How many traces are held for segments that may still come, and how many bytes. Nothing in a tap says that a trace
/// has ended: the oldest is let go when there are more, or at the end.
const HELD: usize = 1024;
const WEIGHT: usize = 64 * 1024 * 1024;

/// Requests in the order in which they began.
pub(super) struct Assemble<T> {
    traces: T,
    held: VecDeque<Partial>,
    weight: usize,
    place: u64,
    /// What the traces ended with: it comes after what is held.
    end: Option<Option<Broken>>,
}

impl<T: Traces> Assemble<T> {
    pub(super) fn new(traces: T) -> Self {
        Self { traces, held: VecDeque::new(), weight: 0, place: 0, end: None }
    }

    /// Takes a segment; what cannot be used comes back with the reason.
    fn add(&mut self, place: u64, mut segment: HttpStreamedTraceSegment) -> Option<Piece> {
        let id = segment.trace_id;
        if let Some(headers) = segment.request_headers.take() {
            // Trace ids can repeat: the one before has ended then.
            let before = self.held.iter().position(|held| held.id == id);
            let before = before.and_then(|at| self.held.remove(at)).map(|before| self.let_go(before));
            let partial = Partial::new(id, place, headers.headers);
            self.weight += partial.weight();
            self.held.push_back(partial);
            return before;
        }
        let of_request = segment.request_body_chunk.is_some() || segment.request_trailers.is_some();
        match self.held.iter_mut().rev().find(|held| held.id == id) {
            Some(partial) => {
                self.weight -= partial.weight();
                partial.add(segment);
                self.weight += partial.weight();
                None
            }
            None if of_request => {
                let what = format!("a part of trace {id}, whose beginning is not here or was too long ago");
                Some(Piece { place, found: Found::Nothing(what) })
            }
            None => None,
        }
    }

    fn let_go(&mut self, partial: Partial) -> Piece {
        self.weight -= partial.weight();
        Piece { place: partial.place, found: Found::Request(Box::new(partial.end())) }
    }

    /// The oldest trace, when there are too many or no more segments come.
    fn oldest(&mut self) -> Option<Piece> {
        let full = self.held.len() > HELD || self.weight > WEIGHT;
        if !full && self.end.is_none() {
            return None;
        }
        let partial = self.held.pop_front()?;
        Some(self.let_go(partial))
    }

    fn read(&mut self) -> Option<Piece> {
        let trace = match self.traces.next() {
            Some(Ok(trace)) => trace,
            Some(Err(error)) => {
                self.end = Some(Some(error));
                return None;
            }
            None => {
                self.end = Some(None);
                return None;
            }
        };
        let place = self.place;
        self.place += 1;
        if let Some(segment) = trace.http_streamed_trace_segment {
            return self.add(place, segment);
        }
        let draft = trace.http_buffered_trace.and_then(buffered);
        let nothing = || Found::Nothing("no HTTP request: a tap of a socket, or of nothing".into());
        Some(Piece { place, found: draft.map_or_else(nothing, |draft| Found::Request(Box::new(draft))) })
    }
}

impl<T: Traces> Iterator for Assemble<T> {
    type Item = Result<Piece, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = self.oldest() {
                return Some(Ok(piece));
            }
            if let Some(end) = &mut self.end {
                return end.take().map(Err);
            }
            if let Some(piece) = self.read() {
                return Some(Ok(piece));
            }
        }
    }
}
