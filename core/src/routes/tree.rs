//! The routes of one host as a tree over path segments: one walk finds the most specific.

mod meeting;
mod spelling;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::asked::{Asked, Unfound};
use super::choice::{Choice, Tie};
use super::conditions::{Conditions, Key};
use super::file::Fallback;
use super::pattern::Step;
use super::route::Route;
use crate::denial::{Denial, Reason};
use crate::reading::fold;
pub(super) use meeting::Paths;

/// What is known of one host, or of all hosts below a domain.
#[derive(Debug, Default)]
pub(super) struct Host {
    root: Node,
    /// Whether any route is here: then what matches none is denied.
    pub(super) closed: bool,
    /// What its entry under `hosts` says.
    pub(super) fallback: Option<Fallback>,
}

/// A node stands for the segments before it; each is reached by one path only, so a walk visits no node
/// twice.
#[derive(Debug, Default)]
struct Node {
    literals: BTreeMap<String, Node>,
    /// The literals by what they are where case does not matter.
    spelled: BTreeMap<String, Vec<String>>,
    param: Option<Box<Node>>,
    /// Routes whose tail starts here.
    tails: Methods,
    /// Routes whose template ends here.
    ends: Methods,
}

/// The routes of one path. A method that has routes of its own here still finds those of any method.
#[derive(Debug, Default)]
struct Methods {
    named: BTreeMap<String, Choice>,
    any: Option<Choice>,
}

/// A route, and the values of its parameters as they came.
pub(super) struct Found<'a> {
    pub(super) route: &'a Arc<Route>,
    pub(super) captured: Vec<String>,
}

impl Host {
    /// Adds a route under each of its methods and each of its alternatives.
    pub(super) fn add(
        &mut self,
        steps: &[Step],
        methods: &[String],
        alternatives: &[Conditions],
        route: &Arc<Route>,
    ) -> Result<(), Tie> {
        self.closed = true;
        let place = self.root.place(steps);
        let named = methods
            .iter()
            .map(|method| place.named.entry(method.clone()).or_default().add_all(alternatives, route));
        let named: Result<(), Tie> = named.collect();
        named?;
        if methods.is_empty() {
            place.any.get_or_insert_default().add_all(alternatives, route)
        } else {
            Ok(())
        }
    }

    /// Routes that one request could mean, with nothing to say which.
    pub(super) fn ties(&self) -> Vec<Tie> {
        let mut ties = Vec::new();
        let mut open = vec![&self.root];
        while let Some(node) = open.pop() {
            let choices = [&node.tails, &node.ends]
                .into_iter()
                .flat_map(|place| place.named.values().chain(&place.any));
            ties.extend(choices.flat_map(Choice::ties));
            open.extend(node.literals.values().chain(node.param.as_deref()));
        }
        ties
    }

    /// The most specific route for a request: at each segment literal before parameter before tail.
    ///
    /// # Errors
    /// [`Reason::NoRoute`] when the path has routes for this method and the request fits none of them: it is not
    /// left to a wider one. [`Reason::Ambiguous`] when what one asks about can be read in two ways.
    /// [`Unfound::NeedsBody`] when one asks about that.
    pub(super) fn find(&self, asked: &Asked<'_>) -> Result<Option<Found<'_>>, Unfound> {
        let mut captured = Vec::new();
        let route = self.root.find(&asked.reading.segments, asked, &mut captured)?;
        Ok(route.map(|route| Found { route, captured }))
    }
}

impl Choice {
    fn add_all(&mut self, alternatives: &[Conditions], route: &Arc<Route>) -> Result<(), Tie> {
        alternatives.iter().try_for_each(|conditions| self.add(conditions, Arc::clone(route)))
    }
}

impl Node {
    /// Where routes of this template are kept.
    fn place(&mut self, steps: &[Step]) -> &mut Methods {
        match steps.split_first() {
            None => &mut self.ends,
            Some((Step::Tail, _)) => &mut self.tails,
            Some((Step::Literal(literal), rest)) => {
                if !self.literals.contains_key(literal) {
                    let spelled = self.spelled.entry(fold(literal)).or_default();
                    spelled.push(literal.clone());
                }
                self.literals.entry(literal.clone()).or_default().place(rest)
            }
            Some((Step::Param, rest)) => self.param.get_or_insert_default().place(rest),
        }
    }

    fn find<'a>(
        &'a self,
        rest: &[String],
        asked: &Asked<'_>,
        captured: &mut Vec<String>,
    ) -> Result<Option<&'a Arc<Route>>, Unfound> {
        let Some((segment, after)) = rest.split_first() else { return self.ends.find(asked) };
        if let Some(node) = self.literals.get(segment)
            && let Some(route) = node.find(after, asked, captured)?
        {
            return Ok(Some(route));
        }
        if let Some(node) = self.param.as_ref().filter(|_| !segment.is_empty()) {
            captured.push(segment.clone());
            if let Some(route) = node.find(after, asked, captured)? {
                return Ok(Some(route));
            }
            captured.pop();
        }
        if segment.is_empty() {
            return Ok(None);
        }
        let route = self.tails.find(asked)?;
        captured.extend(route.map(|_| rest.join("/")));
        Ok(route)
    }
}

impl Methods {
    /// The routes that name a method. HEAD does what GET does (RFC 9110 section 9.3.2), unless a route names it.
    fn own(&self, method: &str) -> Option<&Choice> {
        let named = self.named.get(method);
        if method == "HEAD" { named.or_else(|| self.named.get("GET")) } else { named }
    }

    /// The most specific route that fits; nothing when none is about this method.
    fn find(&self, asked: &Asked<'_>) -> Result<Option<&Arc<Route>>, Unfound> {
        let reading = asked.reading;
        let choices = || self.own(&reading.method).into_iter().chain(&self.any);
        let asks_form = choices().any(Choice::asks_form);
        if asks_form {
            choices().flat_map(Choice::names).try_for_each(|name| asked.refuse_in_both(name))?;
        }
        for choice in choices() {
            if let Some((route, group)) = choice.find(asked)? {
                if asks_form && !group.asks(&Key::ContentType) {
                    asked.refuse_other_body()?;
                }
                let names = choices().flat_map(Choice::fields);
                let mut names = names.filter(|name| !group.asks(&Key::Query((*name).to_owned())));
                names.try_for_each(|name| asked.refuse_in_query(name))?;
                return Ok(Some(route));
            }
        }
        let detail = || {
            format!(
                "`{}` on host `{}`: the routes of this path want other headers, another query, another form or another \
                 content type",
                reading.method, reading.host
            )
        };
        match choices().next() {
            Some(_) => Err(Denial::new(Reason::NoRoute, detail()).into()),
            None => Ok(None),
        }
    }
}
