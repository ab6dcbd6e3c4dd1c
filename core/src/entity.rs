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
        f.write_str(&self.ty)?;
        f.write_str("::\"")?;
        // Ids are plain mostly, and looking at each character's properties costs more than all the rest.
        if self.id.bytes().all(is_plain) { f.write_str(&self.id) } else { self.id.escape_debug().fmt(f) }?;
        f.write_str("\"")
    }
}

/// Whether a byte stands for itself in an escaped id.
fn is_plain(byte: u8) -> bool {
    (byte.is_ascii_graphic() || byte == b' ') && !b"\"'\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_escaped_as_cedar_does_it() {
        for id in (0..=0x17f).filter_map(char::from_u32).map(|c| format!("a{c}b")).chain([String::new()]) {
            let name = EntityName::new("A::B", &id);
            assert_eq!(name.to_string(), format!("A::B::\"{}\"", id.escape_debug()));
        }
    }
}
