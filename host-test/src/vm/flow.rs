//! One filter in Envoy's filter chain: what stops it, what is held back, and what lets it go on.
//!
//! Envoy, `source/common/http/filter_manager.cc` and `source/extensions/common/wasm/context.cc`.

use super::Vm;
use crate::cluster::Fields;
use crate::reply::LocalReply;
use crate::stream::{Direction, Flow, Iteration};

/// What a callback's result means to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Continue,
    Stop(Held),
    StopAll,
}

/// What becomes of the part of a body with which the chain stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Buffered,
    /// Held back as well, but the sender is slowed down instead of refused when it is too much.
    Watermark,
    Dropped,
}

/// Something that goes on behind the filter.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Headers,
    Body(Vec<u8>),
    Trailers,
}

impl Vm {
    fn flow(&mut self, id: u32, direction: Direction) -> Option<&mut Flow> {
        self.host_mut().streams.get_mut(&id).map(|stream| stream.flow(direction))
    }

    /// Header fields come.
    pub(crate) fn headers(&mut self, id: u32, direction: Direction, headers: Fields, end: bool) {
        let Some(flow) = self.flow(id, direction) else { return };
        (flow.headers, flow.complete) = (headers, end);
        (flow.sees.headers, flow.sees.end) = (true, end);
        if direction == Direction::Request {
            self.create(id);
        }
        let count = self.flow(id, direction).map_or(0, |flow| flow.headers.len());
        let status = self.headers_status(id, direction, count, end);
        let Some(flow) = self.flow(id, direction) else { return };
        match status {
            Status::Continue => {
                flow.sees.headers = false;
                if !std::mem::replace(&mut flow.headers_continued, true) {
                    let end = flow.complete && flow.buffered.is_none() && flow.trailers.is_none();
                    self.pass(id, direction, Part::Headers, end);
                }
            }
            Status::Stop(_) => flow.iteration = Iteration::Stopped,
            Status::StopAll => flow.iteration = Iteration::AllStopped,
        }
    }

    /// A part of a body comes.
    pub(crate) fn data(&mut self, id: u32, direction: Direction, part: Vec<u8>, end: bool) {
        let Some(flow) = self.flow(id, direction) else { return };
        flow.complete |= end;
        if flow.iteration == Iteration::AllStopped {
            flow.buffered.get_or_insert_default().extend(part);
            return;
        }
        self.offer(id, direction, part, end);
    }

    /// Trailer fields come.
    pub(crate) fn trailers(&mut self, id: u32, direction: Direction, trailers: Fields) {
        let Some(flow) = self.flow(id, direction) else { return };
        (flow.trailers, flow.complete) = (Some(trailers), true);
        if flow.iteration != Iteration::AllStopped {
            self.offer_trailers(id, direction);
        }
    }

    /// The filter looks at a part of a body.
    fn offer(&mut self, id: u32, direction: Direction, part: Vec<u8>, end: bool) {
        let Some(flow) = self.flow(id, direction) else { return };
        flow.part = part;
        if flow.sees.buffer && !self.hold_back(id, direction, Held::Buffered) {
            return;
        }
        let Some(flow) = self.flow(id, direction) else { return };
        (flow.sees.part, flow.sees.end) = (true, end);
        let size =
            if flow.sees.buffer { flow.buffered.as_ref().map_or(0, Vec::len) } else { flow.part.len() };
        let status = self.body_status(id, direction, size, end);
        let Some(flow) = self.flow(id, direction) else { return };
        flow.sees.buffer = status == Status::Stop(Held::Buffered);
        flow.sees.part &= status != Status::Continue;
        match status {
            Status::Continue if flow.iteration == Iteration::Going => {
                let part = std::mem::take(&mut flow.part);
                let end = end && flow.trailers.is_none();
                self.pass(id, direction, Part::Body(part), end);
                self.pass_added_trailers(id, direction);
            }
            Status::Continue => {
                if self.hold_back(id, direction, Held::Buffered) {
                    self.proceed(id, direction);
                }
            }
            Status::Stop(held) => {
                flow.iteration = Iteration::Stopped;
                self.hold_back(id, direction, held);
            }
            Status::StopAll => flow.iteration = Iteration::AllStopped,
        }
    }

    /// Trailer fields that the filter added to the last part of a body.
    fn pass_added_trailers(&mut self, id: u32, direction: Direction) {
        if self.flow(id, direction).is_some_and(|flow| flow.sees.end && flow.trailers.is_some()) {
            self.pass(id, direction, Part::Trailers, true);
        }
    }

