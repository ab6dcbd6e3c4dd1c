//! How counts are written for programs: lists of objects, where a map has keys that are no text.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Cell, Change, Key, Kind};
use crate::replay::About;

pub(super) fn cells<S: serde::Serializer>(
    cells: &BTreeMap<Key, Cell>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        old: Kind,
        new: Kind,
        change: Option<Change>,
        #[serde(flatten)]
        cell: &'a Cell,
    }
    serializer.collect_seq(cells.iter().map(|((old, new, change), cell)| Line {
        old: *old,
        new: *new,
        change: *change,
        cell,
    }))
}

pub(super) fn groups<S: serde::Serializer>(
    groups: &BTreeMap<About, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        principal: &'a str,
        action: &'a str,
        resource: &'a str,
        count: u64,
    }
    serializer.collect_seq(groups.iter().map(|(about, count)| Line {
        principal: &about.principal,
        action: &about.action,
        resource: &about.resource,
        count: *count,
    }))
}

pub(super) fn policies<S: serde::Serializer>(
    policies: &BTreeMap<(Vec<String>, Vec<String>), u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        old: &'a [String],
        new: &'a [String],
        count: u64,
    }
    serializer.collect_seq(policies.iter().map(|((old, new), count)| Line { old, new, count: *count }))
}
