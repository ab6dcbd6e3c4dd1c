//! Who asks, on whose behalf, and under which names an approver could be the same person.

mod accounts;
mod bearer;
mod chain;
mod claims;
mod file;
mod jwk;
mod jwt;
mod keyring;
mod source;
mod spiffe;

use countersign_protocol::person::{GroupId, Involved, Person};
use countersign_protocol::{Hash, UnixMillis};

pub use bearer::BearerEntry;
pub use claims::{ClaimFact, ClaimPrincipal, TypeOnly};
pub use jwk::Algorithm;
pub use keyring::Keyring;
pub use source::IdentitySource;

use crate::bundle::Bundle;
use crate::denial::Denial;
use crate::entity::EntityName;
use crate::facts::RequestFacts;
use crate::load::LoadError;
use crate::policy::{Claimed, Policies};
use crate::reading::Reading;
use accounts::Accounts;
use bearer::Bearer;
use source::Source;

/// Most bytes of groups and attributes in a record; longer ones are there by their hash.
const LONGEST_CLAIMS: usize = 64 << 10;

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
    /// What its credentials say of the principal besides who it is.
    pub claimed: Claimed,
    /// The key that signed its token (RFC 7638, SHA-256, base64url), when the filter verified it.
    pub key: Option<String>,
}

impl Caller {
    /// What evidence says of credentials that say more than a name, or that the filter verified itself.
    pub(crate) fn evidence(&self) -> Option<serde_json::Value> {
        let Self { source, claimed, key, .. } = self;
        if key.is_none() && claimed.is_empty() {
            return None;
        }
        let groups: Vec<_> = claimed.groups.iter().map(ToString::to_string).collect();
        let attributes = claimed.attributes.iter().map(|(name, value)| (name.clone(), value.to_json()));
        let mut said = serde_json::json!({ "source": source, "key": key });
        let claims =
            serde_json::json!({ "groups": groups, "attributes": serde_json::Map::from_iter(attributes) });
        let bytes = claims.to_string().len();
        if let Some(said) = said.as_object_mut()
            && !claimed.is_empty()
        {
            let claims = match bytes <= LONGEST_CLAIMS {
                true => claims,
                false => serde_json::json!({
                    "omitted": { "bytes": bytes, "sha256": Hash::of(claims.to_string().as_bytes()) }
                }),
            };
            said.insert("claims".to_owned(), claims);
        }
        Some(said)
    }
}

/// Somebody whom a source names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    entity: EntityName,
    /// The name under which an issuer vouches for them, when one does.
    vouched: Option<Person>,
}

/// What a source found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    principal: Named,
    /// Everybody it acts for, the last being who it started with.
    chain: Vec<Named>,
    claimed: Claimed,
    /// The thumbprint of the key that was verified with.
    key: Option<String>,
}

impl Found {
    /// One who acts for nobody, and of whom nothing else is said.
    fn one(principal: Named) -> Self {
        Self { principal, chain: Vec::new(), claimed: Claimed::default(), key: None }
    }
}

