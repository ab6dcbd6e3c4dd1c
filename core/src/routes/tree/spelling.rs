//! Other spellings of a path, which some servers take for the same: in another case, or with a slash more or less at its
//! end.

use std::sync::Arc;

use super::{Host, Methods, Node};
use crate::denial::Denial;
use crate::reading::Rule;
use crate::routes::asked::Asked;
use crate::routes::route::Route;

/// What a path has in some spelling: a route, or only such as the request does not fit.
type Spelled<'a> = Option<&'a Arc<Route>>;

impl Host {
    /// Refuses a path that has another route, or one in place of none, when it is spelled otherwise: who judged the one
    /// route would let the server do the other.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`](crate::denial::Reason::Ambiguous) by the rule `path-spelling`.
    pub(in crate::routes) fn refuse_other_spelling(
        &self,
        asked: &Asked<'_>,
        found: Option<&Arc<Route>>,
    ) -> Result<(), Denial> {
        let relaxed = asked.reading.relaxed();
        if relaxed.has(Rule::PathSpelling) {
            return Ok(());
        }
        let other = match (self.root.spelled(&asked.reading.segments, asked), found) {
            (None, _) => return Ok(()),
            (Some(Some(other)), Some(found)) if Arc::ptr_eq(other, found) => return Ok(()),
            (Some(other), _) => other.map_or("a route whose conditions are others", |other| &other.name),
        };
        let place =
            format_args!("in another case, or with a `/` more or less at its end, `:path` is for {other}");
        Rule::PathSpelling.refuse_if(true, relaxed, place)
    }
}

impl Node {
    /// The most specific place of a path in any spelling, its own first.
    fn spelled<'a>(&'a self, rest: &[String], asked: &Asked<'_>) -> Option<Spelled<'a>> {
        let slash = || self.literals.get("").and_then(|node| node.ends.spelled(asked));
        let plain = || self.ends.spelled(asked);
        let (segment, after) = match rest {
            [] => return plain().or_else(slash),
            [last] if last.is_empty() => return slash().or_else(plain),
            [segment, after @ ..] => (segment, after),
        };
        let folded = segment.to_ascii_lowercase();
        let others = self.spelled.get(&folded).into_iter().flatten().filter(|other| *other != segment);
        let literals =
            self.literals.get(segment).into_iter().chain(others.filter_map(|name| self.literals.get(name)));
        let param = self.param.as_deref().filter(|_| !segment.is_empty());
        let mut nodes = literals.chain(param);
        nodes
            .find_map(|node| node.spelled(after, asked))
            .or_else(|| if segment.is_empty() { None } else { self.tails.spelled(asked) })
    }
}

impl Methods {
    fn spelled<'a>(&'a self, asked: &Asked<'_>) -> Option<Spelled<'a>> {
        match self.find(asked) {
            Ok(None) => None,
            Ok(Some(route)) => Some(Some(route)),
            Err(_) => Some(None),
        }
    }
}
