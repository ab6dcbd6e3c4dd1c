//! The beginning and the end of a request's context, answers of the gateway, and what goes on to upstream and client.

use super::Vm;
use super::flow::{Held, Part, Status};
use crate::cluster::Answer;
use crate::fields;
use crate::host::Effect;
use crate::message::{Ended, Forwarded};
use crate::plugin::FailurePolicy;
use crate::reply::LocalReply;
use crate::stream::{Direction, Stream};

/// The order of a request's last callbacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Teardown {
    /// `proxy_on_log`, `proxy_on_done`, `proxy_on_delete`: Envoy's HTTP filter.
    #[default]
    LogFirst,
    /// `proxy_on_done`, `proxy_on_log`, `proxy_on_delete`: hosts that tell of the end first.
    DoneFirst,
}

impl Vm {
    /// Begins a request under a root context; gives its context.
    pub(crate) fn open(&mut self, stream: Stream) -> u32 {
        let id = self.host_mut().new_context();
        self.host_mut().streams.insert(id, Box::new(stream));
        id
    }

    /// Tells the filter of the context.
    pub(super) fn create(&mut self, id: u32) {
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        stream.created = true;
        let root = stream.root;
        self.call(id, ("proxy_on_context_create", self.exports.context_create.clone()), (id, root));
        self.after_call();
    }

    /// The VM failed: the request is answered in its place, once, or passes it by.
    pub(super) fn fail(&mut self, id: u32) -> Status {
        let Some(stream) = self.host_mut().streams.get_mut(&id) else {
            return Status::StopAll(Held::Watermark);
        };
        stream.failed = true;
        let root = stream.root;
        let policy = self.host().roots.get(&root).map(|root| root.plugin.failure);
        if policy == Some(FailurePolicy::FailOpen) {
            return Status::Continue;
        }
        self.reply(id, LocalReply::new(503, "wasm_fail_stream", ""));
        Status::StopAll(Held::Watermark)
    }

    /// Answers a request in place of the upstream (Envoy, `DownstreamFilterManager::sendLocalReply`). While a
    /// callback for the request runs, the answer waits for its end. It passes through the filter, unless another
    /// response already did so in part; a response of which the client has something is broken off.
    pub(crate) fn reply(&mut self, id: u32, reply: LocalReply) {
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        stream.details.clone_from(&reply.details);
        if stream.response.headers_continued {
            return self.reset(id);
        }
        if stream.response.begun {
            return self.reply_past_filter(id, reply);
        }
        if stream.deciding {
            stream.prepared.get_or_insert(reply);
            return;
        }
        stream.local = true;
        let (headers, body) = reply.write(stream.head, stream.grpc);
        self.headers(id, Direction::Response, headers, body.is_empty());
        if !body.is_empty() {
            self.data(id, Direction::Response, body, true);
        }
    }

    /// Sends an answer without showing it to the filter, which has another one in hand.
    pub(super) fn reply_past_filter(&mut self, id: u32, reply: LocalReply) {
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        stream.local = true;
        let details = reply.details.clone();
        let (headers, body) = reply.write(stream.head, stream.grpc);
        stream.response.headers.clone_from(&headers);
        (stream.reached.headers, stream.reached.body) = (headers, body);
        self.close(id, Ended::Local(details));
    }

    /// Breaks the connection.
    pub(super) fn reset(&mut self, id: u32) {
        if let Some(stream) = self.host_mut().streams.get_mut(&id).filter(|stream| stream.details.is_empty())
        {
            stream.details = "wasm_close_stream".into();
        }
        self.close(id, Ended::Reset);
    }

    /// The client is gone.
    pub(crate) fn leave(&mut self, id: u32) {
        if let Some(stream) = self.host_mut().streams.get_mut(&id) {
            stream.details = "downstream_remote_disconnect".into();
        }
        self.close(id, Ended::Left);
    }

