//! One request: hands what arrives to the worker, and does what the worker says.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use countersign_core::config::Mode;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};

use crate::answer::{self, Answer};
use crate::facts;
use crate::host::{self, Pairs};
use crate::metrics::{self, Metric};
use crate::quiet::Quiet;
use crate::worker::{Directive, Worker};

/// The next tick, when something must be sent: only the root context may send it, because a call that a
/// request sends comes back to the request, which may be gone by then.
pub(crate) const SOON: Duration = Duration::from_millis(1);

/// The callbacks of one request.
pub(crate) struct Stream {
    id: u32,
    /// Nothing when the gateway gave no randomness to begin with; then nothing passes.
    worker: Option<Rc<RefCell<Worker>>>,
    answer: Answer,
}

impl Stream {
    pub(crate) fn new(id: u32, worker: Option<Rc<RefCell<Worker>>>) -> Self {
        Self { id, worker, answer: Answer::default() }
    }

    /// Carries out what the worker says; without a word of it, the request is refused.
    fn act(&self, work: impl FnOnce(&mut Worker) -> Option<Directive>) -> Action {
        let Some(worker) = &self.worker else {
            complain();
            return refuse();
        };
        worker.borrow_mut().refresh(host::now);
        let directive = work(&mut worker.borrow_mut());
        if worker.borrow().urgent(host::now) {
            host::report(hostcalls::set_tick_period(SOON));
        }
        match directive {
            Some(Directive::Continue(summary)) => {
                summary.iter().for_each(|summary| host::summarise(summary));
                if worker.borrow().listing(self.id).is_some() {
                    answer::unencoded();
                }
                Action::Continue
            }
            Some(Directive::Reply(reply, summary)) => {
                summary.iter().for_each(|summary| host::summarise(summary));
                host::reply(&reply);
                Action::Pause
            }
            Some(Directive::Stay) => Action::Pause,
            None => {
                worker.borrow_mut().over(self.id, None, host::now());
                complain();
                // Who only looks on stands in nobody's way.
                if worker.borrow().engine().mode() == Mode::Observe { Action::Continue } else { refuse() }
            }
        }
    }

    fn body_complete(&self, worker: &mut Worker, trailers: Pairs) -> Option<Directive> {
        let body = host::buffer(BufferType::HttpRequestBody, worker.body_seen(self.id))?;
        Some(worker.body(self.id, body, trailers, host::moment()?))
    }
}

/// The gateway does not give what a ruling needs.
fn complain() {
    const WHAT: &str =
        "the gateway gave no readable headers, metadata or body, or no randomness: request not judged";
    thread_local! {
        static SAID: Cell<Quiet> = const { Cell::new(Quiet::NEW) };
    }
    host::complain(&SAID, || WHAT.into());
    metrics::count(Metric::Unreadable, 1);
}

/// What cannot be judged does not pass.
fn refuse() -> Action {
    host::report(hostcalls::send_http_response(503, vec![], None));
    Action::Pause
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        if let Some(worker) = &self.worker {
            let mut worker = worker.borrow_mut();
            let status = worker.reports(self.id).then(upstream_status).flatten();
            worker.over(self.id, status, host::now());
        }
        true
    }
}

/// What the upstream answered, if it did.
fn upstream_status() -> Option<u16> {
    let upstream = host::text(&["response", "code_details"]).is_some_and(|how| how == "via_upstream");
    let status = upstream.then(|| host::integer(&["response", "code"])).flatten();
    status.and_then(|status| u16::try_from(status).ok())
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.act(|worker| {
            let facts = facts::collect(worker.engine(), end_of_stream.then(Vec::new))?;
            Some(worker.judge(self.id, facts, host::moment()?))
        })
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.act(|worker| {
            let directive = worker.body_progress(self.id, size, host::now());
            if end_of_stream && worker.awaits_body(self.id) {
                return self.body_complete(worker, Vec::new());
            }
            Some(directive)
        })
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.act(|worker| {
            if !worker.awaits_body(self.id) {
                let directive = worker.more(self.id);
                if matches!(directive, Directive::Continue(_)) {
                    facts::sanitise_trailers(worker.engine())?;
                }
                return Some(directive);
            }
            self.body_complete(worker, facts::sanitised(MapType::HttpRequestTrailers)?)
        })
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let Some(worker) = &self.worker else { return Action::Continue };
        match worker.borrow().listing(self.id) {
            Some(listing) if !end_of_stream => self.answer.begin(listing),
            _ => Action::Continue,
        }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(worker) = &self.worker else { return Action::Continue };
        let worker = worker.borrow();
        match worker.listing(self.id) {
            Some(listing) => self.answer.more(listing, worker.engine(), size, end_of_stream),
            None => Action::Continue,
        }
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        let Some(worker) = &self.worker else { return Action::Continue };
        let worker = worker.borrow();
        match worker.listing(self.id) {
            Some(listing) => self.answer.end(listing, worker.engine()),
            None => Action::Continue,
        }
    }
}
