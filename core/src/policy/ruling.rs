//! The question that policy is asked, and its ruling.

use std::collections::BTreeMap;

use countersign_protocol::grant::GateRef;
use countersign_protocol::request::Terms;

use crate::denial::Reason;
use crate::entity::EntityName;
use crate::value::Value;

/// Who wants to do what to what, in which circumstances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Who.
    pub principal: EntityName,
    /// What credentials say of the principal.
    pub claimed: Claimed,
    /// Whether nobody knows who asks; such a request never waits for people.
    pub anonymous: bool,
    /// Does what.
    pub action: EntityName,
    /// To what.
    pub resource: EntityName,
    /// Parents of the resource that the request shows, besides those that the bundle's entities give it.
    pub parents: Vec<EntityName>,
    /// In which circumstances. Exactly what the schema declares for the action.
    pub context: BTreeMap<String, Value>,
}

/// What credentials say of a principal besides who it is. The bundle's entities may confirm it, and where they
/// contradict it there is no ruling: neither of both would always be the stricter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimed {
    /// Direct parents.
    pub groups: Vec<EntityName>,
    /// The type of the groups: in those of this type alone the principal lies.
    pub group_type: Option<String>,
    /// Attributes, as the schema declares them.
    pub attributes: BTreeMap<String, Value>,
}

impl Claimed {
    /// The entity that an attribute names.
    pub(crate) fn entity(&self, attribute: &str) -> Option<EntityName> {
        match self.attributes.get(attribute)? {
            Value::Entity(entity) => Some(entity.clone()),
            _ => None,
        }
    }

    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        self.group_type.is_none() && self.attributes.is_empty()
    }
}

/// What policy says to a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What happens.
    pub verdict: Verdict,
    /// The `@id`s of the policies that made the verdict, sorted: the satisfied permits of an allow, the absolute
    /// forbids of a denial (none: nothing permits it), the shut gates of a need for approval.
    pub determining: Vec<String>,
    /// What could not be evaluated, by `@id`.
    pub errors: Vec<Fault>,
    /// What `@shadow` policies would have said, by `@id`. Recorded, never enforced.
    pub shadow: Vec<Shadow>,
    /// Whether a determining policy wants its record kept before the request goes on (`@audit("sync")`).
    pub sync_audit: bool,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A permit holds and nothing is in the way.
    Allow,
    /// [`Reason::Forbidden`], [`Reason::PolicyError`] or [`Reason::Anonymous`].
    Deny(Reason),
    /// Everything but gates lets it pass.
    NeedsApproval(Required),
}

/// What it takes to open every gate that is shut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required {
    /// The shut gates, by id; at least one. Each needs its own quorum.
    pub gates: Vec<ShutGate>,
    /// What they ask for together: shortest times, fewest uses, highest severity.
    pub terms: Terms,
}

/// A gate that is shut for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShutGate {
    /// Its id and the hash of its text.
    pub gate: GateRef,
    /// The group of reviewers, by its name in policy.
    pub group: String,
    /// How many of them it takes.
    pub quorum: u8,
    /// Why the policy asks.
    pub reason: Option<String>,
    /// Where to ask.
    pub channel: Option<String>,
    /// The group of which one alone may open it, loudly.
    pub break_glass: Option<String>,
}

impl Verdict {
    /// Takes in what a verdict of the same strictness asks for.
    fn add(&mut self, other: &Self) {
        if let (Self::NeedsApproval(one), Self::NeedsApproval(other)) = (self, other) {
            one.add(other);
        }
    }

    /// The order in which verdicts hold: the last is the strictest.
    pub(crate) fn strictness(&self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::NeedsApproval(_) => 1,
            Self::Deny(_) => 2,
        }
    }

    /// For evidence.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::NeedsApproval(_) => "ask",
            Self::Deny(_) => "deny",
        }
    }
}

impl Ruling {
    /// What holds for a request that does both: one denial denies all of it, the first one is told; else every shut
    /// gate of either must be opened, once.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let (own, its) = (self.verdict.strictness(), other.verdict.strictness());
        match (own.cmp(&its), &mut self.verdict, &other.verdict) {
            (Less, verdict, stricter) => {
                *verdict = stricter.clone();
                self.determining.clone_from(&other.determining);
            }
            (Greater, ..) | (Equal, Verdict::Deny(_), _) => {}
            (Equal, verdict, same) => {
                verdict.add(same);
                self.determining.extend(other.determining.iter().cloned());
                self.determining.sort();
                self.determining.dedup();
            }
        }
        self.errors.extend(other.errors.iter().cloned());
        self.shadow.extend(other.shadow.iter().cloned());
        self.sync_audit |= other.sync_audit;
        self
    }
}

impl Required {
    fn add(&mut self, other: &Self) {
        for shut in &other.gates {
            if !self.gates.iter().any(|known| known.gate == shut.gate) {
                self.gates.push(shut.clone());
            }
        }
        self.gates.sort_by(|one, other| one.gate.id.cmp(&other.gate.id));
        self.terms = merge(&self.terms, &other.terms);
    }
}

/// The stricter of both in everything.
pub(super) fn merge(a: &Terms, b: &Terms) -> Terms {
    Terms {
        hold_ms: a.hold_ms.min(b.hold_ms),
        expires_ms: a.expires_ms.min(b.expires_ms),
        use_within_ms: a.use_within_ms.min(b.use_within_ms),
        uses: a.uses.min(b.uses),
        severity: a.severity.max(b.severity),
    }
}

/// Something that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The request itself does not fit the schema: why, as one sentence that shows no value of the context.
    Unfit(String),
    /// A policy failed.
    Failed {
        /// Its `@id`.
        policy: String,
        /// How.
        failure: Failure,
    },
}

/// How the evaluation of a policy failed. Cedar's own messages can show values of the request, which evidence
/// must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// A number left the 64 bits.
    IntegerOverflow,
    /// A function of an extension refused its argument, such as `ip("10.0.0.x")`.
    ExtensionError,
    /// An operator met a value of another type.
    TypeError,
    /// An attribute or tag is not there.
    MissingAttribute,
    /// An entity whose attributes are read is not in the bundle.
    MissingEntity,
    /// An expression nests too deeply.
    RecursionLimit,
    /// Anything else that Cedar may come to refuse.
    Other,
}

impl Fault {
    /// The `@id` of the policy that failed.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::Unfit(_) => None,
            Self::Failed { policy, .. } => Some(policy),
        }
    }

    /// How it failed, unless it is the request that does not fit.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Unfit(_) => None,
            Self::Failed { failure, .. } => Some(*failure),
        }
    }
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::IntegerOverflow,
        Self::ExtensionError,
        Self::TypeError,
        Self::MissingAttribute,
        Self::MissingEntity,
        Self::RecursionLimit,
        Self::Other,
    ];

    /// Stable, `snake_case`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::IntegerOverflow => "integer_overflow",
            Self::ExtensionError => "extension_error",
            Self::TypeError => "type_error",
            Self::MissingAttribute => "missing_attribute",
            Self::MissingEntity => "missing_entity",
            Self::RecursionLimit => "recursion_limit",
            Self::Other => "evaluation_error",
        }
    }
}

/// What a `@shadow` policy would have done. One that does not apply is not mentioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// The policy.
    pub id: String,
    /// What it would have done.
    pub would: Would,
}

/// The part that a policy would have had in a ruling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Would {
    /// Permit.
    Permit,
    /// Forbid, with nobody to open it.
    Forbid,
    /// Ask people.
    Ask,
    /// Fail.
    Fail(Failure),
}