    /// The upstream answers, or breaks the connection before it does.
    pub(crate) fn respond(&mut self, id: u32, answer: Answer) {
        let Some(stream) = self.host_mut().streams.get_mut(&id).filter(|stream| !stream.local) else {
            return;
        };
        let Answer::Response(response) = answer else {
            let details = "upstream_reset_before_response_started{connection_termination}";
            let body = "upstream connect error or disconnect/reset before headers. reset reason: connection \
                        termination";
            return self.reply(id, LocalReply::new(503, details, body));
        };
        stream.details = "via_upstream".into();
        let (body, trailers) = (response.body, response.trailers);
        let (no_body, no_trailers) = (body.is_empty(), trailers.is_empty());
        self.headers(id, Direction::Response, response.headers, no_body && no_trailers);
        if !no_body {
            self.data(id, Direction::Response, body, no_trailers);
        }
        if !no_trailers {
            self.trailers(id, Direction::Response, trailers);
        }
    }

    /// Something leaves the filter chain. After the last part nothing more does.
    pub(super) fn pass(&mut self, id: u32, direction: Direction, part: Part, end: bool) {
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        if std::mem::replace(&mut stream.flow(direction).passed, end) {
            stream.flow(direction).passed = true;
            return;
        }
        match direction {
            Direction::Request if stream.local => {}
            Direction::Request => self.forward(id, part, end),
            Direction::Response => self.deliver(id, part, end),
        }
    }

    /// Something reaches the upstream.
    fn forward(&mut self, id: u32, part: Part, end: bool) {
        let now = self.now();
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        stream.active = now;
        let forwarded = stream.forwarded.get_or_insert_with(|| Forwarded { at: now, ..Forwarded::default() });
        match part {
            Part::Headers => forwarded.headers.clone_from(&stream.request.headers),
            Part::Body(body) => append(&mut forwarded.body, body),
            Part::Trailers => forwarded.trailers = stream.request.trailers.clone().unwrap_or_default(),
        }
        forwarded.complete |= end;
        if end {
            self.host_mut().effects.push(Effect::Forwarded(id));
        }
    }

    /// Something reaches the client.
    fn deliver(&mut self, id: u32, part: Part, end: bool) {
        let now = self.now();
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        stream.active = now;
        match part {
            Part::Headers if fields::first(&stream.response.headers, b":status").is_none() => {
                let details = "filter_removed_required_response_headers{missing_required_header:_:status}";
                let reply = LocalReply::new(502, details, "missing required header: :status");
                stream.details.clone_from(&reply.details);
                return self.reply_past_filter(id, reply);
            }
            Part::Headers => stream.reached.headers.clone_from(&stream.response.headers),
            Part::Body(body) => append(&mut stream.reached.body, body),
            Part::Trailers => {
                stream.reached.trailers = stream.response.trailers.clone().unwrap_or_default();
            }
        }
        if end {
            let local = stream.local.then(|| Ended::Local(stream.details.clone()));
            self.close(id, local.unwrap_or(Ended::Upstream));
        }
    }

    /// The end of a request: its last callbacks, in order.
    fn close(&mut self, id: u32, ended: Ended) {
        let Some(stream) = self.host_mut().streams.get_mut(&id) else { return };
        if stream.ended.is_some() {
            return;
        }
        stream.ended = Some(ended);
        if stream.created {
            match self.teardown {
                Teardown::LogFirst => {
                    self.log(id);
                    self.done(id);
                }
                Teardown::DoneFirst => {
                    self.done(id);
                    self.log(id);
                }
            }
            self.call(id, ("proxy_on_delete", self.exports.delete.clone()), id);
            self.after_call();
        }
        if let Some(stream) = self.host_mut().streams.remove(&id) {
            self.host_mut().effects.push(Effect::Ended(stream));
        }
    }

    fn log(&mut self, id: u32) {
        self.set_logging(id, true);
        self.call(id, ("proxy_on_log", self.exports.log.clone()), id);
        self.after_call();
        self.set_logging(id, false);
    }

    fn set_logging(&mut self, id: u32, logging: bool) {
        if let Some(stream) = self.host_mut().streams.get_mut(&id) {
            stream.logging = logging;
        }
    }

    /// What it answers does not matter: Envoy deletes the context all the same.
    fn done(&mut self, id: u32) {
        self.call(id, ("proxy_on_done", self.exports.done.clone()), id);
        self.after_call();
    }
}

/// The first part of a body is the body.
fn append(body: &mut Vec<u8>, part: Vec<u8>) {
    if body.is_empty() { *body = part } else { body.extend(part) }
}
