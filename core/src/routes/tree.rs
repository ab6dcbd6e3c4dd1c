//! The routes of one host as a tree over path segments: one walk finds the most specific.

use std::collections::BTreeMap;

use super::file::{FILE, Fallback};
use super::pattern::Step;
use super::route::Route;
use crate::denial::Denial;
use crate::load::LoadError;
use crate::reading::Reading;

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
    param: Option<Box<Node>>,
    /// Routes whose tail starts here, the most specific first.
    tails: Vec<Route>,
    /// Routes whose template ends here, the most specific first.
    ends: Vec<Route>,
}

/// A route, and the values of its parameters before folding.
pub(super) struct Found<'a> {
    pub(super) route: &'a Route,
    pub(super) captured: Vec<String>,
}

impl Host {
    /// Adds a route, unless another could be meant by the same request.
    pub(super) fn add(&mut self, steps: &[Step], route: Route) -> Result<(), LoadError> {
        self.closed = true;
        let mut node = &mut self.root;
        for step in steps {
            node = match step {
                Step::Literal(literal) => node.literals.entry(literal.clone()).or_default(),
                Step::Param => node.param.get_or_insert_default(),
                Step::Tail => return insert(&mut node.tails, route),
            };
        }
        insert(&mut node.ends, route)
    }

    /// All routes.
    pub(super) fn routes(&self) -> impl Iterator<Item = &Route> {
        let mut all = Vec::new();
        self.root.collect(&mut all);
        all.into_iter()
    }

    /// The most specific route for a request: at each segment literal before parameter before tail.
    pub(super) fn find(&self, reading: &Reading) -> Result<Option<Found<'_>>, Denial> {
        let mut captured = Vec::new();
        let route = self.root.find(&reading.segments, reading, &mut captured)?;
        Ok(route.map(|route| Found { route, captured }))
    }
}

fn insert(routes: &mut Vec<Route>, route: Route) -> Result<(), LoadError> {
    if let Some(other) = routes.iter().find(|other| other.conditions.ties(&route.conditions)) {
        let message =
            format!("the routes at lines {} and {} match the same requests", other.line, route.line);
        return Err(LoadError::at(FILE, route.line, message));
    }
    let place = routes.partition_point(|other| other.conditions.rank() <= route.conditions.rank());
    routes.insert(place, route);
    Ok(())
}

impl Node {
    fn collect<'a>(&'a self, all: &mut Vec<&'a Route>) {
        all.extend(self.tails.iter().chain(&self.ends));
        self.literals.values().chain(self.param.as_deref()).for_each(|node| node.collect(all));
    }

    fn find<'a>(
        &'a self,
        rest: &[String],
        reading: &Reading,
        captured: &mut Vec<String>,
    ) -> Result<Option<&'a Route>, Denial> {
        let Some((segment, after)) = rest.split_first() else { return first(&self.ends, reading) };
        if let Some(node) = self.literals.get(segment)
            && let Some(route) = node.find(after, reading, captured)?
        {
            return Ok(Some(route));
        }
        if let Some(node) = self.param.as_ref().filter(|_| !segment.is_empty()) {
            captured.push(segment.clone());
            if let Some(route) = node.find(after, reading, captured)? {
                return Ok(Some(route));
            }
            captured.pop();
        }
        if segment.is_empty() {
            return Ok(None);
        }
        let route = first(&self.tails, reading)?;
        captured.extend(route.map(|_| rest.join("/")));
        Ok(route)
    }
}

fn first<'a>(routes: &'a [Route], reading: &Reading) -> Result<Option<&'a Route>, Denial> {
    for route in routes {
        if route.conditions.hold(reading)? {
            return Ok(Some(route));
        }
    }
    Ok(None)
}
