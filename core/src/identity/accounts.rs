//! Which entities are people and which are programs, and who is who.

use std::collections::{BTreeMap, BTreeSet};

use countersign_protocol::person::{GroupId, Person};

/// What `identities.yaml` says.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// Entity types that are people, and the issuer whose subjects their ids are.
    pub(super) people: BTreeMap<String, String>,
    /// Entity types that are programs, and the attribute that names their owner.
    pub(super) agents: BTreeMap<String, String>,
    /// Groups of approvers by the name that policies use.
    pub(super) groups: BTreeMap<String, GroupId>,
    /// Sets of names that are one person each; no two sets overlap.
    pub(super) same: Vec<BTreeSet<Person>>,
}

/// What an entity type stands for.
pub(super) enum Kind<'a> {
    /// A person whose ids are this issuer's subjects.
    Person { issuer: &'a str },
    /// A program whose owner is in this attribute.
    Agent { owner: &'a str },
    /// Nobody said.
    Unknown,
}

impl Accounts {
    pub(super) fn kind(&self, ty: &str) -> Kind<'_> {
        match (self.people.get(ty), self.agents.get(ty)) {
            (Some(issuer), _) => Kind::Person { issuer },
            (None, Some(owner)) => Kind::Agent { owner },
            (None, None) => Kind::Unknown,
        }
    }

    /// Says that all these names are one person, with everybody whom they were said to be before.
    pub(super) fn unite(&mut self, mut names: BTreeSet<Person>) {
        let joined: Vec<_> = self.same.extract_if(.., |set| !set.is_disjoint(&names)).collect();
        names.extend(joined.into_iter().flatten());
        self.same.push(names);
    }

    /// All names of whoever has any of these.
    pub(super) fn names(&self, own: impl Iterator<Item = Person>) -> Vec<Person> {
        let mut names: BTreeSet<Person> = own.collect();
        let aliases: Vec<_> = self.same.iter().filter(|set| !set.is_disjoint(&names)).collect();
        names.extend(aliases.into_iter().flatten().cloned());
        names.into_iter().collect()
    }
}
