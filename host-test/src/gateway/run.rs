//! What happens when: one thing after another, in the order of the virtual clock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::workers::Worker;
use super::{Gateway, StreamId};
use crate::cluster::{Answer, Time};
use crate::host::Effect;
use crate::message::{Ended, Outcome};
use crate::reply::LocalReply;
use crate::stream::Stream;
use crate::vm::Vm;

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum Event {
    /// The next part of a request comes.
    Comes(StreamId),
    /// Its client leaves.
    Leaves(StreamId),
    /// The upstream answers.
    Responds(StreamId, Answer),
    /// The upstream takes too long for that.
    Late(StreamId),
    /// It may have been idle for too long.
    Idle(StreamId),
}

/// What is to happen, by time and then in the order in which it was added.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    events: BTreeMap<Key, Event>,
    number: u64,
}

/// Finds an event again.
pub(super) type Key = (Time, u64);

impl Agenda {
    fn add(&mut self, at: Time, event: Event) -> Key {
        self.number += 1;
        let key = (at, self.number);
        self.events.insert(key, event);
        key
    }

    fn due(&self) -> Option<Time> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    fn take(&mut self, now: Time) -> Option<Event> {
        let first = self.events.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

impl Gateway {
    /// Lets time go by until `until`, and everything happen that is due by then.
    pub fn run_until(&mut self, until: Time) {
        while self.step(until) {}
        self.process.borrow_mut().go_on(until);
    }

    /// Lets this much time go by.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now() + time);
    }

    /// Lets time go by until no request is open any more, at most for this long. Whether that was enough.
    pub fn settle(&mut self, patience: Duration) -> bool {
        let until = self.now() + patience;
        while self.open() > 0 && self.step(until) {}
        self.open() == 0
    }

    /// Goes to the next moment at which something is due, unless it is after `until`, and lets it happen. Whether
    /// there was one.
    pub(super) fn step(&mut self, until: Time) -> bool {
        let ticks = self.workers.iter_mut().flat_map(Worker::vms).filter_map(|vm| vm.tick_due()).min();
        let due = [self.agenda.due(), self.process.borrow().due(), ticks].into_iter().flatten().min();
        let Some(due) = due.filter(|due| *due <= until) else { return false };
        let now = due.max(self.now());
        self.process.borrow_mut().go_on(now);
        while let Some(event) = self.agenda.take(now) {
            self.happen(event);
        }
        self.answer();
        for worker in 0..self.workers.len() {
            for vm in self.workers.get_mut(worker).map(Worker::vms).into_iter().flatten() {
                vm.tick();
            }
            self.collect();
        }
        true
    }

    /// Something is to happen to a request, unless it has ended by then.
    pub(super) fn plan(&mut self, id: StreamId, at: Time, event: Event) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.plans.push(self.agenda.add(at, event));
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Comes(id) => self.feed(id),
            Event::Leaves(id) => self.leave(id),
            Event::Responds(id, answer) => {
                self.with_vm(id, |vm, context| vm.respond(context, answer));
                self.collect();
            }
            Event::Late(id) => {
                self.with_vm(id, |vm, context| vm.reply(context, late()));
                self.collect();
            }
            Event::Idle(id) => self.watch(id),
        }
    }

    /// Answers a request to which nothing has happened for too long, or looks again when that may be.
    pub(super) fn watch(&mut self, id: StreamId) {
        let (now, Some(timeout)) = (self.now(), self.settings.idle_timeout) else { return };
        let active =
            self.with_vm(id, |vm, context| vm.host().streams.get(&context).map(|stream| stream.active));
        let Some(active) = active.flatten() else { return };
        let at = active + timeout;
        if at > now {
            return self.plan(id, at, Event::Idle(id));
        }
        self.with_vm(id, |vm, context| {
            let whole = vm.host().streams.get(&context).is_some_and(|stream| stream.request.complete);
            let status = if whole { 504 } else { 408 };
            vm.reply(context, LocalReply::new(status, "stream_idle_timeout", "stream timeout"));
        });
        self.collect();
    }

    /// Gives filters the answers to their calls.
    fn answer(&mut self) {
        let answered = self.process.borrow_mut().answered();
        for (call, answer) in answered {
            let vm = self.workers.iter_mut().find_map(|worker| worker.find(call.vm));
            let goes_on = self.process.borrow_mut().again();
            if let Some(vm) = vm {
                match goes_on {
                    true => vm.answered(call.root, call.token, answer),
                    false => vm.give_up(),
                }
            }
            self.collect();
        }
    }

    /// Runs something in a request's VM.
    pub(super) fn with_vm<R>(&mut self, id: StreamId, work: impl FnOnce(&mut Vm, u32) -> R) -> Option<R> {
        let client = self.clients.get(&id)?;
        let vm = self.workers.get_mut(client.worker)?.find(client.vm)?;
        Some(work(vm, client.context))
    }

    /// Does what VMs left to be done, until there is nothing more.
    pub(super) fn collect(&mut self) {
        loop {
            let mut effects = Vec::new();
            for vm in self.workers.iter_mut().flat_map(Worker::vms) {
                let known = std::mem::take(&mut vm.host_mut().effects);
                effects.extend(known.into_iter().map(|effect| (vm.host().serial, effect)));
            }
            let ready = self.process.borrow_mut().shared.take_ready();
            if effects.is_empty() && ready.is_empty() {
                break;
            }
            for (vm, effect) in effects {
                self.effect(vm, effect);
            }
            for ((vm, root), token) in ready {
                let vm = self.workers.iter_mut().find_map(|worker| worker.find(vm));
                let goes_on = self.process.borrow_mut().again();
                vm.into_iter().for_each(|vm| match goes_on {
                    true => vm.queue_ready(root, token),
                    false => vm.give_up(),
                });
            }
        }
        for id in std::mem::take(&mut self.slowed) {
            self.feed(id);
        }
    }

    fn effect(&mut self, vm: u64, effect: Effect) {
        match effect {
            Effect::Forwarded(context) => {
                let vm = self.workers.iter_mut().find_map(|worker| worker.find(vm));
                let stream = vm.and_then(|vm| vm.host().streams.get(&context));
                let Some((id, Some(forwarded))) = stream.map(|stream| (stream.id, &stream.forwarded)) else {
                    return;
                };
                let (after, answer) = self.upstream.respond(forwarded);
                let id = StreamId(id);
                match self.settings.route_timeout.filter(|timeout| *timeout < after) {
                    Some(timeout) => self.plan(id, self.now() + timeout, Event::Late(id)),
                    None => self.plan(id, self.now() + after, Event::Responds(id, answer)),
                }
            }
            Effect::Ended(stream) => self.end(*stream),
        }
    }

    fn end(&mut self, stream: Stream) {
        let id = StreamId(stream.id);
        let Some(client) = self.clients.remove(&id) else { return };
        client.plans.iter().for_each(|key| _ = self.agenda.events.remove(key));
        self.slowed.remove(&id);
        for (name, value) in &stream.state {
            let mut process = self.process.borrow_mut();
            process.release(name.len());
            process.release(value.len());
        }
        let outcome = Outcome {
            ended: stream.ended.unwrap_or(Ended::Reset),
            began: stream.began,
            at: self.now(),
            response: stream.reached,
            forwarded: stream.forwarded,
            state: stream.state.into_iter().collect(),
            worker: client.worker,
        };
        self.outcomes.insert(id, outcome);
        self.tidy();
    }
}

fn late() -> LocalReply {
    LocalReply::new(504, "response_timeout", "upstream request timeout")
}
