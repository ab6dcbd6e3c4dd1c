//! How a gateway is set up and started.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::run::Agenda;
use super::workers::Worker;
use super::{Gateway, Settings, Upstream, empty, service};
use crate::approvals::{CLUSTER, Otherwise};
use crate::cluster::{Cluster, Time};
use crate::filter::Filter;
use crate::outcome::{Trial, Verdict};
use crate::plugin::{FailurePolicy, Plugin};
use crate::process::Process;
use crate::vm::{Teardown, Vm};

/// A gateway that is being set up.
pub struct Builder {
    filter: Filter,
    plugin: Plugin,
    settings: Settings,
    workers: usize,
    at: Time,
    seed: u64,
    clusters: Vec<(String, Box<dyn Cluster>)>,
    upstream: Box<dyn Upstream>,
    approvals: Option<Otherwise>,
}

impl Builder {
    pub(super) fn new(filter: &Filter) -> Self {
        Self {
            filter: filter.clone(),
            plugin: Plugin { headers_pause_alone: true, ..Plugin::default() },
            settings: Settings {
                buffer_limit: 1 << 20,
                idle_timeout: Some(Duration::from_secs(300)),
                route_timeout: Some(Duration::from_secs(15)),
                teardown: Teardown::default(),
            },
            workers: 1,
            at: Time::ZERO,
            seed: 0,
            clusters: Vec::new(),
            upstream: Box::new(empty),
            approvals: None,
        }
    }

