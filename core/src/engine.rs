//! Everything that a decision rests on besides the request: loaded once, and but for fetched keys never changed.

use std::collections::BTreeMap;

use countersign_protocol::person::GroupId;
use countersign_protocol::{Hash, UnixMillis};
use serde_json::Value;

use crate::bundle::Bundle;
use crate::clock::Zone;
use crate::config::{Approval, AuditFacts, Config, FILE, Limits, Mode, PendingAnswer};
use crate::entity::EntityName;
use crate::grant::{ServiceKeys, Trust};
use crate::identity::{Identities, IdentitySource};
use crate::keys::KeySource;
use crate::load::LoadError;
use crate::policy::{Policies, PolicyInfo, PolicyLimits, Role};
use crate::reading::Relaxed;
use crate::routes::{Routes, SchemaView};
use crate::types::Attribute;

/// A loaded configuration.
#[derive(Debug)]
pub struct Engine {
    pub(crate) mode: Mode,
    pub(crate) zone: Zone,
    pub(crate) policies: Policies,
    pub(crate) routes: Routes,
    pub(crate) identities: Identities,
    pub(crate) relaxed: Relaxed,
    pub(crate) trust: Trust,
    pub(crate) pending: PendingAnswer,
    pub(crate) audit: AuditFacts,
    limits: Limits,
    approval: Approval,
    config_hash: Hash,
    bundle_hash: Hash,
}

impl Engine {
    /// Loads a configuration: see [`Config`] for its keys.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with file, line and what to do.
    pub fn load(configuration: &Value) -> Result<Self, Vec<LoadError>> {
        let config_hash = Hash::of(configuration.to_string().as_bytes());
        let config = Config::from_json(configuration.clone()).map_err(|error| vec![error])?;
        let bundle = Bundle::from_json(&config.bundle)?;
        let limits = PolicyLimits {
            policy_bytes: config.limits.policy_bytes,
            policies: config.limits.policies,
            nesting: config.limits.nesting,
        };
        let mut errors = Vec::new();
        let rules = collect(&mut errors, Rules::load(&bundle, &config.identity, &limits));
        let settings = collect(&mut errors, Settings::of(&config));
        let (Some(rules), Some(settings)) = (rules, settings) else { return Err(errors) };
        Ok(Self {
            mode: config.mode,
            zone: settings.zone,
            policies: rules.policies,
            routes: rules.routes,
            identities: rules.identities,
            relaxed: config.relax,
            trust: settings.trust,
            pending: config.pending,
            audit: config.audit.facts,
            limits: config.limits,
            approval: config.approval,
            config_hash,
            bundle_hash: bundle.hash(),
        })
    }

    /// Where to ask people.
    #[must_use]
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// Whether [`crate::facts::RequestFacts::claims`] are read, so that they need to be collected.
    #[must_use]
    pub fn reads_claims(&self) -> bool {
        self.identities.read_claims()
    }

    /// Whether [`crate::facts::Peer::uri_san`] is read, so that it needs to be collected.
    #[must_use]
    pub fn reads_certificates(&self) -> bool {
        self.identities.read_certificates()
    }

    /// The keys of each source that verifies tokens itself, and of the approval service where they are fetched: all
    /// that changes of an engine.
    pub fn key_sources(&self) -> impl Iterator<Item = &dyn KeySource> {
        let service: &dyn KeySource = &self.trust.keys;
        let fetched = service.refresh().map(|_| service);
        self.identities.keyrings().map(|keyring| keyring as &dyn KeySource).chain(fetched)
    }

    /// Takes over keys that were fetched for the configuration before, as far as they count for this one.
    pub fn inherit(&self, before: &Self, now: UnixMillis) {
        for mine in self.identities.keyrings() {
            before.identities.keyrings().for_each(|theirs| mine.inherit(theirs));
        }
        self.trust.keys.inherit(&before.trust.keys, now);
    }

    /// What is too much.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether rulings are enforced.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The rules of the one reading that are switched off.
    #[must_use]
    pub fn relaxed(&self) -> &Relaxed {
        &self.relaxed
    }

    /// Hash of the configuration as it was given.
    #[must_use]
    pub fn config_hash(&self) -> Hash {
        self.config_hash
    }

    /// Hash of the bundle.
    #[must_use]
    pub fn bundle_hash(&self) -> Hash {
        self.bundle_hash
    }

    /// How many policies, and how many of them are gates.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        self.policies.count()
    }

    pub(crate) fn group(&self, name: &str) -> Option<GroupId> {
        self.identities.group(name)
    }
}

/// Everything that a bundle says.
#[derive(Debug)]
pub struct Rules {
    policies: Policies,
    routes: Routes,
    identities: Identities,
}

