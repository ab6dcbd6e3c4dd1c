//! Routes as they are written, and how near each comes to a request that none of them takes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::file::{FILE, RoutesFile};
use super::pattern::{self, Step};
use super::{Kind, Target};
use crate::reading::Reading;
use crate::yaml::{self, Located};

/// A route as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenRoute {
    /// For evidence and messages: file and line, `routes.yaml:12`.
    pub name: String,
    /// Its host, or all below a domain.
    pub host: String,
    /// Its methods; empty means any.
    pub methods: Vec<String>,
    /// Its path template.
    pub path: String,
    /// Headers and the value that each must have.
    pub headers: BTreeMap<String, String>,
    /// From member of the context to where it comes from, `body:/table`.
    pub context: BTreeMap<String, String>,
}

/// The first thing about a route that a request does not fit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Miss {
    /// It fits host, path and method, but this header is another or not there.
    Header(String),
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
    let route = |Located { value, line }| {
        let super::file::RouteEntry { r#match, context, mcp, .. } = value;
        let tools = mcp.into_iter().flat_map(|mcp| mcp.value.tools.into_values());
        let arguments = tools.flat_map(|tool| tool.value.context);
        WrittenRoute {
            name: format!("{FILE}:{line}"),
            host: r#match.host,
            methods: r#match.method.0,
            path: r#match.path.value,
            headers: r#match.headers,
            context: context
                .into_iter()
                .chain(arguments)
                .map(|(name, field)| (name, field.value.from))
                .collect(),
        }
    };
    file.routes.into_iter().map(route).collect()
}

impl WrittenRoute {
    /// Whether it is the one that a request took.
    #[must_use]
    pub fn is(&self, target: &Target<'_>) -> bool {
        self.name == target.name()
    }

    /// The path template's parameters, in order, with what a request has in their place.
    #[must_use]
    pub fn captured(&self, target: &Target<'_>) -> Vec<(String, String)> {
        let (Kind::Route { captured, .. } | Kind::Mcp { captured, .. }) = &target.0 else {
            return Vec::new();
        };
        let names = pattern::path(&self.path).map(|(_, params)| params.names).unwrap_or_default();
        names.into_iter().zip(captured.iter().cloned()).collect()
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
    pub fn miss(&self, reading: &Reading) -> Option<Miss> {
        let below = |domain: &str| reading.host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        let host = self.host == reading.host || self.host.strip_prefix("*.").is_some_and(below);
        let steps = pattern::path(&self.path).map(|(steps, _)| steps).unwrap_or_default();
        let method = self.methods.is_empty() || self.methods.contains(&reading.method);
        let differs =
            |(name, value): &(&String, &String)| reading.header(name).ok().flatten() != Some(value.as_str());
        match () {
            () if !host => Some(Miss::Host),
            () if !fits(&steps, &reading.segments) => Some(Miss::Path),
            () if !method => Some(Miss::Method),
            () => self.headers.iter().find(differs).map(|(name, _)| Miss::Header(name.clone())),
        }
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
        assert_eq!(route.miss(&reading("GET", "/a/b/c")), Some(Miss::Header("x-y".into())));
        assert_eq!(route.miss(&reading("PUT", "/a/b/c")), Some(Miss::Method));
        assert_eq!(route.miss(&reading("GET", "/a/b")), Some(Miss::Path));
        let elsewhere = WrittenRoute { host: "b.example".into(), ..route };
        assert_eq!(elsewhere.miss(&reading("GET", "/a/b/c")), Some(Miss::Host));
    }
}
