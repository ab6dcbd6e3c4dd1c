//! Fields of gRPC messages: the way to one by its descriptor, and what stands there.

mod decoded;
mod file;
mod scalar;

use super::types::{MAX_SET, Type};
use crate::denial::{Denial, Reason};
use crate::reading::Rule;
pub(super) use decoded::{Decoded, Descriptor};
use decoded::{Found, Message};
pub(super) use file::Messages;
use scalar::Scalar;

/// The way to a field: from the request message through messages in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    steps: Vec<Step>,
    leaf: Leaf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    number: u32,
    repeated: bool,
    /// The other members of its `oneof`: the last of all that are there counts.
    rivals: Vec<u32>,
}

/// What is taken at the end of a way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Leaf {
    Scalar {
        scalar: Scalar,
        /// Whether a field that is not there holds the default of its type, as those without presence do.
        defaults: bool,
    },
    /// Of a message, whether it is there.
    Presence,
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Two parsers could read different ones.
    Ambiguous(&'static str),
    /// The message is none, or not as its descriptor says.
    Malformed(&'static str),
}

impl Unread {
    /// The denial for what stands at `place`.
    pub(super) fn denial(self, place: &str) -> Denial {
        match self {
            Self::Ambiguous(why) => Rule::MessageFields.broken(format_args!("{place} {why}")),
            Self::Malformed(why) => Denial::new(Reason::BadFact, format!("{place} {why}")),
        }
    }
}

impl From<&'static str> for Unread {
    fn from(why: &'static str) -> Self {
        Self::Malformed(why)
    }
}

impl Path {
    /// Whether it leads to a list: to a repeated field, or through one.
    pub(super) fn is_list(&self) -> bool {
        self.leaf != Leaf::Presence && self.steps.iter().any(|step| step.repeated)
    }

    /// Whether it leads to a message.
    pub(super) fn is_presence(&self) -> bool {
        self.leaf == Leaf::Presence
    }

    /// Whether what stands there can be a value of this type.
    pub(super) fn fits(&self, ty: &Type) -> bool {
        match (&self.leaf, ty) {
            (Leaf::Presence, ty) => *ty == Type::Bool,
            (Leaf::Scalar { scalar, .. }, Type::Set(member)) => self.is_list() && scalar.fits(member),
            (Leaf::Scalar { scalar, .. }, ty) => !self.is_list() && scalar.fits(ty),
        }
    }

    /// What stands there, each value as text; none where nothing is. Of a message: whether it is there.
    pub(super) fn find(&self, decoded: &Decoded) -> Result<Vec<String>, Unread> {
        let mut texts = Vec::new();
        let there = self.walk(decoded.message(), &self.steps, decoded, &mut texts)?;
        if self.is_presence() {
            texts.push(there.to_string());
        }
        Ok(texts)
    }

    /// Whether the way leads to something.
    fn walk(
        &self,
        message: &Message,
        steps: &[Step],
        decoded: &Decoded,
        texts: &mut Vec<String>,
    ) -> Result<bool, Unread> {
        let Some((step, rest)) = steps.split_first() else { return Ok(false) };
        let found = message.all(step.number);
        decoded.look(1 + found.len() + step.rivals.len())?;
        if !found.is_empty() && step.rivals.iter().any(|rival| !message.all(*rival).is_empty()) {
            return Err(Unread::Ambiguous("shares its `oneof` with another field that is there"));
        }
        if found.len() > 1 && !step.repeated {
            return Err(Unread::Ambiguous("is there more than once"));
        }
        let mut there = false;
        for (_, found) in found {
            there |= match (found, &self.leaf, rest) {
                (Found::Message(inner), _, [_, ..]) => self.walk(inner, rest, decoded, texts)?,
                (Found::Value(value), Leaf::Scalar { scalar, .. }, []) => {
                    texts.push(scalar.text(value)?);
                    true
                }
                _ => rest.is_empty(),
            };
            if texts.len() > MAX_SET {
                return Err(Unread::Malformed("has more than 1000 members"));
            }
        }
        match &self.leaf {
            Leaf::Scalar { scalar, defaults: true } if rest.is_empty() && found.is_empty() => {
                texts.push(scalar.default());
            }
            _ => {}
        }
        Ok(there)
    }
}
