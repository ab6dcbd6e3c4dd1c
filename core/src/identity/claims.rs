//! What verified claims say: who asks, for whom, in which groups, with which attributes.

use std::collections::{BTreeMap, BTreeSet};

use countersign_protocol::person::Person;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Found, Named};
use crate::denial::{Denial, Reason};
use crate::entity::EntityName;
use crate::policy::Claimed;
use crate::routes::{Place, Typed, is_type};

/// The longest id that a credential may give, bytes (as long as a SPIFFE ID may be).
const MAX_ID: usize = 2048;

/// The longest chain of actors (RFC 8693 section 4.1).
const MAX_ACTORS: usize = 5;

/// Most groups that a token may name.
const MAX_GROUPS: usize = 1000;

/// An entity type, and the claim that holds the id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimPrincipal {
    /// The entity type.
    pub r#type: String,
    /// The claim.
    #[serde(default = "sub")]
    pub claim: String,
}

/// An entity type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeOnly {
    /// The entity type.
    pub r#type: String,
}

/// A claim that says something about the subject besides who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimFact {
    /// The claim's name, or a JSON pointer into the claims when it begins with `/`.
    pub claim: String,
    /// Of groups the entity type, of an attribute the type that the schema declares.
    pub r#type: String,
    /// Whether a token may leave it out.
    #[serde(default)]
    pub optional: bool,
}

fn sub() -> String {
    "sub".to_owned()
}

/// How claims are read: what the configuration says, checked.
#[derive(Debug)]
pub(super) struct Reader {
    principal: ClaimPrincipal,
    actor: Option<TypeOnly>,
    groups: Option<Groups>,
    attributes: BTreeMap<String, Fact>,
}

#[derive(Debug)]
struct Groups {
    claim: Place,
    ty: String,
    optional: bool,
}

#[derive(Debug)]
struct Fact {
    claim: Place,
    ty: Typed,
    optional: bool,
}

