//! Who people and groups are: an issuer and what the issuer calls them, never a display name.

use serde::{Deserialize, Serialize};

/// A person: the issuer of the account and its immutable subject there (RFC 7519, `iss` and `sub`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Who keeps the account.
    pub issuer: String,
    /// The account's immutable id at that issuer.
    pub subject: String,
}

/// A group of approvers, by the issuer that keeps it and its id there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupId {
    /// Who keeps the group.
    pub issuer: String,
    /// The group's immutable id at that issuer.
    pub id: String,
}

/// The part somebody has in a request; whoever has one never approves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A person who sent the request.
    Requester,
    /// A program that sent the request. It has no account to approve with; its owner stands for it.
    Agent,
    /// The person whom the agent belongs to.
    Owner,
    /// Anybody else named in the delegation chain.
    Delegate,
}

/// Somebody who takes part in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Involved {
    /// The part that they have in it.
    pub role: Role,
    /// The Cedar entity that stands for them in policies, as Cedar prints it.
    pub entity: String,
    /// Every (issuer, subject) known to be this one; empty only for agents that no issuer vouches for.
    pub names: Vec<Person>,
}
