//! Other spellings of a path, which some servers take for the same: in another case, with a slash more or less at its end,
//! or with a format behind its last name.

use std::sync::Arc;

use super::{Host, Methods, Node};
use crate::denial::Denial;
use crate::reading::{Rule, fold};
use crate::routes::asked::Asked;
use crate::routes::route::Route;

/// Endings by which frameworks choose the form of an answer (`(.:format)` of Rails, suffixes of Spring): what is before
/// them is the name.
const FORMATS: [&str; 9] = ["atom", "csv", "html", "json", "rss", "txt", "xml", "yaml", "yml"];

/// How a step of a template takes a segment, the more specific first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Taken {
    Literally,
    AsParameter,
    InTail,
}

/// A place that a path has in some spelling.
struct Place<'a> {
    /// How it is reached. A slash at the end makes nothing more specific.
    way: Vec<Taken>,
    /// Nothing where it has routes that the request does not fit.
    route: Option<&'a Arc<Route>>,
}

/// The most specific places.
#[derive(Default)]
struct Best<'a> {
    /// Of the path as it is written.
    own: Option<Place<'a>>,
    /// Of all its spellings.
    any: Option<Place<'a>>,
}

impl Host {
    /// Refuses a path that has a more specific route, or one in place of none, when it is spelled otherwise: who judged the
    /// one route would let the server do the other.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`](crate::denial::Reason::Ambiguous) by the rule `path-spelling`.
    pub(in crate::routes) fn refuse_other_spelling(&self, asked: &Asked<'_>) -> Result<(), Denial> {
        let relaxed = asked.reading.relaxed();
        if relaxed.has(Rule::PathSpelling) {
            return Ok(());
        }
        let mut best = Best::default();
        self.root.spelled(&asked.reading.segments, asked, (&mut Vec::new(), true), &mut best);
        let Best { own, any: Some(any) } = best else { return Ok(()) };
        let other = own.is_none_or(|own| any.way < own.way);
        let name = any.route.map_or("a route with other conditions", |route| &route.name);
        let place = format_args!("in another case, or with another end, `:path` is for {name}");
        Rule::PathSpelling.refuse_if(other, relaxed, place)
    }
}

impl Node {
    /// Looks at all places of a path in any spelling. `way`: how this node was reached, and whether by the path as it is
    /// written. Each node is visited once at most.
    fn spelled<'a>(
        &'a self,
        rest: &[String],
        asked: &Asked<'_>,
        (way, own): (&mut Vec<Taken>, bool),
        best: &mut Best<'a>,
    ) {
        let slash = self.literals.get("");
        let (segment, after) = match rest {
            [] => {
                best.add(&self.ends, asked, (way, own));
                slash.into_iter().for_each(|node| best.add(&node.ends, asked, (way, false)));
                return;
            }
            [last] if last.is_empty() => {
                slash.into_iter().for_each(|node| best.add(&node.ends, asked, (way, own)));
                best.add(&self.ends, asked, (way, false));
                return;
            }
            [segment, after @ ..] => (segment, after),
        };
        for (name, node) in self.named(segment, after) {
            way.push(Taken::Literally);
            node.spelled(after, asked, (way, own && name == segment), best);
            way.pop();
        }
        if segment.is_empty() {
            return;
        }
        if let Some(node) = &self.param {
            way.push(Taken::AsParameter);
            node.spelled(after, asked, (way, own), best);
            way.pop();
        }
        way.push(Taken::InTail);
        best.add(&self.tails, asked, (way, own));
        way.pop();
    }

    /// The literals that a segment is in some spelling.
    fn named<'a>(&'a self, segment: &str, after: &[String]) -> impl Iterator<Item = (&'a String, &'a Self)> {
        let last = after.iter().all(String::is_empty);
        let stem = segment.rsplit_once('.').filter(|(_, end)| last && FORMATS.contains(&fold(end).as_str()));
        let folded = [Some(fold(segment)), stem.map(|(stem, _)| fold(stem))];
        let names = folded.into_iter().flatten().filter_map(|folded| self.spelled.get(&folded)).flatten();
        names.filter_map(|name| self.literals.get_key_value(name))
    }
}

impl<'a> Best<'a> {
    fn add(&mut self, place: &'a Methods, asked: &Asked<'_>, (way, own): (&[Taken], bool)) {
        let route = match place.find(asked) {
            Ok(None) => return,
            Ok(found) => found,
            Err(_) => None,
        };
        let better = |best: &Option<Place<'_>>| best.as_ref().is_none_or(|best| way < best.way.as_slice());
        if own && better(&self.own) {
            self.own = Some(Place { way: way.to_vec(), route });
        }
        if better(&self.any) {
            self.any = Some(Place { way: way.to_vec(), route });
        }
    }
}
