//! Clients: requests that come part by part, and leave.

use std::collections::VecDeque;
use std::time::Duration;

use super::run::{Event, Key};
use super::{Gateway, StreamId};
use crate::cluster::{Fields, Time};
use crate::message::{Outcome, Request};
use crate::stream::{Direction, Flow, Stream};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A request that has not ended, and what of it is still to come.
pub(super) struct Client {
    pub(super) worker: usize,
    pub(super) vm: u64,
    /// Its context in that VM.
    pub(super) context: u32,
    parts: VecDeque<Vec<u8>>,
    trailers: Fields,
    gap: Duration,
    /// What is to happen to it.
    pub(super) plans: Vec<Key>,
}

impl Gateway {
    /// A request comes. It is on its way as far as it gets without time going by.
    pub fn begin(&mut self, request: Request) -> StreamId {
        let id = StreamId(self.next_stream);
        self.next_stream += 1;
        let number =
            request.worker.unwrap_or_else(|| usize::try_from(id.0).unwrap_or(0)) % self.workers.len();
        self.revive(number);
        let now = self.now();
        let Some(worker) = self.workers.get_mut(number) else { return id };
        let root = worker.root;
        let Some(vm) = worker.current() else { return id };
        let context = vm.open(Stream::new(id.0, root, now, request.properties));
        let client = Client {
            worker: number,
            vm: vm.host().serial,
            context,
            parts: request.parts.into(),
            trailers: request.trailers,
            gap: request.gap,
            plans: Vec::new(),
        };
        let end = client.parts.is_empty() && client.trailers.is_empty();
        self.clients.insert(id, client);
        if let Some(after) = request.leaves {
            self.plan(id, now + after, Event::Leaves(id));
        }
        self.watch(id);
        self.with_vm(id, |vm, context| vm.headers(context, Direction::Request, request.headers, end));
        self.collect();
        self.feed(id);
        id
    }

    /// Sends a request and lets time go by until it has ended. Without an idle timeout it may never end: then its
    /// client leaves after a day, or when nothing is due any more.
    pub fn send(&mut self, request: Request) -> Outcome {
        let until = self.settings.idle_timeout.map_or(self.now() + DAY, |_| Time::MAX);
        let id = self.begin(request);
        loop {
            if let Some(outcome) = self.take(id) {
                return outcome;
            }
            if !self.step(until) {
                self.leave(id);
            }
        }
    }

    /// The client leaves now.
    pub fn leave(&mut self, id: StreamId) {
        self.with_vm(id, super::super::vm::Vm::leave);
        self.collect();
    }

    /// Gives the filter what a client sends, as far as it takes it and no time has to go by.
    pub(super) fn feed(&mut self, id: StreamId) {
        let limit = self.settings.buffer_limit;
        loop {
            let stopped = self.with_vm(id, |vm, context| {
                let flow = vm.host().streams.get(&context).map(|stream| &stream.request);
                let held = |flow: &Flow| flow.buffered.as_ref().map_or(0, Vec::len);
                flow.is_some_and(|flow| limit > 0 && !flow.limited && held(flow) > limit)
            });
            let now = self.now();
            let Some(client) = self.clients.get_mut(&id) else { return };
            if stopped == Some(true) {
                self.slowed.insert(id);
                return;
            }
            let next = client.parts.pop_front();
            let last = client.parts.is_empty();
            let (gap, trailers) = (client.gap, !client.trailers.is_empty());
            match next {
                Some(part) => {
                    let end = last && !trailers;
                    self.with_vm(id, |vm, context| vm.data(context, Direction::Request, part, end));
                }
                None if trailers => {
                    let trailers = std::mem::take(&mut client.trailers);
                    self.with_vm(id, |vm, context| vm.trailers(context, Direction::Request, trailers));
                }
                None => return,
            }
            self.collect();
            if gap > Duration::ZERO && self.clients.contains_key(&id) && (!last || trailers) {
                self.plan(id, now + gap, Event::Comes(id));
                return;
            }
        }
    }
}