    fn offer_trailers(&mut self, id: u32, direction: Direction) {
        let Some(flow) = self.flow(id, direction) else { return };
        flow.sees.trailers = true;
        let count = flow.trailers.as_ref().map_or(0, Vec::len);
        let status = self.trailers_status(id, direction, count);
        let Some(flow) = self.flow(id, direction) else { return };
        match status {
            Status::Continue => {
                flow.sees.trailers = false;
                match flow.iteration {
                    Iteration::Going => self.pass(id, direction, Part::Trailers, true),
                    _ => self.proceed(id, direction),
                }
            }
            _ if flow.iteration == Iteration::Going => flow.iteration = Iteration::Stopped,
            _ => {}
        }
    }

    /// Keeps the part that the filter looked at; whether the request goes on after it.
    fn hold_back(&mut self, id: u32, direction: Direction, held: Held) -> bool {
        let limit = self.buffer_limit;
        let Some(flow) = self.flow(id, direction) else { return false };
        let part = std::mem::take(&mut flow.part);
        if held == Held::Dropped {
            if flow.complete && flow.trailers.is_none() {
                flow.buffered.get_or_insert_default();
            }
            return true;
        }
        let buffered = flow.buffered.get_or_insert_default();
        buffered.extend(part);
        if buffered.len() <= limit || held == Held::Watermark {
            return true;
        }
        let reply = match direction {
            Direction::Request => LocalReply::new(413, "request_payload_too_large", "Payload Too Large"),
            Direction::Response => {
                LocalReply::new(500, "response_payload_too_large", "Internal Server Error")
            }
        };
        self.reply(id, reply);
        false
    }

    /// What was stopped goes on (Envoy, `ActiveStreamFilterBase::commonContinue`).
    pub(super) fn proceed(&mut self, id: u32, direction: Direction) {
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        if direction == Direction::Request && stream.local {
            return;
        }
        let flow = stream.flow(direction);
        flow.from_here |= flow.iteration == Iteration::AllStopped;
        (flow.iteration, flow.sees.buffer) = (Iteration::Going, false);
        let trailers = flow.trailers.is_some() && !flow.passed;
        if !std::mem::replace(&mut flow.headers_continued, true) {
            let end = flow.complete && flow.buffered.is_none() && !trailers;
            self.pass(id, direction, Part::Headers, end);
        }
        let Some(flow) = self.flow(id, direction) else { return };
        let (from_here, complete) = (flow.from_here, flow.complete);
        if let Some(body) = flow.buffered.take() {
            let end = complete && !trailers;
            match from_here {
                true => self.offer(id, direction, body, end),
                false => self.pass(id, direction, Part::Body(body), end),
            }
        }
        if trailers {
            match from_here {
                true => self.offer_trailers(id, direction),
                false => self.pass(id, direction, Part::Trailers, true),
            }
        }
        if let Some(flow) = self.flow(id, direction) {
            flow.from_here = false;
        }
    }

    fn headers_status(&mut self, id: u32, direction: Direction, count: usize, end: bool) -> Status {
        let callback = self.exports.headers(direction);
        let alone = self.host().streams.get(&id).is_some_and(|stream| {
            self.host().roots.get(&stream.root).is_some_and(|root| root.plugin.headers_pause_alone)
        });
        self.status(id, callback, (id, number(count), u32::from(end)), |result| match result {
            0 | 2 => Status::Continue,
            1 if alone => Status::Stop(Held::Buffered),
            _ => Status::StopAll,
        })
    }

    fn body_status(&mut self, id: u32, direction: Direction, size: usize, end: bool) -> Status {
        let callback = self.exports.body(direction);
        self.status(id, callback, (id, number(size), u32::from(end)), |result| match result {
            0 => Status::Continue,
            1 => Status::Stop(Held::Buffered),
            2 => Status::Stop(Held::Watermark),
            _ => Status::Stop(Held::Dropped),
        })
    }

    fn trailers_status(&mut self, id: u32, direction: Direction, count: usize) -> Status {
        let callback = self.exports.trailers(direction);
        self.status(id, callback, (id, number(count)), |result| match result {
            0 => Status::Continue,
            _ => Status::Stop(Held::Buffered),
        })
    }

    /// Calls the callback, says what its result means, and does what it asked for. A request that was answered
    /// meanwhile stops, whatever the result; so does one whose VM failed, unless it is to pass the filter by.
    fn status<P: wasmtime::WasmParams>(
        &mut self,
        id: u32,
        callback: (&'static str, Option<wasmtime::TypedFunc<P, u32>>),
        parameters: P,
        meaning: impl FnOnce(u32) -> Status,
    ) -> Status {
        let passes = self.host().streams.get(&id).is_none_or(|stream| stream.failed || !stream.created);
        if passes || (callback.1.is_none() && !self.is_failed()) {
            return Status::Continue;
        }
        let result = self.call(id, callback, parameters);
        let status = match (result, self.host().stop_next) {
            (Some(_), true) => Status::StopAll,
            (Some(result), false) => meaning(result),
            (None, _) => self.fail(id),
        };
        self.after_call();
        status
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