    /// The filter's configuration, in the bytes that Envoy would hand over: the text of a `StringValue`, or an
    /// encoded `google.protobuf.Struct`.
    #[must_use]
    pub fn configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.plugin.configuration = configuration.into();
        self
    }

    /// The plugin's `name` and `root_id`; empty unless they are set.
    #[must_use]
    pub fn plugin(mut self, name: &str, root_id: &str) -> Self {
        (self.plugin.name, self.plugin.root_id) = (name.into(), root_id.into());
        self
    }

    /// Whether a filter that pauses a request's header fields still gets its body
    /// (`allow_on_headers_stop_iteration`, set unless this unsets it).
    #[must_use]
    pub fn body_while_headers_pause(mut self, yes: bool) -> Self {
        self.plugin.headers_pause_alone = yes;
        self
    }

    /// What happens when the filter's VM traps.
    #[must_use]
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.plugin.failure = policy;
        self
    }

    /// The order of a request's last callbacks.
    #[must_use]
    pub fn teardown(mut self, order: Teardown) -> Self {
        self.settings.teardown = order;
        self
    }

    /// How many workers there are, each with a VM of its own; at least one.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Most bytes of a body that are held back (`per_connection_buffer_limit_bytes`, 1 MiB): above it the answer
    /// is 413.
    #[must_use]
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.settings.buffer_limit = bytes;
        self
    }

    /// How long nothing may happen to a request (`stream_idle_timeout`, 5 minutes); for ever when there is none.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.settings.idle_timeout = timeout;
        self
    }

    /// How long the upstream may take for its answer once it has the whole request (the route's `timeout`, 15
    /// seconds); for ever when there is none.
    #[must_use]
    pub fn route_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.settings.route_timeout = timeout;
        self
    }

    /// When the gateway starts, since the Unix epoch.
    #[must_use]
    pub fn at(mut self, at: Time) -> Self {
        self.at = at;
        self
    }

    /// What randomness follows from.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A server that the filter may call under this name.
    #[must_use]
    pub fn cluster(mut self, name: &str, cluster: impl Cluster + 'static) -> Self {
        self.clusters.push((name.into(), Box::new(cluster)));
        self
    }

    /// The approval service by script, for the filter of this project: whoever is asked does what `script` says
    /// ([`Act`](crate::approvals::Act), as a recording has them under `people`). The filter's configuration, which must be
    /// JSON then, gets what the filter must know of it: `approval`, in place of what is there but `refresh`.
    ///
    /// ```
    /// use countersign_host_test::approvals::{Act, Doing};
    /// use countersign_host_test::{Ended, Filter, Gateway, Properties, Request};
    /// use serde_json::json;
    ///
    /// # let Ok(filter) = std::env::var("COUNTERSIGN_WASM") else { return Ok(()) };
    /// # let filter = Filter::load(&std::fs::read(filter)?)?;
    /// let configuration = json!({
    ///     "audience": "my-gateway",
    ///     "identity": [{ "kind": "header", "name": "x-user", "peers": ["10.0.0.0/8"], "type": "User" }],
    ///     "bundle": { "v": 1, "files": {
    ///         "a.cedarschema": "entity User; entity Thing; action drop appliesTo { principal: User, resource: Thing };",
    ///         "a.cedar": r#"@id("all") permit (principal, action == Action::"drop", resource);
    ///                       @id("gate") @approval("sre") forbid (principal, action == Action::"drop", resource);"#,
    ///         "routes.yaml": r#"routes:
    ///   - match: { host: api.example, method: DELETE, path: "/things/{thing}" }
    ///     action: Action::"drop"
    ///     resource: Thing::"{path.thing}""#,
    ///         "identities.yaml": "people: { User: { issuer: local } }\ngroups: { sre: { issuer: local, id: sre } }",
    ///     }},
    /// });
    /// let script: Vec<Act> = serde_json::from_value(json!([{ "after": "3s", "do": "approve", "by": "bo" }]))?;
    /// assert_eq!(script[0].what, Doing::Approve);
    /// let mut gateway =
    ///     Gateway::builder(&filter).configuration(configuration.to_string()).approvals(script).start()?;
    ///
    /// let properties = Properties::default().with(&["source", "address"], "10.0.0.1:5");
    /// let request = Request::new("DELETE", "api.example", "/things/7").header("x-user", "ana");
    /// let outcome = gateway.send(Request { properties, ..request });
    /// assert_eq!((&outcome.ended, outcome.status()), (&Ended::Upstream, 200));
    /// assert!((outcome.at - outcome.began).as_secs() >= 3);
    /// assert_eq!(gateway.approvals().map(|service| service.tickets().len()), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn approvals(mut self, script: impl Into<Otherwise>) -> Self {
        self.approvals = Some(script.into());
        self
    }

    /// What stands behind the gateway; without it, something that answers 200 at once.
    #[must_use]
    pub fn upstream(mut self, upstream: impl Upstream + 'static) -> Self {
        self.upstream = Box::new(upstream);
        self
    }

    /// Starts it as Envoy does: the configuration is tried in a VM that is thrown away, then each worker gets its own.
    ///
    /// # Errors
    /// How the filter took its configuration, when it does not accept it.
    pub fn start(mut self) -> Result<Gateway, Trial> {
        let approvals = self.serve()?;
        let process = Rc::new(RefCell::new(Process::new(self.at, self.seed)));
        for (name, cluster) in self.clusters {
            process.borrow_mut().add_cluster(&name, cluster);
        }
        let mut gateway = Gateway {
            filter: self.filter,
            process,
            plugin: Rc::new(self.plugin),
            settings: self.settings,
            tried: Vec::new(),
            workers: Vec::new(),
            next_vm: 0,
            next_stream: 0,
            agenda: Agenda::default(),
            clients: BTreeMap::new(),
            slowed: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            upstream: self.upstream,
            approvals,
        };
        gateway.start(self.workers).map_err(|verdict| Trial { verdict, log: gateway.take_log() })?;
        Ok(gateway)
    }

    /// Starts the approval service, if there is to be one, and tells the filter of it.
    fn serve(&mut self) -> Result<Option<service::Shared>, Trial> {
        let Some(script) = self.approvals.take() else { return Ok(None) };
        let approvals = service::start(&self.plugin.configuration, self.seed, script)?;
        self.plugin.configuration = service::asking(&self.plugin.configuration, &approvals)?;
        self.clusters.push((CLUSTER.into(), Box::new(Rc::clone(&approvals))));
        Ok(Some(approvals))
    }
}

impl Gateway {
    fn start(&mut self, workers: usize) -> Result<(), Verdict> {
        let plugin = Rc::clone(&self.plugin);
        self.canary(&plugin)?;
        for _ in 0..workers {
            let mut vm = self.new_vm()?;
            let root = vm.configure(&plugin)?;
            self.workers.push(Worker::new(vm, root, self.now()));
        }
        Ok(())
    }

    /// Tries a configuration in a VM of its own, once: what came of it is remembered.
    pub(super) fn canary(&mut self, plugin: &Rc<Plugin>) -> Result<(), Verdict> {
        if let Some((_, known)) = self.tried.iter().find(|(tried, _)| tried == plugin) {
            return known.clone();
        }
        let tried = self.new_vm()?.configure(plugin).map(drop);
        self.tried.push((Rc::clone(plugin), tried.clone()));
        tried
    }

    pub(super) fn new_vm(&mut self) -> Result<Vm, Verdict> {
        let serial = self.next_vm;
        self.next_vm += 1;
        let mut vm = Vm::start(&self.filter, serial, Rc::clone(&self.process)).map_err(Verdict::Trapped)?;
        vm.buffer_limit = self.settings.buffer_limit;
        vm.teardown = self.settings.teardown;
        Ok(vm)
    }
}
