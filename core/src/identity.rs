//! Who asks, on whose behalf, and under which names an approver could be the same person.

mod accounts;
mod chain;
mod file;
mod source;
mod spiffe;

use countersign_protocol::person::{GroupId, Involved, Person};

pub use source::{ClaimPrincipal, IdentitySource, TypeOnly};

use crate::denial::Denial;
use crate::entity::EntityName;
use crate::facts::RequestFacts;
use crate::load::LoadError;
use crate::reading::Reading;
use accounts::Accounts;
use source::Source;

/// How callers are told apart: the configured sources in order, and `identities.yaml`.
#[derive(Debug)]
pub struct Identities {
    sources: Vec<Source>,
    accounts: Accounts,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The entity that policy sees.
    pub principal: EntityName,
    /// Whether nobody knows who asks.
    pub anonymous: bool,
    /// Everybody who takes part, the principal first, each under all names known.
    pub involved: Vec<Involved>,
    /// Why a gate must stay shut for this caller: [`crate::denial::Reason::OwnerUnknown`] or
    /// [`crate::denial::Reason::IdentityNotComparable`]. What needs no gate may pass.
    pub unaccountable: Option<Denial>,
    /// Which source named the principal, for evidence: `jwt:payload`, `peer_certificate`, `header:x-user`,
    /// `anonymous`.
    pub source: String,
}

/// Somebody whom a source names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    entity: EntityName,
    /// The name under which an issuer vouches for them, when one does.
    vouched: Option<Person>,
}

/// What a source found: the principal, then everybody it acts for, the last being who it started with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found(Named, Vec<Named>);

impl Identities {
    /// Checks the configured sources and reads `identities.yaml`.
    ///
    /// # Errors
    /// All that is wrong with either.
    pub fn load(sources: &[IdentitySource], yaml: Option<&str>) -> Result<Self, Vec<LoadError>> {
        let mut errors = Vec::new();
        let sources = sources.iter().enumerate().filter_map(|(index, source)| {
            let fault =
                |message| LoadError::in_file("configuration", format!("`identity[{index}]`: {message}"));
            source.check().map_err(|message| errors.push(fault(message))).ok()
        });
        let sources = sources.collect();
        let accounts = file::load(yaml).map_err(|more| errors.extend(more)).unwrap_or_default();
        if errors.is_empty() { Ok(Self { sources, accounts }) } else { Err(errors) }
    }

    /// Whether a source reads claims that the gateway verified: nothing else of a decision does.
    pub(crate) fn read_claims(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::Jwt { .. }))
    }

    /// Whether a source reads the peer's certificate: nothing else of a decision does.
    pub(crate) fn read_certificates(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::PeerCertificate { .. }))
    }

    /// Who sent a request. A source that is absent passes on to the next; nobody is
    /// `Countersign::Anonymous::"anonymous"`. `owner_of` gives the entity that an agent's entity names as its
    /// owner in an attribute.
    ///
    /// # Errors
    /// [`crate::denial::Reason::BadIdentity`] when credentials are there and do not hold,
    /// [`crate::denial::Reason::Ambiguous`] when they can be read in two ways.
    pub fn identify(
        &self,
        facts: &RequestFacts,
        reading: &Reading,
        owner_of: &dyn Fn(&EntityName, &str) -> Option<EntityName>,
    ) -> Result<Caller, Denial> {
        for source in &self.sources {
            if let Some(found) = source.read(facts, reading)? {
                let (involved, unaccountable) = chain::involve(&found, &self.accounts, owner_of);
                let principal = found.0.entity;
                return Ok(Caller {
                    principal,
                    anonymous: false,
                    involved,
                    unaccountable,
                    source: source.name(),
                });
            }
        }
        Ok(Caller {
            principal: EntityName::new("Countersign::Anonymous", "anonymous"),
            anonymous: true,
            involved: Vec::new(),
            unaccountable: None,
            source: "anonymous".to_owned(),
        })
    }

    /// The group that policies call `name`: a gate whose group is not mapped is a load error.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<GroupId> {
        self.accounts.groups.get(name).cloned()
    }

    /// The entities that stand for a person in policies, under any of the person's names.
    #[must_use]
    pub fn entities(&self, person: &Person) -> Vec<EntityName> {
        let of = |name: Person| {
            let types = self.accounts.people.iter().filter(move |(_, issuer)| **issuer == name.issuer);
            types.map(move |(ty, _)| EntityName::new(ty, &name.subject))
        };
        self.names(person).into_iter().flat_map(of).collect()
    }

    /// Everything that a person is known as, the given name among it.
    #[must_use]
    pub fn names(&self, person: &Person) -> Vec<Person> {
        self.accounts.names(std::iter::once(person.clone()))
    }
}
