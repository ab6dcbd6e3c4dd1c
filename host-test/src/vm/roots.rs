//! Root contexts: configuration, ticks, answers to calls, and their end.

use std::rc::Rc;
use std::time::Duration;

use super::Vm;
use crate::cluster::Answer;
use crate::guest::Status;
use crate::host::{Root, Standing};
use crate::outcome::Verdict;
use crate::plugin::Plugin;

impl Vm {
    /// Creates a root context and configures it, in Envoy's order: `ContextBase::onStart`, then `onConfigure`.
    ///
    /// # Errors
    /// The verdict, when it is not accepted.
    pub(crate) fn configure(&mut self, plugin: &Rc<Plugin>) -> Result<u32, Verdict> {
        let id = self.host_mut().new_context();
        let root = Root {
            plugin: Rc::clone(plugin),
            period: Duration::ZERO,
            tick_at: None,
            standing: Standing::Live,
            status: (0, ""),
        };
        self.host_mut().roots.insert(id, root);
        self.host_mut().configuring = Some(Rc::clone(plugin));
        self.call(id, ("proxy_on_context_create", self.exports.context_create.clone()), (id, 0));
        self.host_mut().configuring = None;
        let started = self.call(id, ("proxy_on_vm_start", self.exports.vm_start.clone()), (id, 0));
        self.after_call();
        self.judge(started)?;
        let size = u32::try_from(plugin.configuration.len()).unwrap_or(u32::MAX);
        self.host_mut().configuring = Some(Rc::clone(plugin));
        let configured = self.call(id, ("proxy_on_configure", self.exports.configure.clone()), (id, size));
        self.host_mut().configuring = None;
        self.after_call();
        self.judge(configured)?;
        Ok(id)
    }

    fn judge(&self, answer: Option<u32>) -> Result<(), Verdict> {
        match (&self.host().failed, answer) {
            (Some(why), _) => Err(Verdict::Trapped(why.clone())),
            (None, Some(0)) => Err(Verdict::Refused),
            (None, _) => Ok(()),
        }
    }

    /// When the next tick of any root context is due.
    pub(crate) fn tick_due(&self) -> Option<Duration> {
        if self.is_failed() {
            return None;
        }
        self.host().roots.values().filter_map(|root| root.tick_at).min()
    }

    /// Ticks every root context that is due, and sets its timer again.
    pub(crate) fn tick(&mut self) {
        let now = self.host().process.borrow().now;
        let due = |root: &Root| root.tick_at.is_some_and(|at| at <= now);
        let roots = self.host().roots.iter().filter(|(_, root)| due(root));
        let roots: Vec<u32> = roots.map(|(id, _)| *id).collect();
        for id in roots {
            self.call(id, ("proxy_on_tick", self.exports.tick.clone()), id);
            self.after_call();
            if let Some(root) = self.host_mut().roots.get_mut(&id) {
                root.tick_at = (root.period > Duration::ZERO).then(|| now + root.period);
            }
        }
    }

    /// Something came into a queue that a root context registered.
    pub(crate) fn queue_ready(&mut self, root: u32, token: u32) {
        if self.host().roots.contains_key(&root) {
            self.call(root, ("proxy_on_queue_ready", self.exports.queue_ready.clone()), (root, token));
            self.after_call();
        }
    }

    /// The answer to a call came, or what Envoy gives in its place.
    pub(crate) fn answered(&mut self, root: u32, token: u32, answer: Answer) {
        let Some(known) = self.host_mut().roots.get_mut(&root) else { return };
        if answer == Answer::Reset {
            known.status = (Status::BrokenConnection as u32, "reset");
        }
        let size = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let (mut sizes, mut response) = ((0, 0, 0), None);
        if let Answer::Response(answer) = answer {
            sizes = (size(answer.headers.len()), size(answer.body.len()), size(answer.trailers.len()));
            response = Some(answer);
        }
        self.host_mut().answer = response;
        let callback = ("proxy_on_http_call_response", self.exports.call_response.clone());
        self.call(root, callback, (root, token, sizes.0, sizes.1, sizes.2));
        self.host_mut().answer = None;
        if let Some(known) = self.host_mut().roots.get_mut(&root) {
            known.status.1 = "";
        }
        self.after_call();
    }

    /// Nobody uses a root context any more. It may have something left to do.
    pub(crate) fn shut_down(&mut self, id: u32) {
        let done = self.call(id, ("proxy_on_done", self.exports.done.clone()), id);
        if let Some(root) = self.host_mut().roots.get_mut(&id).filter(|_| done == Some(0)) {
            root.standing = Standing::Finishing;
        }
        self.after_call();
        if done != Some(0) {
            self.delete_root(id);
        }
    }

    pub(super) fn delete_root(&mut self, id: u32) {
        if self.host().roots.contains_key(&id) {
            self.call(id, ("proxy_on_delete", self.exports.delete.clone()), id);
            self.after_call();
            self.host_mut().roots.remove(&id);
        }
    }
}
