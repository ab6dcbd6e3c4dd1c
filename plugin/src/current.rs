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

/// What a filter of one name goes by at this moment.
#[derive(Debug, Default)]
pub(crate) struct Current(RefCell<Option<Rc<Engine>>>);

impl Current {
    /// Of the plugin whose callback this is.
    pub(crate) fn of_this_plugin() -> Rc<Self> {
        let name = [host::property(&["plugin_name"]), host::property(&["plugin_root_id"])];
        BY_NAME.with_borrow_mut(|by_name| Rc::clone(by_name.entry(name).or_default()))
    }

    pub(crate) fn set(&self, engine: Engine) {
        self.0.replace(Some(Rc::new(engine)));
    }

    pub(crate) fn get(&self) -> Option<Rc<Engine>> {
        self.0.borrow().clone()
    }
}