impl Identities {
    /// Checks the configured sources, whose keys may be in `bundle`, and reads its `identities.yaml`.
    ///
    /// # Errors
    /// All that is wrong with either.
    pub fn load(sources: &[IdentitySource], bundle: &Bundle) -> Result<Self, Vec<LoadError>> {
        let mut errors = Vec::new();
        let mut refuse = |index: usize, message: String| {
            errors.push(LoadError::in_file("configuration", format!("`identity[{index}]`: {message}")));
        };
        let mut checked = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            match source.check(&|path| bundle.get(path)) {
                Ok(source) => checked.push((index, source)),
                Err(message) => refuse(index, message),
            }
        }
        tell_apart(&mut checked, &mut refuse);
        let accounts = file::load(bundle.get("identities.yaml")).map_err(|more| errors.extend(more));
        let sources = checked.into_iter().map(|(_, source)| source).collect();
        match (accounts, errors.is_empty()) {
            (Ok(accounts), true) => Ok(Self { sources, accounts }),
            _ => Err(errors),
        }
    }

    /// What the schema does not know of what the sources give: types of principals and groups, and attributes.
    pub(crate) fn unfit(&self, policies: &Policies) -> Vec<String> {
        let types = self.sources.iter().flat_map(Source::types).filter(|ty| !policies.declares_type(ty));
        let unknown = types.map(|ty| format!("the schema declares no entity type `{ty}`"));
        let claims = self.sources.iter().filter_map(Source::reader).flat_map(|reader| {
            let (ty, groups, attributes) = reader.claims();
            let group = groups.and_then(|group| policies.unfit_parent(ty, group));
            group
                .into_iter()
                .chain(attributes.filter_map(|(name, given)| policies.unfit_attribute(ty, name, given)))
        });
        unknown.chain(claims).collect()
    }

    /// The keys of each source that verifies tokens itself.
    pub fn keyrings(&self) -> impl Iterator<Item = &Keyring> {
        self.bearers().map(|bearer| &bearer.keyring)
    }

    /// The headers that tokens come in: they change between two tries of a request, and nobody is shown them.
    #[must_use]
    pub fn credentials(&self) -> Vec<String> {
        self.bearers().map(|bearer| bearer.header.clone()).collect()
    }

    fn bearers(&self) -> impl Iterator<Item = &Bearer> {
        self.sources.iter().filter_map(|source| match source {
            Source::Bearer(bearer) => Some(bearer.as_ref()),
            _ => None,
        })
    }

    /// Whether a source reads claims that the gateway verified: nothing else of a decision does.
    pub(crate) fn read_claims(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::Jwt { .. }))
    }

    /// Whether a source reads the peer's certificate: nothing else of a decision does.
    pub(crate) fn read_certificates(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::PeerCertificate { .. }))
    }

    /// Who sent a request, as of `now`. A source that is absent passes on to the next; nobody is
    /// `Countersign::Anonymous::"anonymous"`. `owner_of` gives the entity that an agent's entity names as its
    /// owner in an attribute.
    ///
    /// # Errors
    /// [`crate::denial::Reason::BadIdentity`] when credentials are there and do not hold,
    /// [`crate::denial::Reason::KeysUnavailable`] when that cannot be told yet,
    /// [`crate::denial::Reason::Ambiguous`] when they can be read in two ways.
    pub fn identify(
        &self,
        facts: &RequestFacts,
        reading: &Reading,
        now: UnixMillis,
        owner_of: &dyn Fn(&EntityName, &str) -> Option<EntityName>,
    ) -> Result<Caller, Denial> {
        for source in &self.sources {
            if let Some(found) = source.read(facts, reading, now)? {
                let owner_of = |entity: &EntityName, attribute: &str| {
                    let claimed =
                        (*entity == found.principal.entity).then(|| found.claimed.entity(attribute));
                    claimed.flatten().or_else(|| owner_of(entity, attribute))
                };
                let (involved, unaccountable) = chain::involve(&found, &self.accounts, &owner_of);
                let Found { principal, claimed, key, .. } = found;
                return Ok(Caller {
                    principal: principal.entity,
                    anonymous: false,
                    involved,
                    unaccountable,
                    source: source.name(),
                    claimed,
                    key,
                });
            }
        }
        Ok(Caller {
            principal: EntityName::new("Countersign::Anonymous", "anonymous"),
            anonymous: true,
            involved: Vec::new(),
            unaccountable: None,
            source: "anonymous".to_owned(),
            claimed: Claimed::default(),
            key: None,
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

/// Sources that read the same header are told apart by the issuer that a token names.
fn tell_apart(sources: &mut [(usize, Source)], refuse: &mut dyn FnMut(usize, String)) {
    let place = |(index, source): &(usize, Source)| match source {
        Source::Bearer(bearer) => Some((*index, bearer.place())),
        _ => None,
    };
    let places: Vec<_> = sources.iter().filter_map(place).collect();
    for (index, source) in sources {
        if let Source::Bearer(bearer) = source {
            let others = places.iter().filter(|(other, _)| other != index);
            let others: Vec<_> = others.map(|(_, place)| place.clone()).collect();
            if let Err(message) = bearer.tell_apart(&others) {
                refuse(*index, message);
            }
        }
    }
}
