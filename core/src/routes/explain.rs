//! Routes as they are written, and how near each comes to a request that none of them takes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::asked::Asked;
use super::conditions::{self, Key};
use super::file::{FILE, FieldEntry, RouteEntry, RoutesFile, WantedEntry};
use super::pattern::{self, Step};
use super::{Kind, Target};
use crate::reading::Reading;
use crate::yaml::{self, Located};

/// A route as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenRoute {
    /// For evidence and messages: file and line, `routes.yaml:12`.
    pub name: String,
    /// Its hosts, or all below a domain.
    pub hosts: Vec<String>,
    /// Its methods; empty means any.
    pub methods: Vec<String>,
    /// Its path template.
    pub path: String,
    /// Headers and the value that each must have; nothing where it must only be there.
    pub headers: BTreeMap<String, Option<String>>,
    /// The same of query parameters.
    pub query: BTreeMap<String, Option<String>>,
    /// The same of fields of a form.
    pub form: BTreeMap<String, Option<String>>,
    /// Media types of which the body must have one; empty means any.
    pub content_types: Vec<String>,
    /// From member of the context to where it comes from, `body:/table`.
    pub context: BTreeMap<String, String>,
}

/// The first thing about a route that a request does not fit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Miss {
    /// It fits host, path and method, but this header is another or not there.
    Header(String),
    /// The same of a query parameter.
    Query(String),
    /// The same of a field of a form.
    Form(String),
    /// The same of the media type.
    ContentType,
    /// It fits host and path.
    Method,
    /// It fits the host.
    Path,
    /// It fits nothing.
    Host,
}

/// All routes of a `routes.yaml` that was loaded before.
pub(crate) fn written(text: Option<&str>) -> Vec<WrittenRoute> {
    let file: RoutesFile = text.and_then(|text| yaml::read(FILE, text).ok()).unwrap_or_default();
    file.routes.into_iter().map(|Located { value, line }| WrittenRoute::of(value, line)).collect()
}

/// What stands for gRPC among media types: with any message format.
const GRPC: &str = "application/grpc*";

