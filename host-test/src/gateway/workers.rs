//! Workers: the VMs of each, reload of configurations, and new VMs for those that failed.

use std::rc::Rc;
use std::time::Duration;

use super::{Gateway, Usage, service};
use crate::cluster::Time;
use crate::host::Standing;
use crate::outcome::{Trial, Verdict};
use crate::plugin::{FailurePolicy, Plugin};
use crate::stream::Flow;
use crate::vm::Vm;

/// How long after the last start a failed VM is not replaced (`reload_config`, at least so long).
const BACK_OFF: Duration = Duration::from_secs(1);

/// Failures of VMs that are gone that are kept, for each worker: a filter may fail every second, for days.
const KEPT: usize = 100;

/// One worker: the VM that new requests go to, and those that old ones are still in.
pub(super) struct Worker {
    vms: Vec<Vm>,
    /// The root context that new requests go to.
    pub(super) root: u32,
    started: Time,
    /// Why VMs failed that are gone, the first of them.
    gone: Vec<String>,
}

impl Worker {
    pub(super) fn new(vm: Vm, root: u32, started: Time) -> Self {
        Self { vms: vec![vm], root, started, gone: Vec::new() }
    }

    pub(super) fn vms(&mut self) -> &mut [Vm] {
        &mut self.vms
    }

    /// The VM that new requests go to.
    pub(super) fn current(&mut self) -> Option<&mut Vm> {
        self.vms.last_mut()
    }

    pub(super) fn find(&mut self, serial: u64) -> Option<&mut Vm> {
        self.vms.iter_mut().find(|vm| vm.host().serial == serial)
    }

    pub(super) fn memory(&self) -> usize {
        self.vms.last().map_or(0, Vm::memory)
    }

    pub(super) fn usage(&self) -> Usage {
        let held = |flow: &Flow| flow.buffered.as_ref().map_or(0, Vec::len) + flow.part.len();
        let of = |vm: &Vm| {
            let streams = vm.host().streams.values();
            Usage {
                vms: 1,
                linear: vm.memory(),
                roots: vm.host().roots.len(),
                requests: vm.host().streams.len(),
                held: streams.map(|stream| held(&stream.request) + held(&stream.response)).sum(),
                instructions: vm.spent,
            }
        };
        self.vms.iter().map(of).fold(Usage::default(), |all, vm| Usage {
            vms: all.vms + vm.vms,
            linear: all.linear + vm.linear,
            roots: all.roots + vm.roots,
            requests: all.requests + vm.requests,
            held: all.held + vm.held,
            instructions: all.instructions + vm.instructions,
        })
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        let standing = self.vms.iter().filter_map(|vm| vm.host().failed.clone());
        self.gone.iter().cloned().chain(standing)
    }

    /// Ends the root contexts that nobody uses: they were replaced, and their last request is gone. Gives the
    /// VMs that are gone with them.
    fn tidy(&mut self) -> Vec<u64> {
        let current = self.vms.last().map(|vm| vm.host().serial);
        for vm in &mut self.vms {
            let serves = current == Some(vm.host().serial);
            let used = |id: u32| vm.host().streams.values().any(|stream| stream.root == id);
            let roots = vm.host().roots.iter().filter(|(_, root)| root.standing == Standing::Live);
            let idle: Vec<u32> =
                roots.map(|(id, _)| *id).filter(|id| !(used(*id) || serves && *id == self.root)).collect();
            idle.into_iter().for_each(|id| vm.shut_down(id));
        }
        let gone =
            |vm: &Vm| Some(vm.host().serial) != current && vm.host().streams.is_empty() && vm.is_failed();
        let lost = self.vms.iter().filter(|vm| gone(vm)).map(|vm| vm.host().serial).collect();
        let why = self.vms.iter().filter(|vm| gone(vm)).filter_map(|vm| vm.host().failed.clone());
        self.gone.extend(why.take(KEPT.saturating_sub(self.gone.len())));
        self.vms.retain(|vm| !gone(vm));
        lost
    }
}

impl Gateway {
    /// Gives the filter another configuration while requests are on their way, as Envoy does on a discovery update:
    /// new requests go by it, the old root context stays until its last request is gone. A configuration that is
    /// still in use comes back without being configured again.
    ///
    /// # Errors
    /// How the filter took it, when it does not accept it: then the old one goes on serving.
    pub fn reload(&mut self, configuration: impl Into<Vec<u8>>) -> Result<(), Trial> {
        let configuration = configuration.into();
        let configuration = match &self.approvals {
            Some(approvals) => service::asking(&configuration, approvals)?,
            None => configuration,
        };
        let plugin = Plugin { configuration, ..(*self.plugin).clone() };
        let reloaded = self.switch(Rc::new(plugin));
        reloaded.map_err(|verdict| Trial { verdict, log: self.take_log() })
    }

    fn switch(&mut self, plugin: Rc<Plugin>) -> Result<(), Verdict> {
        self.canary(&plugin)?;
        for worker in &mut self.workers {
            let Some(vm) = worker.vms.last_mut() else { continue };
            let live = |root: &&crate::host::Root| root.standing == Standing::Live && root.plugin == plugin;
            let known = vm.host().roots.iter().find(|(_, root)| live(root)).map(|(id, _)| *id);
            worker.root = match known {
                Some(root) => root,
                None => vm.configure(&plugin)?,
            };
        }
        self.plugin = plugin;
        self.tidy();
        self.collect();
        Ok(())
    }

    pub(super) fn tidy(&mut self) {
        for worker in &mut self.workers {
            for vm in worker.tidy() {
                self.process.borrow_mut().forget(vm);
            }
        }
    }

    /// A new VM for a worker whose VM failed, when the plugin wants that and it is time.
    pub(super) fn revive(&mut self, number: usize) {
        let now = self.now();
        let Some(worker) = self.workers.get_mut(number) else { return };
        let failed = worker.vms.last().is_some_and(Vm::is_failed);
        if !failed || self.plugin.failure != FailurePolicy::FailReload || now < worker.started + BACK_OFF {
            return;
        }
        worker.started = now;
        let plugin = Rc::clone(&self.plugin);
        let Ok(mut vm) = self.new_vm() else { return };
        let Ok(root) = vm.configure(&plugin) else { return };
        if let Some(worker) = self.workers.get_mut(number) {
            worker.vms.push(vm);
            worker.root = root;
        }
    }

    /// The gateway stops: clients are cut off, and every root context is told that it is done and gets `patience`
    /// for what is left to do. Whether all of them were done by then.
    pub fn stop(&mut self, patience: Duration) -> bool {
        let open: Vec<_> = self.clients.keys().copied().collect();
        open.into_iter().for_each(|id| self.leave(id));
        for vm in self.workers.iter_mut().flat_map(Worker::vms) {
            let live: Vec<u32> = vm.host().roots.keys().copied().collect();
            live.into_iter().for_each(|root| vm.shut_down(root));
        }
        let until = self.now() + patience;
        while self.has_roots() && self.step(until) {}
        !self.has_roots()
    }

    fn has_roots(&mut self) -> bool {
        let mut vms = self.workers.iter_mut().flat_map(Worker::vms);
        vms.any(|vm| !vm.is_failed() && !vm.host().roots.is_empty())
    }
}
