//! One filter in Envoy's filter chain: what stops it, what is held back, and what lets it go on.
//!
//! Envoy, `source/common/http/filter_manager.cc` and `source/extensions/common/wasm/context.cc`.

use wasmtime::{TypedFunc, WasmParams};

use super::Vm;
use super::exports::Headers;
use crate::cluster::Fields;
use crate::fields;
use crate::reply::{LocalReply, is_grpc};
use crate::stream::{Direction, Flow, Iteration};

/// What a callback's result means to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Continue,
    Stop(Held),
    StopAll(Held),
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
        let now = self.now();
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        stream.active = now;
        let flow = stream.flow(direction);
        (flow.headers, flow.begun, flow.complete) = (headers, true, end);
        (flow.sees.headers, flow.sees.end) = (true, end);
        if direction == Direction::Request {
            stream.head = fields::first(&stream.request.headers, b":method") == Some(b"HEAD");
            stream.grpc = is_grpc(&stream.request.headers);
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
            Status::StopAll(held) => stop_all(flow, held),
        }
    }

    /// A part of a body comes. Nobody waits for it when the request is answered already.
    pub(crate) fn data(&mut self, id: u32, direction: Direction, part: Vec<u8>, end: bool) {
        let now = self.now();
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        if direction == Direction::Request && stream.local {
            return;
        }
        stream.active = now;
        let flow = stream.flow(direction);
        flow.complete |= end;
        flow.received += part.len() as u64;
        if flow.iteration == Iteration::AllStopped {
            flow.part = part;
            self.hold_back(id, direction, None);
            return;
        }
        self.offer(id, direction, part, end);
    }

    /// Trailer fields come.
    pub(crate) fn trailers(&mut self, id: u32, direction: Direction, trailers: Fields) {
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        if direction == Direction::Request && stream.local {
            return;
        }
        let flow = stream.flow(direction);
        (flow.trailers, flow.complete) = (Some(trailers), true);
        if flow.iteration != Iteration::AllStopped {
            self.offer_trailers(id, direction);
        }
    }

    /// The filter looks at a part of a body.
    fn offer(&mut self, id: u32, direction: Direction, part: Vec<u8>, end: bool) {
        let Some(flow) = self.flow(id, direction) else { return };
        flow.part = part;
        if flow.sees.buffer {
            self.join(id, direction);
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
                self.hold_back(id, direction, None);
                self.proceed(id, direction);
            }
            Status::Stop(held) => {
                flow.iteration = Iteration::Stopped;
                self.hold_back(id, direction, Some(held));
            }
            Status::StopAll(held) => stop_all(flow, held),
        }
    }

    /// A part joins what was held back before the filter looks at all of it. If that is too much, the filter is
    /// called all the same with a request; it never hears of the part of a response.
    fn join(&mut self, id: u32, direction: Direction) {
        let deciding = direction == Direction::Request;
        self.set_deciding(id, deciding);
        self.hold_back(id, direction, Some(Held::Buffered));
        self.set_deciding(id, false);
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

    /// Keeps the part that is here; without `held`, as what came before it. Too much is answered with 413 or 500.
    fn hold_back(&mut self, id: u32, direction: Direction, held: Option<Held>) {
        let limit = self.buffer_limit;
        let Some(flow) = self.flow(id, direction) else { return };
        let part = std::mem::take(&mut flow.part);
        match held {
            Some(Held::Dropped) => {
                if flow.complete && flow.trailers.is_none() {
                    flow.buffered.get_or_insert_default();
                }
                return;
            }
            Some(held) => flow.limited = held == Held::Buffered,
            None => {}
        }
        let buffered = flow.buffered.get_or_insert_default();
        let before = buffered.len();
        buffered.extend(part);
        let too_much = limit > 0 && before <= limit && buffered.len() > limit;
        if too_much && flow.limited {
            self.reply(id, too_large(direction));
        }
    }

    /// What was stopped goes on (Envoy, `ActiveStreamFilterBase::commonContinue`).
    pub(super) fn proceed(&mut self, id: u32, direction: Direction) {
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        if direction == Direction::Request && (stream.local || stream.prepared.is_some()) {
            return;
        }
        let flow = stream.flow(direction);
        if !flow.begun {
            return;
        }
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
        let meaning = |result| match result {
            0 | 2 => Status::Continue,
            1 if alone => Status::Stop(Held::Buffered),
            3 => Status::StopAll(Held::Buffered),
            _ => Status::StopAll(Held::Watermark),
        };
        match callback {
            (name, Headers::New(function)) => {
                let parameters = (id, number(count), u32::from(end));
                self.status((id, direction), (name, function), parameters, meaning)
            }
            (name, Headers::Old(function)) => {
                self.status((id, direction), (name, function), (id, number(count)), meaning)
            }
        }
    }

    fn body_status(&mut self, id: u32, direction: Direction, size: usize, end: bool) -> Status {
        let callback = self.exports.body(direction);
        self.status((id, direction), callback, (id, number(size), u32::from(end)), |result| match result {
            0 => Status::Continue,
            1 => Status::Stop(Held::Buffered),
            2 => Status::Stop(Held::Watermark),
            _ => Status::Stop(Held::Dropped),
        })
    }

    fn trailers_status(&mut self, id: u32, direction: Direction, count: usize) -> Status {
        let callback = self.exports.trailers(direction);
        self.status((id, direction), callback, (id, number(count)), |result| match result {
            0 => Status::Continue,
            _ => Status::Stop(Held::Buffered),
        })
    }

    /// Calls the callback, says what its result means, and does what it asked for. A request that was answered
    /// meanwhile stops, whatever the result; so does one whose VM failed, unless it is to pass the filter by.
    fn status<P: WasmParams>(
        &mut self,
        (id, direction): (u32, Direction),
        callback: (&'static str, Option<TypedFunc<P, u32>>),
        parameters: P,
        meaning: impl FnOnce(u32) -> Status,
    ) -> Status {
        let passes = self.host().streams.get(&id).is_none_or(|stream| stream.failed || !stream.created);
        let mut status = Status::Continue;
        if !passes && (callback.1.is_some() || self.is_failed()) {
            let deciding = self.set_deciding(id, direction == Direction::Request);
            let result = self.call(id, callback, parameters);
            status = match (result, self.host().stop_next) {
                (Some(_), true) => Status::StopAll(Held::Watermark),
                (Some(result), false) => meaning(result),
                (None, _) => self.fail(id),
            };
            self.after_call();
            self.set_deciding(id, deciding);
        }
        let prepared = self.host_mut().streams.get_mut(&id).and_then(|stream| stream.prepared.take());
        let Some(reply) = prepared else { return status };
        self.reply(id, reply);
        Status::StopAll(Held::Watermark)
    }

    fn set_deciding(&mut self, id: u32, deciding: bool) -> bool {
        let stream = self.host_mut().streams.get_mut(&id);
        stream.is_some_and(|stream| std::mem::replace(&mut stream.deciding, deciding))
    }
}

fn stop_all(flow: &mut Flow, held: Held) {
    (flow.iteration, flow.limited) = (Iteration::AllStopped, held == Held::Buffered);
}

fn too_large(direction: Direction) -> LocalReply {
    match direction {
        Direction::Request => LocalReply::new(413, "request_payload_too_large", "Payload Too Large"),
        Direction::Response => LocalReply::new(500, "response_payload_too_large", "Internal Server Error"),
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
