//! From `match` to the places where a route is kept.

use super::Errors;
use crate::routes::body::FORM;
use crate::routes::conditions::{Conditions, Key, Wanted};
use crate::routes::file::{MatchEntry, WantedEntry};
use crate::routes::pattern::{self, HostPattern, Params, Step};

/// Which requests a route takes.
pub(in crate::routes) struct Matching {
    pub(in crate::routes) hosts: Vec<HostPattern>,
    /// Methods; empty means any.
    pub(in crate::routes) methods: Vec<String>,
    pub(in crate::routes) steps: Vec<Step>,
    pub(in crate::routes) params: Params,
    /// Sets of conditions of which one must hold.
    pub(in crate::routes) alternatives: Vec<Conditions>,
    /// Whether it is a gRPC method or service.
    pub(in crate::routes) grpc: bool,
    /// Whether it asks for a form.
    pub(in crate::routes) form: bool,
}

impl Matching {
    /// The headers that are asked about.
    pub(super) fn headers(&self) -> impl Iterator<Item = &str> {
        self.alternatives.iter().flatten().filter_map(|(key, _)| match key {
            Key::Header(name) => Some(name.as_str()),
            Key::ContentType => Some("content-type"),
            Key::Query(_) | Key::Form(_) => None,
        })
    }
}

/// Reads `match`; `None` when there is no path that the rest of the route could be about.
pub(super) fn read(entry: &MatchEntry, line: usize, errors: &mut Errors<'_>) -> Option<Matching> {
    let hosts: Vec<_> =
        entry.host.0.iter().filter_map(|host| errors.keep(line, pattern::host(host))).collect();
    errors.require(line, !entry.host.0.is_empty(), || "`host` names no host".into());
    let (steps, params, methods, bodies) = match (&entry.path, &entry.grpc) {
        (Some(path), None) => {
            let (steps, params) = errors.keep(path.line, pattern::path(&path.value))?;
            let methods: Vec<_> = entry.method.0.iter().collect();
            let methods = methods.into_iter().filter_map(|text| errors.keep(line, pattern::method(text)));
            let methods = methods.collect();
            (steps, params, methods, bodies(entry, line, errors))
        }
        (None, Some(grpc)) => {
            let path = errors.keep(grpc.line, pattern::grpc(&grpc.value))?;
            let (steps, params) = errors.keep(grpc.line, pattern::path(&path))?;
            let own = entry.method.0.is_empty() && entry.content_type.0.is_empty() && entry.form.is_empty();
            errors.require(line, own, || {
                "`grpc` says method and content type itself: leave them and `form` out".into()
            });
            (steps, params, vec!["POST".to_owned()], vec![Some(Wanted::Grpc)])
        }
        _ => {
            errors.require(line, false, || "`match` needs either `path` or `grpc`".into());
            return None;
        }
    };
    let shared = conditions(entry, line, errors);
    let with = |body: Option<Wanted>| {
        let mut all: Conditions = body.map(|body| (Key::ContentType, body)).into_iter().collect();
        all.extend(shared.iter().cloned());
        all
    };
    let alternatives = bodies.into_iter().map(with).collect();
    let (grpc, form) = (entry.grpc.is_some(), !entry.form.is_empty());
    Some(Matching { hosts, methods, steps, params, alternatives, grpc, form })
}

/// The media types of which one is wanted; one that is nothing when any is.
fn bodies(entry: &MatchEntry, line: usize, errors: &mut Errors<'_>) -> Vec<Option<Wanted>> {
    let types = &entry.content_type.0;
    if !entry.form.is_empty() {
        errors.require(line, types.is_empty(), || "`form` says the content type itself: leave it out".into());
        return vec![Some(Wanted::Value(FORM.to_owned()))];
    }
    if types.is_empty() {
        return vec![None];
    }
    let read = types.iter().filter_map(|text| errors.keep(line, pattern::media_type(text)));
    read.map(|essence| Some(Wanted::Value(essence))).collect()
}

/// The conditions on headers, query and form, sorted by key.
fn conditions(entry: &MatchEntry, line: usize, errors: &mut Errors<'_>) -> Conditions {
    for name in entry.headers.keys() {
        let known = pattern::is_header_name(name);
        errors.require(line, known, || format!("`{name}`: write the header's name in lower case"));
        errors.require(line, name != "content-type", || "`content-type`: match it by `content_type`".into());
    }
    errors.require(line, !entry.query.contains_key(""), || "`query`: a parameter has a name".into());
    errors.require(line, !entry.form.contains_key(""), || "`form`: a field has a name".into());
    let both = entry.form.keys().find(|name| entry.query.contains_key(*name));
    errors.require(line, both.is_none(), || {
        let name = both.map_or("", String::as_str);
        format!("`{name}` is asked for in query and form, and a request that has it in both is refused")
    });
    let headers = entry.headers.iter().map(|(name, wanted)| (Key::Header(name.clone()), wanted));
    let query = entry.query.iter().map(|(name, wanted)| (Key::Query(name.clone()), wanted));
    let form = entry.form.iter().map(|(name, wanted)| (Key::Form(name.clone()), wanted));
    let wanted = |wanted: &WantedEntry| match wanted {
        WantedEntry::Value(value) => Wanted::Value(value.clone()),
        WantedEntry::Present => Wanted::Present,
    };
    headers.chain(query).chain(form).map(|(key, entry)| (key, wanted(entry))).collect()
}
