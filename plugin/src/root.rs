//! The root context of a worker: configuration, ticks, replies, and the one place that resumes requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use countersign_core::config::FILE;
use countersign_core::engine::Engine;
use countersign_core::load::LoadError;
use countersign_protocol::UnixMillis;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType};

use crate::current::Current;
use crate::keys::Fetcher;
use crate::metrics::{REPORT, Reporter};
use crate::stream::{SOON, Stream};
use crate::worker::{Directive, Worker};
use crate::{configuration, host, metrics};

/// How often waits are looked at when nothing is urgent.
const TICK: Duration = Duration::from_millis(100);

/// How long a worker that the gateway lets go of tries to deliver its last evidence, milliseconds.
const LAST_WORDS: i64 = 10_000;

/// The callbacks of a worker.
pub(crate) struct Root {
    id: u32,
    current: Option<Rc<Current>>,
    /// Begins with the first request: a worker that judges nothing has nothing to say.
    worker: RefCell<Option<Rc<RefCell<Worker>>>>,
    /// When it ends, whether or not everything is delivered; nothing while it is in use.
    ends_at: Cell<Option<UnixMillis>>,
    reporter: Reporter,
    fetcher: Fetcher,
}

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        let reporter = Reporter::default();
        let (worker, ends_at, fetcher) = (RefCell::new(None), Cell::new(None), Fetcher::default());
        Self { id, current: None, worker, ends_at, reporter, fetcher }
    }

    fn begin(&self) -> Option<Rc<RefCell<Worker>>> {
        let mut worker = self.worker.borrow_mut();
        if worker.is_none() {
            let (producer, waiter) = (host::random()?, host::random()?);
            let begun = Worker::new(self.current.clone()?, producer, waiter, host::now())?;
            *worker = Some(Rc::new(RefCell::new(begun)));
            host::report(hostcalls::set_tick_period(TICK));
        }
        worker.clone()
    }

    /// Resumes or answers requests from outside their own callbacks.
    fn obey(&self, directives: Vec<(u32, Directive)>) {
        for (id, directive) in directives {
            if matches!(directive, Directive::Stay) || hostcalls::set_effective_context(id).is_err() {
                continue;
            }
            match directive {
                Directive::Continue(summary) => {
                    summary.iter().for_each(|summary| host::summarise(summary));
                    host::report(hostcalls::resume_http_request());
                }
                Directive::Reply(reply, summary) => {
                    summary.iter().for_each(|summary| host::summarise(summary));
                    host::reply(&reply);
                }
                Directive::Stay => {}
            }
        }
        host::report(hostcalls::set_effective_context(self.id));
    }

    /// Sends what waits, after giving `work` its turn.
    fn turn(&self, work: impl FnOnce(&mut Worker, i64) -> Vec<(u32, Directive)>) {
        let Some(worker) = self.worker.borrow().clone() else { return };
        let now = host::now();
        worker.borrow_mut().refresh(|| now);
        let mut directives = work(&mut worker.borrow_mut(), now);
        directives.extend(worker.borrow_mut().pump(now));
        self.obey(directives);
        host::report(hostcalls::set_tick_period(TICK));
        if self.ends_at.get().is_some_and(|at| at <= now || worker.borrow().is_settled()) {
            self.ends_at.set(None);
            host::report(hostcalls::done());
        }
    }

    /// Says how the worker stands, also one that has judged nothing.
    fn report(&mut self) {
        let Some(engine) = self.current.as_ref().and_then(|current| current.get()) else { return };
        let levels = self.worker.borrow().as_ref().map(|worker| worker.borrow_mut().levels());
        self.reporter.report(&engine, levels.unwrap_or_default(), host::now());
    }

    /// Fetches keys, as long as this is in use.
    fn fetch(&mut self) {
        let engine = self.current.as_ref().and_then(|current| current.get());
        if let (Some(engine), None) = (engine, self.ends_at.get()) {
            self.fetcher.pump(&engine, host::now());
        }
    }

    fn load(size: usize) -> Result<Engine, Vec<LoadError>> {
        let bytes = host::buffer(BufferType::PluginConfiguration, size).unwrap_or_default();
        let value =
            configuration::read(&bytes).map_err(|error| vec![LoadError::in_file(FILE, error.to_string())])?;
        Engine::load(&value)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Some(current) = &self.current {
            current.forget(self.id);
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, _: usize, body_size: usize, _: usize) {
        if !self.fetcher.replied(token, body_size, host::now()) {
            self.turn(|worker, now| worker.replied(token, body_size, now));
        }
    }

    /// Another configuration took over and the last request of this one is gone, or the gateway stops: what is
    /// still to be said is said first.
    fn on_done(&mut self) -> bool {
        let Some(worker) = self.worker.borrow().clone() else { return true };
        let now = host::now();
        worker.borrow_mut().refresh(|| now);
        worker.borrow_mut().stop(now);
        self.turn(|_, _| Vec::new());
        self.ends_at.set(Some(now.saturating_add(LAST_WORDS)));
        false
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        match Self::load(size) {
            Ok(engine) => {
                let current = Current::of_this_plugin();
                self.fetcher = Fetcher::new(current.set(self.id, engine));
                self.current = Some(current);
                metrics::prepare();
                // No callback of the configuration itself may call out.
                let tick = if self.fetcher.is_idle() { REPORT } else { SOON };
                host::report(hostcalls::set_tick_period(tick));
                true
            }
            Err(errors) => {
                errors.iter().for_each(|error| log::error!("countersign: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.turn(Worker::lapse);
        self.report();
        if !self.fetcher.is_idle() {
            self.fetch();
            if self.worker.borrow().is_none() {
                host::report(hostcalls::set_tick_period(REPORT));
            }
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        if let Some(current) = &self.current {
            current.turn_to(self.id);
        }
        Some(Box::new(Stream::new(id, self.begin())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
