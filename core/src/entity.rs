//! Names of Cedar entities, without the policy engine: what routes and identity produce.

use std::fmt;

/// A Cedar entity's type and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntityName {
    /// The fully qualified type, `Deploy::Agent`.
    pub ty: String,
    /// The id, as it is (not escaped).
    pub id: String,
}

impl EntityName {
    /// The entity `ty::"id"`.
    #[must_use]
    pub fn new(ty: impl Into<String>, id: impl Into<String>) -> Self {
        Self { ty: ty.into(), id: id.into() }
    }
}

impl fmt::Display for EntityName {
    /// As Cedar prints it: `Deploy::Agent::"ci-7"`, the id escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::\"{}\"", self.ty, self.id.escape_debug())
    }
}
