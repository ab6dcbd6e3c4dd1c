//! Which channels are told of a request: by its gates, and by the time that it has waited.

use std::collections::{BTreeMap, BTreeSet};

use countersign_protocol::UnixMillis;
use countersign_protocol::person::GroupId;
use countersign_protocol::request::{Gate, Question};

/// Who is told beside the first ones, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Escalation {
    /// After how long without an answer, milliseconds.
    pub(crate) after: UnixMillis,
    /// Names of channels.
    pub(crate) to: BTreeSet<String>,
}

/// What one channel is there for.
#[derive(Debug, Clone)]
pub(crate) struct Serves {
    /// Groups whose gates it is told of.
    pub(crate) groups: BTreeSet<GroupId>,
    /// What policies call it (`@channel`), its own name among it.
    pub(crate) names: BTreeSet<String>,
    /// Whether it is told only of what people have to know: it cannot take back or change what it said.
    pub(crate) sparing: bool,
    pub(crate) escalation: Option<Escalation>,
}

/// All channels, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes {
    pub(crate) channels: BTreeMap<String, Serves>,
    /// For requests that no channel is there for.
    pub(crate) escalation: Option<Escalation>,
}

/// Events that change nothing for those who only need to know what to do, and what became of it.
const FINE: [&str; 3] = ["approve", "claimed", "dropped"];

impl Routes {
    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Whether a channel is told of such an event at all.
    pub(crate) fn takes(&self, channel: &str, event: &str) -> bool {
        self.channels.get(channel).is_some_and(|serves| !(serves.sparing && FINE.contains(&event)))
    }

    /// The channels that are there for a question.
    pub(crate) fn asked(&self, question: &Question) -> BTreeSet<String> {
        question.gates.iter().flat_map(|gate| self.at(gate)).collect()
    }

    /// The channels of those who may open gates of a question alone.
    pub(crate) fn glass(&self, question: &Question) -> BTreeSet<String> {
        let groups = question.gates.iter().filter_map(|gate| gate.break_glass.as_ref());
        groups.flat_map(|glass| self.of(&glass.group)).collect()
    }

    /// Where to ask when a request has had no answer for long: after how long, and which channels.
    pub(crate) fn escalation(&self, question: &Question) -> Option<Escalation> {
        let first = self.asked(question);
        let own = first.iter().filter_map(|name| self.channels.get(name)?.escalation.as_ref());
        let general = self.escalation.as_ref().filter(|_| first.is_empty());
        own.chain(general).cloned().reduce(|one, other| Escalation {
            after: one.after.min(other.after),
            to: one.to.into_iter().chain(other.to).collect(),
        })
    }

    /// Where the gate's policy says, if there is such a channel; else where its group is.
    fn at(&self, gate: &Gate) -> Vec<String> {
        let named = |name: &str| self.named(|serves| serves.names.contains(name));
        let named = gate.channel.as_deref().map(named).filter(|named| !named.is_empty());
        named.unwrap_or_else(|| self.of(&gate.group))
    }

    /// The channels of a group.
    pub(crate) fn of(&self, group: &GroupId) -> Vec<String> {
        self.named(|serves| serves.groups.contains(group))
    }

    fn named(&self, is: impl Fn(&Serves) -> bool) -> Vec<String> {
        self.channels.iter().filter(|(_, serves)| is(serves)).map(|(name, _)| name.clone()).collect()
    }
}