impl WrittenRoute {
    fn of(entry: RouteEntry, line: usize) -> Self {
        let RouteEntry { r#match, context, mcp, graphql, .. } = entry;
        let plain = |wanted: BTreeMap<String, WantedEntry>| {
            let value = |wanted| match wanted {
                WantedEntry::Value(value) => Some(value),
                WantedEntry::Present => None,
            };
            wanted.into_iter().map(|(name, wanted)| (name, value(wanted))).collect()
        };
        let grpc = r#match.grpc.and_then(|grpc| pattern::grpc(&grpc.value).ok());
        let (methods, content_types) = match grpc {
            Some(_) => (vec!["POST".into()], vec![GRPC.into()]),
            None => (r#match.method.0, r#match.content_type.0),
        };
        let mut from = BTreeMap::new();
        sources("", context, &mut from);
        for tool in mcp.into_iter().flat_map(|mcp| mcp.value.tools.into_values()) {
            sources("", tool.value.context, &mut from);
        }
        for root in graphql.into_iter().flat_map(|graphql| graphql.value.into_values()) {
            sources("", root.value.context, &mut from);
        }
        Self {
            name: format!("{FILE}:{line}"),
            hosts: r#match.host.0,
            methods,
            path: grpc.or(r#match.path.map(|path| path.value)).unwrap_or_default(),
            headers: plain(r#match.headers),
            query: plain(r#match.query),
            form: plain(r#match.form),
            content_types,
            context: from,
        }
    }

    /// Whether it is the one that a request took.
    #[must_use]
    pub fn is(&self, target: &Target<'_>) -> bool {
        self.name == target.name()
    }

    /// The path template's parameters, in order, with what a request has in their place.
    #[must_use]
    pub fn captured(&self, target: &Target<'_>) -> Vec<(String, String)> {
        let (Kind::Route { captured, .. } | Kind::Mcp { captured, .. } | Kind::Graphql { captured, .. }) =
            &target.0
        else {
            return Vec::new();
        };
        let params = pattern::path(&self.path).map(|(_, params)| params.all).unwrap_or_default();
        params.into_iter().map(|param| param.name).zip(captured.iter().cloned()).collect()
    }

    /// How many segments of the path fit, from the first.
    pub(crate) fn shared(&self, reading: &Reading) -> usize {
        let steps = pattern::path(&self.path).map(|(steps, _)| steps).unwrap_or_default();
        let fits =
            |(step, segment): &(&Step, &String)| !matches!(step, Step::Literal(text) if text != *segment);
        steps.iter().zip(&reading.segments).take_while(fits).count()
    }

    /// What keeps a request from this route; nothing when it fits.
    #[must_use]
    pub fn miss(&self, reading: &Reading, body: Option<&[u8]>) -> Option<Miss> {
        let below = |domain: &str| reading.host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        let covers = |host: &String| *host == reading.host || host.strip_prefix("*.").is_some_and(below);
        let host = self.hosts.iter().any(covers);
        let steps = pattern::path(&self.path).map(|(steps, _)| steps).unwrap_or_default();
        let method = self.methods.is_empty() || self.methods.contains(&reading.method);
        match () {
            () if !host => Some(Miss::Host),
            () if !fits(&steps, &reading.segments) => Some(Miss::Path),
            () if !method => Some(Miss::Method),
            () => self.lacks(&Asked::new(reading, body)),
        }
    }

    /// The first condition that does not hold.
    fn lacks(&self, asked: &Asked<'_>) -> Option<Miss> {
        let holds = |key: &Key, value: &Option<String>| match value {
            Some(value) => key.value(asked).ok().flatten().is_some_and(|own| own == *value),
            None => key.holds(conditions::Kind::Present, asked).unwrap_or(false),
        };
        let header =
            |(name, value): &(&String, &Option<String>)| !holds(&Key::Header((*name).clone()), value);
        let query = |(name, value): &(&String, &Option<String>)| !holds(&Key::Query((*name).clone()), value);
        let form = |(name, value): &(&String, &Option<String>)| !holds(&Key::Form((*name).clone()), value);
        let own = asked.reading.media_type().ok().flatten();
        let named =
            |ty: &String| own.as_ref().is_some_and(|own| own.essence == *ty || (ty == GRPC && own.is_grpc()));
        let body = self.content_types.is_empty() || self.content_types.iter().any(named);
        let header = self.headers.iter().find(header).map(|(name, _)| Miss::Header(name.clone()));
        let query = || self.query.iter().find(query).map(|(name, _)| Miss::Query(name.clone()));
        let form = || self.form.iter().find(form).map(|(name, _)| Miss::Form(name.clone()));
        header.or_else(query).or_else(form).or((!body).then_some(Miss::ContentType))
    }
}

/// Where each member comes from, those of records by their way.
fn sources(prefix: &str, fields: BTreeMap<String, Located<FieldEntry>>, from: &mut BTreeMap<String, String>) {
    for (name, Located { value: field, .. }) in fields {
        let name = format!("{prefix}{name}");
        sources(&format!("{name}."), field.fields.unwrap_or_default(), from);
        from.extend(field.from.map(|source| (name, source)));
    }
}

/// Whether a path fits a template.
fn fits(steps: &[Step], segments: &[String]) -> bool {
    match (steps.split_first(), segments.split_first()) {
        (None, None) => true,
        (Some((Step::Tail, _)), Some((segment, _))) => !segment.is_empty(),
        (Some((Step::Literal(literal), steps)), Some((segment, segments))) => {
            literal == segment && fits(steps, segments)
        }
        (Some((Step::Param, steps)), Some((segment, segments))) => {
            !segment.is_empty() && fits(steps, segments)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::RequestFacts;
    use crate::reading::Relaxed;

    fn reading(method: &str, path: &str) -> Reading {
        let fields =
            [(":method", method), (":scheme", "http"), (":authority", "a.b.example"), (":path", path)];
        let headers = fields.map(|(name, value)| (name.into(), value.into())).to_vec();
        Reading::of(&RequestFacts { headers, ..RequestFacts::default() }, &Relaxed::default()).unwrap()
    }

    #[test]
    fn what_keeps_a_request_from_a_route_is_told() {
        let text = "routes:\n  - match: { host: '*.b.example', method: GET, path: '/a/{x}/c', headers: { x-y: z } }\n    \
                    action: A::\"a\"\n    resource: B::\"b\"\n";
        let [route] = written(Some(text)).try_into().unwrap();
        assert_eq!(route.name, "routes.yaml:2");
        assert_eq!(route.miss(&reading("GET", "/a/b/c"), None), Some(Miss::Header("x-y".into())));
        assert_eq!(route.miss(&reading("PUT", "/a/b/c"), None), Some(Miss::Method));
        assert_eq!(route.miss(&reading("GET", "/a/b"), None), Some(Miss::Path));
        let elsewhere = WrittenRoute { hosts: vec!["b.example".into()], ..route };
        assert_eq!(elsewhere.miss(&reading("GET", "/a/b/c"), None), Some(Miss::Host));
    }
}
