//! The routes of one path and one method: values are looked up, so that five thousand cost as much as fifty.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::asked::{Asked, Unfound};
use super::conditions::{Conditions, Key, Kind, Wanted};
use super::route::Route;

/// Two routes that one request could mean, with nothing to say which.
pub(super) type Tie = (Arc<Route>, Arc<Route>);

/// Routes that differ in their conditions only.
#[derive(Debug, Default)]
pub(super) struct Choice {
    groups: Vec<Group>,
    /// Names that they ask for in a form.
    fields: BTreeSet<String>,
    /// Names that they ask for in the query.
    parameters: BTreeSet<String>,
}

/// Routes that ask about the same keys in the same way, by the values that they want.
#[derive(Debug)]
pub(super) struct Group {
    keys: Vec<(Key, Kind)>,
    routes: BTreeMap<Vec<String>, Arc<Route>>,
}

impl Choice {
    /// Adds a route, unless another wants the very same.
    pub(super) fn add(&mut self, conditions: &Conditions, route: Arc<Route>) -> Result<(), Tie> {
        for (key, _) in conditions {
            match key {
                Key::Form(name) => drop(self.fields.insert(name.clone())),
                Key::Query(name) => drop(self.parameters.insert(name.clone())),
                Key::ContentType | Key::Header(_) => {}
            }
        }
        let keys: Vec<_> = conditions.iter().map(|(key, wanted)| (key.clone(), wanted.kind())).collect();
        let values = conditions.iter().filter_map(|(_, wanted)| match wanted {
            Wanted::Value(value) => Some(value.clone()),
            Wanted::Grpc | Wanted::Present => None,
        });
        let place = self.groups.partition_point(|group| (group.rank(), &group.keys) < (rank(&keys), &keys));
        if self.groups.get(place).is_none_or(|group| group.keys != keys) {
            self.groups.insert(place, Group { keys, routes: BTreeMap::new() });
        }
        let Some(group) = self.groups.get_mut(place) else { return Ok(()) };
        match group.routes.entry(values.collect()) {
            Entry::Vacant(free) => {
                free.insert(route);
                Ok(())
            }
            Entry::Occupied(taken) => Err((taken.get().clone(), route)),
        }
    }

    /// All routes.
    pub(super) fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.groups.iter().flat_map(|group| group.routes.values())
    }

    /// The routes of different groups of which neither asks for all that the other asks for, though a request
    /// could fit both. One of each two groups is told.
    pub(super) fn ties(&self) -> impl Iterator<Item = Tie> {
        let pairs = self.groups.iter().enumerate();
        pairs.flat_map(|(place, group)| {
            self.groups.iter().skip(place + 1).filter_map(|other| group.tie(other))
        })
    }

    /// Whether a route is chosen by a form.
    pub(super) fn asks_form(&self) -> bool {
        !self.fields.is_empty()
    }

    /// Names that are asked for in a form.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(String::as_str)
    }

    /// Names that are asked for in query or form.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().chain(&self.parameters).map(String::as_str)
    }

    /// The most specific route that fits a request, and the group that it is of. Of all that fit, each asks for
    /// less than the one before.
    pub(super) fn find(&self, asked: &Asked<'_>) -> Result<Option<(&Arc<Route>, &Group)>, Unfound> {
        for group in &self.groups {
            if let Some(values) = group.values(asked)?
                && let Some(route) = group.routes.get(&values)
            {
                return Ok(Some((route, group)));
            }
        }
        Ok(None)
    }
}

/// More keys first, then fewer that want no certain value.
fn rank(keys: &[(Key, Kind)]) -> (Reverse<usize>, usize) {
    (Reverse(keys.len()), keys.iter().map(|(_, kind)| *kind as usize).sum())
}

impl Group {
    /// Whether its routes ask about this.
    pub(super) fn asks(&self, key: &Key) -> bool {
        self.kind(key).is_some()
    }

    fn rank(&self) -> (Reverse<usize>, usize) {
        rank(&self.keys)
    }

    fn kind(&self, key: &Key) -> Option<Kind> {
        self.keys.iter().find(|(own, _)| own == key).map(|(_, kind)| *kind)
    }

    /// What a request has where these routes want certain values; nothing when it lacks something.
    fn values(&self, asked: &Asked<'_>) -> Result<Option<Vec<String>>, Unfound> {
        let mut values = Vec::new();
        for (key, kind) in &self.keys {
            match kind {
                Kind::Value => match key.value(asked)? {
                    Some(value) => values.push(value),
                    None => return Ok(None),
                },
                Kind::Grpc | Kind::Present => {
                    if !key.holds(*kind, asked)? {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(values))
    }

    /// Whether a route of this group asks for all that one of the other asks for, if a request can fit both.
    fn narrows(&self, other: &Self) -> bool {
        let within = |(key, kind): &(Key, Kind)| self.kind(key).is_some_and(|own| own.within(*kind));
        other.keys.iter().all(within)
    }

    fn tie(&self, other: &Self) -> Option<Tie> {
        if self.narrows(other) || other.narrows(self) {
            return None;
        }
        let (own, others) = (self.sorted(other), other.sorted(self));
        own.iter().find_map(|(shared, routes)| {
            let others = others.get(shared)?;
            routes.iter().find_map(|(wanted, route)| {
                let (_, other) = others.iter().find(|(other, _)| meet(wanted, other))?;
                Some((Arc::clone(route), Arc::clone(other)))
            })
        })
    }

    /// The routes by the values of the keys for which the other group wants values, too; with what they want.
    fn sorted(&self, other: &Self) -> BTreeMap<Vec<String>, Vec<(Conditions, &Arc<Route>)>> {
        let mut sorted: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (values, route) in &self.routes {
            let (mut values, mut shared) = (values.iter(), Vec::new());
            let mut wanted = Conditions::new();
            for (key, kind) in &self.keys {
                let value = if *kind == Kind::Value { values.next() } else { None };
                match (value, kind) {
                    (Some(value), _) if other.kind(key) == Some(Kind::Value) => shared.push(value.clone()),
                    (Some(value), _) => wanted.push((key.clone(), Wanted::Value(value.clone()))),
                    (None, Kind::Grpc) => wanted.push((key.clone(), Wanted::Grpc)),
                    (None, _) => wanted.push((key.clone(), Wanted::Present)),
                }
            }
            sorted.entry(shared).or_default().push((wanted, route));
        }
        sorted
    }
}

/// Whether a request can be what both want. None has the same name in query and form.
fn meet(one: &Conditions, other: &Conditions) -> bool {
    one.iter().all(|(key, wanted)| {
        let both = other.iter().any(|(name, _)| name.excludes(key));
        let same = other.iter().find(|(name, _)| name == key);
        !both && same.is_none_or(|(_, wanted2)| wanted.meets(wanted2))
    })
}
