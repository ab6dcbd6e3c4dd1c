//! What the host keeps for one VM: its contexts, what it is doing, and what is to be done after it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use wasmtime::{Memory, Result, StoreLimits, StoreLimitsBuilder, TypedFunc};

use crate::cluster::{Response, Time};
use crate::guest::{Fault, Status};
use crate::load::Abi;
use crate::plugin::Plugin;
use crate::process::Process;
use crate::reply::LocalReply;
use crate::shared::Owner;
use crate::stream::{Direction, Stream};

/// Of a VM's linear memory. A filter with 10,000 policies needs a fraction of it.
const MEMORY: usize = 512 << 20;
/// Of each of its tables: the functions that a filter can call by their number.
const TABLE: usize = 1 << 20;

/// The context of the VM itself.
pub(crate) const VM: u32 = 0;

/// The host's side of one VM.
pub(crate) struct Host {
    /// The VM, among all that the process ever had.
    pub(crate) serial: u64,
    pub(crate) abi: Abi,
    pub(crate) process: Rc<RefCell<Process>>,
    pub(crate) limits: StoreLimits,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    /// Whether the module's own start runs: few host functions may be called then.
    pub(crate) initialising: bool,
    /// The context whose callback runs.
    pub(crate) current: u32,
    /// The context that host functions are about (`proxy_set_effective_context`); 0 for the current one.
    pub(crate) effective: u32,
    pub(crate) roots: BTreeMap<u32, Root>,
    pub(crate) streams: BTreeMap<u32, Box<Stream>>,
    /// The plugin whose configuration can be read now.
    pub(crate) configuring: Option<Rc<Plugin>>,
    /// The answer to a call that a root context is told about.
    pub(crate) answer: Option<Response>,
    /// Whether the callback that runs answered its request: what it returns does not matter then.
    pub(crate) stop_next: bool,
    /// What waits until the callback that runs is over.
    pub(crate) deferred: VecDeque<Deferred>,
    pub(crate) effects: Vec<Effect>,
    /// Why the VM failed, if it did.
    pub(crate) failed: Option<String>,
    next_context: u32,
    next_token: u32,
}

/// A root context.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) plugin: Rc<Plugin>,
    /// How long between ticks; no ticks when it is zero.
    pub(crate) period: std::time::Duration,
    pub(crate) tick_at: Option<Time>,
    pub(crate) standing: Standing,
    /// What `proxy_get_status` tells: how a call failed, and while the filter is told of it, why.
    pub(crate) status: (u32, &'static str),
}

/// How far the end of a root context has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is in use.
    Live,
    /// It was told that it is done, and has something left to do (`proxy_on_done` gave false).
    Finishing,
    /// It said that it is done (`proxy_done`).
    Done,
}

/// What a callback asked for, done after it.
#[derive(Debug)]
pub(crate) enum Deferred {
    Continue(u32, Direction),
    Reply(u32, LocalReply),
    Reset(u32),
    Delete(u32),
}

impl Deferred {
    /// Bytes that it takes, besides itself.
    fn weight(&self) -> usize {
        match self {
            Self::Reply(_, reply) => {
                let fields: usize = reply.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
                reply.body.len() + reply.details.len() + fields
            }
            Self::Continue(..) | Self::Reset(_) | Self::Delete(_) => 0,
        }
    }
}

/// What a VM's gateway has to know.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A request got its end: its stream's context is gone.
    Ended(Box<Stream>),
    /// The whole request is at the upstream.
    Forwarded(u32),
}

impl Host {
    pub(crate) fn new(serial: u64, abi: Abi, process: Rc<RefCell<Process>>) -> Self {
        Self {
            serial,
            abi,
            process,
            limits: StoreLimitsBuilder::new()
                .memory_size(MEMORY)
                .table_elements(TABLE)
                .trap_on_grow_failure(true)
                .build(),
            memory: None,
            allocate: None,
            initialising: true,
            current: VM,
            effective: VM,
            roots: BTreeMap::new(),
            streams: BTreeMap::new(),
            configuring: None,
            answer: None,
            stop_next: false,
            deferred: VecDeque::new(),
            effects: Vec::new(),
            failed: None,
            next_context: 1,
            next_token: 1,
        }
    }

    /// For a store in which nothing runs.
    pub(crate) fn idle() -> Self {
        Self::new(0, Abi::V0_2_1, Rc::new(RefCell::new(Process::new(Time::ZERO, 0))))
    }

    /// Puts off what a callback asked for.
    ///
    /// # Errors
    /// When the host keeps too much for the filter.
    pub(crate) fn defer(&mut self, deferred: Deferred) -> Result<()> {
        self.process.borrow_mut().keep(deferred.weight())?;
        self.deferred.push_back(deferred);
        Ok(())
    }

    /// The next thing that was put off.
    pub(crate) fn next_deferred(&mut self) -> Option<Deferred> {
        let deferred = self.deferred.pop_front()?;
        self.process.borrow_mut().release(deferred.weight());
        Some(deferred)
    }

    pub(crate) fn new_context(&mut self) -> u32 {
        let id = self.next_context;
        self.next_context = self.next_context.wrapping_add(1).max(1);
        id
    }

    pub(crate) fn new_token(&mut self) -> u32 {
        let token = self.next_token;
        self.next_token = self.next_token.wrapping_add(1).max(1);
        token
    }

    pub(crate) fn knows(&self, context: u32) -> bool {
        context == VM || self.roots.contains_key(&context) || self.streams.contains_key(&context)
    }

    /// The context that a host function is about.
    pub(crate) fn context(&self) -> u32 {
        if self.effective != VM && self.knows(self.effective) { self.effective } else { self.current }
    }

    /// The request that a host function is about.
    pub(crate) fn stream(&mut self) -> Option<&mut Stream> {
        let context = self.context();
        self.streams.get_mut(&context).map(Box::as_mut)
    }

    /// The root context of the context that a host function is about.
    pub(crate) fn root(&self) -> u32 {
        let context = self.context();
        self.streams.get(&context).map_or(context, |stream| stream.root)
    }

    /// The root context of the context that a host function is about has nothing left to do.
    pub(crate) fn done(&mut self) -> Result<(), Fault> {
        let id = self.root();
        let root = self.roots.get_mut(&id).filter(|root| root.standing == Standing::Finishing);
        root.ok_or(Status::NotFound)?.standing = Standing::Done;
        Ok(self.defer(Deferred::Delete(id))?)
    }

    pub(crate) fn owner(&self) -> Owner {
        (self.serial, self.root())
    }

    /// The plugin that a host function is about.
    pub(crate) fn plugin(&self) -> Option<&Rc<Plugin>> {
        self.configuring.as_ref().or_else(|| Some(&self.roots.get(&self.root())?.plugin))
    }
}
