//! The types of values, without the policy engine: what a schema declares and what a route makes.

use std::collections::BTreeMap;
use std::fmt;

/// A Cedar type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// `Bool`.
    Bool,
    /// `Long`.
    Long,
    /// `String`.
    String,
    /// `decimal`.
    Decimal,
    /// `ipaddr`.
    Ip,
    /// `datetime`.
    Datetime,
    /// `Set<…>`.
    Set(Box<Type>),
    /// A record, from the names of its attributes.
    Record(BTreeMap<String, Attribute>),
    /// A reference to an entity of this type.
    Entity(String),
    /// What only policy can make, as Cedar writes it: `duration`.
    Other(String),
}

/// An attribute of a record or of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Whether it must be there.
    pub required: bool,
    /// Its type.
    pub ty: Type,
}

impl Type {
    /// Whether every value of this type is one of `declared`: the same type, but an attribute that this type
    /// always has may be optional there.
    #[must_use]
    pub fn fits(&self, declared: &Self) -> bool {
        match (self, declared) {
            (Self::Record(own), Self::Record(declared)) => {
                let known = own.keys().all(|name| declared.contains_key(name));
                known && declared.iter().all(|(name, wanted)| wanted.is_met_by(own.get(name)))
            }
            (Self::Set(own), Self::Set(declared)) => own.fits(declared),
            _ => self == declared,
        }
    }
}

impl Attribute {
    fn is_met_by(&self, own: Option<&Self>) -> bool {
        own.map_or(!self.required, |own| own.ty.fits(&self.ty) && (own.required || !self.required))
    }
}

impl fmt::Display for Type {
    /// As a schema writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("Bool"),
            Self::Long => f.write_str("Long"),
            Self::String => f.write_str("String"),
            Self::Decimal => f.write_str("decimal"),
            Self::Ip => f.write_str("ipaddr"),
            Self::Datetime => f.write_str("datetime"),
            Self::Set(member) => write!(f, "Set<{member}>"),
            Self::Entity(name) | Self::Other(name) => f.write_str(name),
            Self::Record(attributes) => {
                f.write_str("{")?;
                for (place, (name, attribute)) in attributes.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    let mark = if attribute.required { "" } else { "?" };
                    write!(f, "{comma}{name}{mark}: {}", attribute.ty)?;
                }
                f.write_str("}")
            }
        }
    }
}