impl Rules {
    /// Loads `bundle` with the identity sources of a configuration (none: only the bundle is checked).
    ///
    /// # Errors
    /// Everything that is wrong with it, each with file, line and what to do.
    pub fn load(
        bundle: &Bundle,
        sources: &[IdentitySource],
        limits: &PolicyLimits,
    ) -> Result<Self, Vec<LoadError>> {
        let policies = Policies::load(bundle, limits)?;
        let mut errors = Vec::new();
        let routes = collect(
            &mut errors,
            Routes::load(bundle.get("routes.yaml"), bundle.get("messages.yaml"), &policies),
        );
        let identities = collect(&mut errors, Identities::load(sources, bundle));
        let (Some(routes), Some(identities)) = (routes, identities) else { return Err(errors) };
        errors.extend(unmapped_groups(&policies, &identities));
        errors.extend(narrow_calls(&policies, &routes));
        errors.extend(policies.plain().filter_map(|(info, scope)| routes.hides(info, scope)));
        let unfit = identities.unfit(&policies);
        errors.extend(unfit.into_iter().map(|why| LoadError::in_file(FILE, format!("`identity`: {why}"))));
        if errors.is_empty() { Ok(Self { policies, routes, identities }) } else { Err(errors) }
    }

    /// How many policies, and how many of them are gates.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        self.policies.count()
    }

    /// All policies, shadows among them, sorted by id.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyInfo> {
        self.policies.policies()
    }
}

impl Policies {
    fn count(&self) -> (usize, usize) {
        let gates = self.policies().filter(|policy| matches!(policy.notes.role, Role::Gate(_)));
        (self.policies().count(), gates.count())
    }
}

/// What of the configuration needs checking beyond its shape.
struct Settings {
    zone: Zone,
    trust: Trust,
}

impl Settings {
    fn of(config: &Config) -> Result<Self, Vec<LoadError>> {
        let refuse = |message: String| vec![LoadError::in_file(FILE, message)];
        let zone = Zone::named(&config.timezone).map_err(|error| refuse(format!("`timezone`: {error}")))?;
        let approval = &config.approval;
        if approval.keys.is_empty() {
            return Err(refuse("`approval.keys`: name at least one key of the approval service".into()));
        }
        let refresh =
            approval.key_source().map_err(|error| refuse(format!("`approval.refresh`: {error}")))?;
        let keys = ServiceKeys::new(approval.issuer.clone(), &approval.keys, refresh)
            .map_err(|error| refuse(format!("`approval.keys`: {error}")))?;
        Ok(Self { zone, trust: Trust { keys, audience: config.audience.clone() } })
    }
}

fn collect<T>(errors: &mut Vec<LoadError>, result: Result<T, Vec<LoadError>>) -> Option<T> {
    result.map_err(|mut found| errors.append(&mut found)).ok()
}

/// Where tools have actions of their own, a policy that names the action of all calls means them, too.
fn narrow_calls(policies: &Policies, routes: &Routes) -> Vec<LoadError> {
    let Some(call) = routes.shared_call() else { return Vec::new() };
    let narrow = policies.policies().filter(|policy| policy.action.as_ref() == Some(&call));
    narrow
        .map(|policy| {
            let id = &policy.notes.id;
            let message = format!(
                "`{id}` names `action == {call}`, and tools in `routes.yaml` have actions of their own in it: write \
                 `action in {call}`"
            );
            LoadError::at(policy.file.clone(), policy.line, message)
        })
        .collect()
}

/// A gate whose group nobody maps could never be opened: better said now than to the first caller.
fn unmapped_groups(policies: &Policies, identities: &Identities) -> Vec<LoadError> {
    let groups = policies.policies().flat_map(|policy| {
        let gate = match &policy.notes.role {
            Role::Gate(gate) => Some(gate),
            _ => None,
        };
        let asks = gate.map(|gate| ("asks", &gate.group));
        let opens = gate.and_then(|gate| Some(("can be opened alone by", gate.break_glass.as_ref()?)));
        asks.into_iter().chain(opens).map(move |(what, group)| (policy, what, group))
    });
    groups
        .filter(|(.., group)| identities.group(group).is_none())
        .map(|(policy, what, group)| {
            let message = format!(
                "gate `{}` {what} `{group}`, which `groups` in `identities.yaml` does not map to an issuer and id",
                policy.notes.id
            );
            LoadError::at(policy.file.clone(), policy.line, message)
        })
        .collect()
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies").field("count", &self.policies().count()).finish()
    }
}

impl SchemaView for Policies {
    fn has_action(&self, action: &EntityName) -> bool {
        self.declares_action(action)
    }

    fn has_entity_type(&self, ty: &str) -> bool {
        self.declares_type(ty)
    }

    fn context_attributes(&self, action: &EntityName) -> Option<BTreeMap<String, Attribute>> {
        self.context_type(action).cloned()
    }

    fn takes_resource(&self, action: &EntityName, ty: &str) -> bool {
        self.applies_to(action, ty)
    }

    fn may_lie_in(&self, child: &str, parent: &str) -> bool {
        self.may_contain(child, parent)
    }

    fn lies_in(&self, action: &EntityName, other: &EntityName) -> bool {
        self.action_lies_in(action, other)
    }
}
