//! Fields of gRPC messages: the way to one by its descriptor, and what stands there.

mod file;
mod scalar;

use super::types::Type;
use crate::protobuf::{Fields, Wire};
pub(super) use file::Messages;
use scalar::Scalar;

/// Most fields and list members that are looked at for one fact: more would take longer than a request may.
const MAX_FIELDS: usize = 50_000;

/// The way to a field: from the request message through messages in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    steps: Vec<Step>,
    scalar: Scalar,
    /// Whether a field that is not there holds the default of its type, as those without presence do.
    defaults: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    number: u32,
    repeated: bool,
    /// The other members of its `oneof`: the last of all that are there counts.
    rivals: Vec<u32>,
}

/// Why there is no value.
pub(super) enum Unread {
    /// Two parsers could read different ones.
    Ambiguous(&'static str),
    /// The message is none, or not as its descriptor says.
    Malformed(&'static str),
}

impl From<&'static str> for Unread {
    fn from(why: &'static str) -> Self {
        Self::Malformed(why)
    }
}

/// What is found on the way.
struct Walk {
    texts: Vec<String>,
    /// How many more fields and members may be looked at.
    left: usize,
}

impl Path {
    /// Whether it leads to a list: to a repeated field, or through one.
    pub(super) fn is_list(&self) -> bool {
        self.steps.iter().any(|step| step.repeated)
    }

    /// Whether what stands there can be a value of this type.
    pub(super) fn fits(&self, ty: &Type) -> bool {
        match ty {
            Type::Set(member) => self.is_list() && self.scalar.fits(member),
            ty => !self.is_list() && self.scalar.fits(ty),
        }
    }

    /// What stands there, each value as text; none where nothing is.
    pub(super) fn find(&self, message: &[u8]) -> Result<Vec<String>, Unread> {
        let mut walk = Walk { texts: Vec::new(), left: MAX_FIELDS };
        self.walk(message, &self.steps, &mut walk)?;
        Ok(walk.texts)
    }

    fn walk(&self, message: &[u8], steps: &[Step], walk: &mut Walk) -> Result<(), Unread> {
        let Some((step, rest)) = steps.split_first() else { return Ok(()) };
        let (mut times, mut rival) = (0_usize, false);
        for field in Fields::of(message) {
            walk.count()?;
            let (number, wire) = field?;
            rival |= step.rivals.contains(&number);
            if number != step.number {
                continue;
            }
            times += 1;
            match (rest.is_empty(), wire) {
                (true, wire) => self.scalar.read(wire, step.repeated, walk)?,
                (false, Wire::Bytes(inner)) => self.walk(inner, rest, walk)?,
                (false, _) => return Err(Unread::Malformed("goes through a field that is no message")),
            }
        }
        match times {
            0 if rest.is_empty() && self.defaults => walk.texts.push(self.scalar.default()),
            0 => {}
            _ if rival => {
                return Err(Unread::Ambiguous("shares its `oneof` with another field that is there"));
            }
            1 => {}
            _ if step.repeated => {}
            _ => return Err(Unread::Ambiguous("is there more than once")),
        }
        Ok(())
    }
}

impl Walk {
    fn count(&mut self) -> Result<(), Unread> {
        self.left = self.left.checked_sub(1).ok_or("is in a message of more than 50000 fields")?;
        Ok(())
    }
}
