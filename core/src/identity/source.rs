//! Where an identity comes from: verified claims, a token, a peer certificate, a header from a named peer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use countersign_protocol::UnixMillis;
use countersign_protocol::person::Person;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::bearer::{Bearer, BearerEntry};
use super::claims::{ClaimFact, ClaimPrincipal, Reader, TypeOnly, bad, check_type, id};
use super::{Found, Named, spiffe};
use crate::denial::Denial;
use crate::entity::EntityName;
use crate::facts::RequestFacts;
use crate::keys::KeySource as _;
use crate::reading::Reading;
use crate::routes::is_header_name;

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
        /// The claim that names the subject's groups.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        groups: Option<ClaimFact>,
        /// The subject's attributes, by name.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        attributes: BTreeMap<String, ClaimFact>,
    },
    /// A token that the filter verifies itself.
    Bearer(Box<BearerEntry>),
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

/// A source that was checked.
#[derive(Debug)]
pub(super) enum Source {
    Jwt { metadata: String, reader: Reader },
    Bearer(Box<Bearer>),
    PeerCertificate { trust_domain: String, ty: String },
    Header { name: String, peers: Vec<IpNet>, ty: String, issuer: Option<String> },
}

impl IdentitySource {
    /// `file` gives a file of the bundle.
    pub(super) fn check<'a>(&self, file: &dyn Fn(&str) -> Option<&'a str>) -> Result<Source, String> {
        match self.clone() {
            Self::Jwt { metadata, principal, actor, groups, attributes } => {
                Ok(Source::Jwt { metadata, reader: Reader::new(principal, actor, groups, attributes)? })
            }
            Self::Bearer(entry) => Ok(Source::Bearer(Box::new(entry.check(file)?))),
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
            Self::Bearer(bearer) => bearer.keyring.source().to_owned(),
            Self::PeerCertificate { .. } => "peer_certificate".to_owned(),
            Self::Header { name, .. } => format!("header:{name}"),
        }
    }

    /// How it reads claims, if it does.
    pub(super) fn reader(&self) -> Option<&Reader> {
        match self {
            Self::Jwt { reader, .. } => Some(reader),
            Self::Bearer(bearer) => Some(bearer.reader()),
            Self::PeerCertificate { .. } | Self::Header { .. } => None,
        }
    }

    /// The entity types of the principals that it gives.
    pub(super) fn types(&self) -> Vec<&str> {
        match self {
            Self::PeerCertificate { ty, .. } | Self::Header { ty, .. } => vec![ty],
            _ => self.reader().into_iter().flat_map(Reader::types).collect(),
        }
    }

    /// Whom it names, `None` when it says nothing about this request.
    pub(super) fn read(
        &self,
        facts: &RequestFacts,
        reading: &Reading,
        now: UnixMillis,
    ) -> Result<Option<Found>, Denial> {
        match self {
            Self::Jwt { metadata, reader } => {
                let found = facts.claims.get(metadata).map(|payload| reader.read(payload)).transpose();
                found.map_err(Denial::of_token)
            }
            Self::Bearer(bearer) => bearer.read(reading, now),
            Self::PeerCertificate { trust_domain, ty } => {
                let Some(uri) = &facts.peer.uri_san else { return Ok(None) };
                if !spiffe::is_id_of(uri, trust_domain) {
                    return Err(bad(format!("the certificate's URI is no SPIFFE ID of `{trust_domain}`")));
                }
                let entity = EntityName::new(ty, uri);
                Ok(Some(Found::one(Named { entity, vouched: None })))
            }
            Self::Header { name, peers, ty, issuer } => {
                let Some(value) = reading.header(name)? else { return Ok(None) };
                let peer = facts.peer.address.map(|address| address.to_canonical());
                if !peer.is_some_and(|peer| peers.iter().any(|network| network.contains(&peer))) {
                    return Err(bad(format!("`{name}` comes from a peer that may not set it")));
                }
                let id = id(value).ok_or_else(|| bad(format!("`{name}` is empty or too long")))?;
                let vouched = issuer.clone().map(|issuer| Person { issuer, subject: id.to_owned() });
                Ok(Some(Found::one(Named { entity: EntityName::new(ty, id), vouched })))
            }
        }
    }
}
