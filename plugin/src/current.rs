//! The configuration in force: a reload puts a new one beside the old, and what the old one holds is judged by
//! the new one from then on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use countersign_core::engine::Engine;

use crate::host;

thread_local! {
    /// By the plugin's name: two filters of one name in one VM are one filter, before and after a reload.
    static BY_NAME: RefCell<BTreeMap<Name, Rc<Current>>> = const { RefCell::new(BTreeMap::new()) };
}

/// `name` and `root_id` of the plugin's configuration in the gateway.
type Name = [Option<Vec<u8>>; 2];

/// What a filter of one name goes by at this moment: of the root contexts that live, each with what it was
/// configured with, the one that the gateway turned to last.
#[derive(Debug, Default)]
pub(crate) struct Current(RefCell<Vec<(u32, Rc<Engine>)>>);

impl Current {
    /// Of the plugin whose callback this is.
    pub(crate) fn of_this_plugin() -> Rc<Self> {
        let name = [host::property(&["plugin_name"]), host::property(&["plugin_root_id"])];
        BY_NAME.with_borrow_mut(|by_name| Rc::clone(by_name.entry(name).or_default()))
    }

    /// The gateway configured `root`. Keys that were fetched for the configuration before are not fetched again
    /// before a token can be verified.
    pub(crate) fn set(&self, root: u32, engine: Engine) -> Rc<Engine> {
        if let Some(before) = self.get() {
            engine.inherit(&before, host::now());
        }
        self.forget(root);
        let engine = Rc::new(engine);
        self.0.borrow_mut().push((root, Rc::clone(&engine)));
        engine
    }

    /// The gateway gave `root` a request. A root that was replaced comes back without being configured again
    /// when the gateway returns to the very configuration that it has.
    pub(crate) fn turn_to(&self, root: u32) {
        let mut roots = self.0.borrow_mut();
        if roots.last().is_some_and(|(last, _)| *last != root)
            && let Some(place) = roots.iter().position(|(known, _)| *known == root)
        {
            let found = roots.remove(place);
            roots.push(found);
        }
    }

    /// `root` is gone: its configuration was replaced, or refused by the gateway after all.
    pub(crate) fn forget(&self, root: u32) {
        self.0.borrow_mut().retain(|(known, _)| *known != root);
    }

    pub(crate) fn get(&self) -> Option<Rc<Engine>> {
        self.0.borrow().last().map(|(_, engine)| Rc::clone(engine))
    }
}