impl Reader {
    /// Checks what the configuration says of claims.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn new(
        principal: ClaimPrincipal,
        actor: Option<TypeOnly>,
        groups: Option<ClaimFact>,
        attributes: BTreeMap<String, ClaimFact>,
    ) -> Result<Self, String> {
        check_type(&principal.r#type)?;
        actor.iter().try_for_each(|actor| check_type(&actor.r#type))?;
        let groups = groups.map(|ClaimFact { claim, r#type: ty, optional }| {
            check_type(&ty)?;
            Ok::<_, String>(Groups { claim: Place::parse(&claim)?, ty, optional })
        });
        let attributes = attributes.into_iter().map(|(name, ClaimFact { claim, r#type: ty, optional })| {
            Ok((name, Fact { claim: Place::parse(&claim)?, ty: Typed::parse(&ty), optional }))
        });
        Ok(Self {
            principal,
            actor,
            groups: groups.transpose()?,
            attributes: attributes.collect::<Result<_, String>>()?,
        })
    }

    /// Principal and chain (RFC 8693 section 4.1): the outermost actor first, the subject last. `may_act` says who
    /// could be an actor, and makes nobody one.
    pub(super) fn read(&self, payload: &Json) -> Result<Found, Denial> {
        let claims = payload.as_object().ok_or_else(|| bad("the claims are no object"))?;
        let ClaimPrincipal { r#type: ty, claim } = &self.principal;
        let issuer = text(claims, "iss")?;
        let id = text(claims, claim)?.ok_or_else(|| bad(format!("the token has no claim `{claim}`")))?;
        let subject = text(claims, "sub")?;
        let subject = Named {
            entity: EntityName::new(ty, id),
            vouched: issuer.zip(subject).map(|(issuer, subject)| person(issuer, subject)),
        };
        let mut actors = actors(claims, issuer, self.actor.as_ref())?.into_iter();
        match actors.next() {
            None => Ok(Found { claimed: self.claimed(payload)?, ..Found::one(subject) }),
            // Groups and attributes are the subject's, and the actor is somebody else.
            Some(first) => Ok(Found { chain: actors.chain([subject]).collect(), ..Found::one(first) }),
        }
    }

    fn claimed(&self, claims: &Json) -> Result<Claimed, Denial> {
        let mut attributes = BTreeMap::new();
        for (name, Fact { claim, ty, optional }) in &self.attributes {
            if let Some(value) = present(claim, claims, *optional)? {
                let value =
                    ty.read(value).map_err(|why| bad(format!("the claim `{}` {why}", claim.written())))?;
                attributes.insert(name.clone(), value);
            }
        }
        let Some(Groups { claim, ty, optional }) = &self.groups else {
            return Ok(Claimed { attributes, ..Claimed::default() });
        };
        let listed =
            present(claim, claims, *optional)?.map_or(Ok(BTreeSet::new()), |value| ids(claim, value))?;
        let groups = listed.into_iter().map(|id| EntityName::new(ty, id)).collect();
        Ok(Claimed { groups, group_type: Some(ty.clone()), attributes })
    }

    /// The entity types of the principals that it gives.
    pub(super) fn types(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.principal.r#type)
            .chain(self.actor.iter().map(|actor| &actor.r#type))
            .map(String::as_str)
    }

    /// The subject's type, the type of its groups, and its attributes with the types that they are given.
    pub(super) fn claims(&self) -> (&str, Option<&str>, impl Iterator<Item = (&str, &str)>) {
        let attributes = self.attributes.iter().map(|(name, fact)| (name.as_str(), fact.ty.written()));
        (&self.principal.r#type, self.groups.as_ref().map(|groups| groups.ty.as_str()), attributes)
    }
}

pub(super) fn check_type(ty: &str) -> Result<(), String> {
    if is_type(ty) { Ok(()) } else { Err(format!("`{ty}` is no entity type")) }
}

pub(super) fn bad(detail: impl Into<String>) -> Denial {
    Denial::new(Reason::BadIdentity, detail)
}

/// An id that policy and people can read: not empty, not endless, nothing invisible.
pub(super) fn id(text: &str) -> Option<&str> {
    let good = !text.is_empty() && text.len() <= MAX_ID && !text.chars().any(char::is_control);
    good.then_some(text)
}

/// A claim that must be there unless it is optional.
fn present<'a>(claim: &Place, claims: &'a Json, optional: bool) -> Result<Option<&'a Json>, Denial> {
    match claim.find(claims) {
        None if !optional => Err(bad(format!("the token has no claim `{}`", claim.written()))),
        found => Ok(found),
    }
}

/// The ids of groups: a list of texts, or one text.
fn ids<'a>(claim: &Place, value: &'a Json) -> Result<BTreeSet<&'a str>, Denial> {
    let members = match value {
        Json::Array(members) => members.as_slice(),
        one => std::slice::from_ref(one),
    };
    let name = claim.written();
    if members.len() > MAX_GROUPS {
        return Err(bad(format!(
            "the claim `{name}` has {} groups, at most {MAX_GROUPS} are read",
            members.len()
        )));
    }
    let ids = members.iter().map(|member| member.as_str().and_then(id)).collect::<Option<_>>();
    ids.ok_or_else(|| bad(format!("the claim `{name}` is no list of usable texts")))
}

fn actors(
    claims: &Map<String, Json>,
    issuer: Option<&str>,
    ty: Option<&TypeOnly>,
) -> Result<Vec<Named>, Denial> {
    let mut actors = Vec::new();
    let mut next = claims.get("act");
    while let Some(act) = next {
        let act = act.as_object().ok_or_else(|| bad("`act` is no object"))?;
        let ty = ty.ok_or_else(|| bad("the token has an `act`, and no type is configured for actors"))?;
        if actors.len() == MAX_ACTORS {
            return Err(bad(format!("the token names more than {MAX_ACTORS} actors")));
        }
        let subject = text(act, "sub")?.ok_or_else(|| bad("an `act` has no `sub`"))?;
        let vouched = text(act, "iss")?.or(issuer).map(|issuer| person(issuer, subject));
        actors.push(Named { entity: EntityName::new(&ty.r#type, subject), vouched });
        next = act.get("act");
    }
    Ok(actors)
}

fn person(issuer: &str, subject: &str) -> Person {
    Person { issuer: issuer.to_owned(), subject: subject.to_owned() }
}

/// A claim that is a usable text when it is there.
fn text<'a>(claims: &'a Map<String, Json>, name: &str) -> Result<Option<&'a str>, Denial> {
    let Some(claim) = claims.get(name) else { return Ok(None) };
    let text = claim.as_str().and_then(id);
    text.map(Some).ok_or_else(|| bad(format!("the claim `{name}` is no usable text")))
}
