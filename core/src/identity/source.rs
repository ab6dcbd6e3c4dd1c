//! Where an identity comes from: verified claims, a peer certificate, a header from a named peer.

use std::net::IpAddr;

use countersign_protocol::person::Person;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Found, Named, spiffe};
use crate::denial::{Denial, Reason};
use crate::entity::EntityName;
use crate::facts::RequestFacts;
use crate::reading::Reading;
use crate::routes::{is_header_name, is_type};

/// The longest id that a credential may give, bytes (as long as a SPIFFE ID may be).
const MAX_ID: usize = 2048;

/// The longest chain of actors (RFC 8693 section 4.1).
const MAX_ACTORS: usize = 5;

/// One entry of `identity` in the filter's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum IdentitySource {
    /// Claims that Envoy's `jwt_authn` verified and put into dynamic metadata.
    Jwt {
        /// The key under which it put them (`payload_in_metadata`).
        metadata: String,
        /// Which claim is the principal, or the owner when the token names an actor.
        principal: ClaimPrincipal,
        /// What an actor (`act`) is. Without it a token with an actor is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        actor: Option<TypeOnly>,
    },
    /// The URI in the peer's certificate, when it is a SPIFFE ID of this trust domain.
    PeerCertificate {
        /// The trust domain, `prod.example`.
        trust_domain: String,
        /// The principal's entity type; its id is the whole SPIFFE ID.
        r#type: String,
    },
    /// A header that named peers may set.
    Header {
        /// Its name, in lower case.
        name: String,
        /// Addresses or ranges of the peers that may.
        peers: Vec<String>,
        /// The principal's entity type; its id is the header's value.
        r#type: String,
        /// Who keeps the accounts that the header names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        issuer: Option<String>,
    },
}

impl IdentitySource {
    /// The entity types of the principals that it gives.
    pub(crate) fn types(&self) -> impl Iterator<Item = &str> {
        let (one, other) = match self {
            Self::Jwt { principal, actor, .. } => {
                (&principal.r#type, actor.as_ref().map(|actor| &actor.r#type))
            }
            Self::PeerCertificate { r#type: ty, .. } | Self::Header { r#type: ty, .. } => (ty, None),
        };
        [Some(one), other].into_iter().flatten().map(String::as_str)
    }
}

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

fn sub() -> String {
    "sub".to_owned()
}

/// A source that was checked.
#[derive(Debug)]
pub(super) enum Source {
    Jwt { metadata: String, principal: ClaimPrincipal, actor: Option<TypeOnly> },
    PeerCertificate { trust_domain: String, ty: String },
    Header { name: String, peers: Vec<IpNet>, ty: String, issuer: Option<String> },
}

impl IdentitySource {
    pub(super) fn check(&self) -> Result<Source, String> {
        match self.clone() {
            Self::Jwt { metadata, principal, actor } => {
                check_type(&principal.r#type)?;
                actor.iter().try_for_each(|actor| check_type(&actor.r#type))?;
                Ok(Source::Jwt { metadata, principal, actor })
            }
            Self::PeerCertificate { trust_domain, r#type: ty } => {
                check_type(&ty)?;
                if !spiffe::is_trust_domain(&trust_domain) {
                    return Err(format!("`{trust_domain}` is no SPIFFE trust domain"));
                }
                Ok(Source::PeerCertificate { trust_domain, ty })
            }
            Self::Header { name, peers, r#type: ty, issuer } => {
                check_type(&ty)?;
                if !is_header_name(&name) {
                    return Err(format!("`{name}`: write the header's name in lower case"));
                }
                if peers.is_empty() {
                    return Err(format!("no peer may set `{name}`: name addresses or ranges under `peers`"));
                }
                let peers = peers.iter().map(|peer| network(peer)).collect::<Result<_, _>>()?;
                Ok(Source::Header { name, peers, ty, issuer })
            }
        }
    }
}

fn check_type(ty: &str) -> Result<(), String> {
    if is_type(ty) { Ok(()) } else { Err(format!("`{ty}` is no entity type")) }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .map_err(|_| format!("`{text}` is no address and no range like `10.0.0.0/8`"))
}

impl Source {
    /// For evidence.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Jwt { metadata, .. } => format!("jwt:{metadata}"),
            Self::PeerCertificate { .. } => "peer_certificate".to_owned(),
            Self::Header { name, .. } => format!("header:{name}"),
        }
    }

    /// Whom it names, `None` when it says nothing about this request.
    pub(super) fn read(&self, facts: &RequestFacts, reading: &Reading) -> Result<Option<Found>, Denial> {
        match self {
            Self::Jwt { metadata, principal, actor } => {
                let payload = facts.claims.get(metadata);
                payload.map(|payload| claims(payload, principal, actor.as_ref())).transpose()
            }
            Self::PeerCertificate { trust_domain, ty } => {
                let Some(uri) = &facts.peer.uri_san else { return Ok(None) };
                if !spiffe::is_id_of(uri, trust_domain) {
                    return Err(bad(format!("the certificate's URI is no SPIFFE ID of `{trust_domain}`")));
                }
                let entity = EntityName::new(ty, uri);
                Ok(Some(Found(Named { entity, vouched: None }, Vec::new())))
            }
            Self::Header { name, peers, ty, issuer } => {
                let Some(value) = reading.header(name)? else { return Ok(None) };
                let peer = facts.peer.address.map(|address| address.to_canonical());
                if !peer.is_some_and(|peer| peers.iter().any(|network| network.contains(&peer))) {
                    return Err(bad(format!("`{name}` comes from a peer that may not set it")));
                }
                let id = id(value).ok_or_else(|| bad(format!("`{name}` is empty or too long")))?;
                let vouched = issuer.clone().map(|issuer| Person { issuer, subject: id.to_owned() });
                Ok(Some(Found(Named { entity: EntityName::new(ty, id), vouched }, Vec::new())))
            }
        }
    }
}

fn bad(detail: impl Into<String>) -> Denial {
    Denial::new(Reason::BadIdentity, detail)
}

/// An id that policy and people can read: not empty, not endless, nothing invisible.
fn id(text: &str) -> Option<&str> {
    let good = !text.is_empty() && text.len() <= MAX_ID && !text.chars().any(char::is_control);
    good.then_some(text)
}

/// Principal and chain of verified claims (RFC 8693 section 4.1): the outermost actor first, `sub` last.
fn claims(payload: &Json, principal: &ClaimPrincipal, actor: Option<&TypeOnly>) -> Result<Found, Denial> {
    let claims = payload.as_object().ok_or_else(|| bad("the claims are no object"))?;
    let issuer = text(claims, "iss")?;
    let id = text(claims, &principal.claim)?
        .ok_or_else(|| bad(format!("the token has no claim `{}`", principal.claim)))?;
    let subject = text(claims, "sub")?;
    let subject = Named {
        entity: EntityName::new(&principal.r#type, id),
        vouched: issuer.zip(subject).map(|(issuer, subject)| person(issuer, subject)),
    };
    let mut chain = actors(claims, issuer, actor)?;
    chain.push(subject);
    let mut chain = chain.into_iter();
    chain.next().map(|first| Found(first, chain.collect())).ok_or_else(|| bad("the token names nobody"))
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
