//! Templates for entity names: `GitHub::Repo::"{path.owner}/{path.repo}"`.

use std::borrow::Cow;

use super::facts::{Fact, Inputs, Other, Raw};
use super::json::Json;
use super::pattern::Params;
use super::types::{excess_text, is_id};
use crate::denial::Denial;
use crate::entity::EntityName;

/// An entity's name with places that the request fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) ty: String,
    pieces: Vec<Piece>,
    /// Characters that stand between places: in a value they would make two requests the same entity.
    separators: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Place(Fact),
}

/// Splits `Type::"id"`; the id has no escapes.
pub(super) fn entity(text: &str) -> Result<(&str, &str), String> {
    let refuse = || format!("`{text}` is no entity: write it as `Namespace::Type::\"id\"`");
    let (ty, id) = text.strip_suffix('"').and_then(|text| text.split_once("::\"")).ok_or_else(refuse)?;
    if !is_type(ty) || id.is_empty() || id.contains(['"', '\\']) || !is_id(id) {
        return Err(refuse());
    }
    Ok((ty, id))
}

/// Whether a text is a Cedar type's name, `Deploy::Agent`.
pub(crate) fn is_type(text: &str) -> bool {
    text.split("::").all(|word| {
        let starts = word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        starts && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

impl Template {
    /// Reads a template over the parameters of a path template, and over facts that only one kind of route knows.
    pub(super) fn parse(text: &str, (params, other): (&Params, Other<'_>)) -> Result<Self, String> {
        let (ty, mut rest) = entity(text)?;
        let mut pieces = Vec::new();
        while let Some((literal, after)) = rest.split_once('{') {
            let (place, after) =
                after.split_once('}').ok_or_else(|| format!("`{text}`: a `{{` has no `}}`"))?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
            pieces.push(Piece::Place(other(place).unwrap_or_else(|| Fact::parse(place, params))?));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        let separators = separators(text, &pieces)?;
        Ok(Self { ty: ty.to_owned(), pieces, separators })
    }

    /// The facts that fill it.
    pub(super) fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Place(fact) => Some(fact),
            Piece::Literal(_) => None,
        })
    }

    /// Whether some request could name this entity.
    pub(super) fn could_name(&self, entity: &EntityName) -> bool {
        self.ty == entity.ty
            && match self.pieces.as_slice() {
                [Piece::Literal(id)] => *id == entity.id,
                _ => true,
            }
    }

    /// The entity that a request names. Different values give different names.
    pub(super) fn fill(&self, inputs: &Inputs<'_>) -> Result<EntityName, Denial> {
        let mut id = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => id.push_str(literal),
                Piece::Place(fact) => id.push_str(&self.value(fact, inputs)?),
            }
        }
        Ok(EntityName::new(&self.ty, id))
    }

    fn value<'a>(&self, fact: &Fact, inputs: &'a Inputs<'_>) -> Result<Cow<'a, str>, Denial> {
        let text = match fact.raw(inputs, false)? {
            Some(Raw::Text(text)) => text,
            Some(Raw::Json(Json::Text(text))) => Cow::Borrowed(text.as_str()),
            Some(Raw::Json(Json::Int(number))) => Cow::Owned(number.to_string()),
            Some(_) => return Err(fact.bad("is not a string or a whole number")),
            None => return Err(fact.bad("is missing")),
        };
        if !is_id(&text) {
            return Err(fact.bad("is empty or has control characters"));
        }
        if let Some(excess) = excess_text(&text) {
            return Err(fact.bad(excess));
        }
        // The tail of a path has nothing after it that it could run into.
        let last = fact.tail && self.facts().last() == Some(fact);
        match text.chars().find(|&character| self.separators.contains(character)) {
            Some(separator) if !last => Err(fact.bad(format_args!("contains the separator `{separator}`"))),
            _ => Ok(text),
        }
    }
}

/// The characters of the literals between two places. Letters and digits do not separate: a name may well
/// contain them, and one other character in each literal is enough to tell the values apart.
fn separators(text: &str, pieces: &[Piece]) -> Result<String, String> {
    let between = pieces.iter().enumerate().skip_while(|(_, piece)| matches!(piece, Piece::Literal(_)));
    let last = pieces.iter().rposition(|piece| matches!(piece, Piece::Place(_))).unwrap_or(0);
    let mut separators = String::new();
    let mut after_place = false;
    for (index, piece) in between {
        match piece {
            Piece::Literal(literal) if index < last => {
                let own: String = literal.chars().filter(|c| !c.is_alphanumeric()).collect();
                after_place = own.is_empty();
                separators.push_str(&own);
            }
            Piece::Literal(_) => {}
            Piece::Place(_) if after_place => {
                return Err(format!("`{text}`: nothing like `/` or `:` separates two places"));
            }
            Piece::Place(_) => after_place = true,
        }
    }
    Ok(separators)
}
