//! How long it takes to read a request's head and to find its route, by the number of routes: `cargo xtask bench`
//! runs it and reads the lines of JSON that it prints, one for each shape, number of routes and round.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what is measured must load and be found")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use countersign_core::entity::EntityName;
use countersign_core::facts::RequestFacts;
use countersign_core::reading::{Reading, Relaxed};
use countersign_core::routes::{Routes, SchemaView};
use countersign_core::types::Attribute;
use serde_json::json;

/// Numbers of routes that are compared.
const COUNTS: [usize; 3] = [50, 500, 5_000];
/// Rounds, each over everything in turns.
const ROUNDS: usize = 41;
/// Lookups of a round: few, so that a round is rarely interrupted.
const LOOKUPS: usize = 500;

/// What the routes differ in.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Paths,
    Hosts,
    Query,
    Headers,
}

const SHAPES: [(Shape, &str); 4] = [
    (Shape::Paths, "paths"),
    (Shape::Hosts, "hosts"),
    (Shape::Query, "a query parameter of one path"),
    (Shape::Headers, "a header of one path"),
];

/// A schema that has everything.
struct Anything;

impl SchemaView for Anything {
    fn lies_in(&self, _: &EntityName, _: &EntityName) -> bool {
        true
    }

    fn has_action(&self, _: &EntityName) -> bool {
        true
    }

    fn has_entity_type(&self, _: &str) -> bool {
        true
    }

    fn context_attributes(&self, _: &EntityName) -> Option<BTreeMap<String, Attribute>> {
        Some(BTreeMap::new())
    }

    fn takes_resource(&self, _: &EntityName, _: &str) -> bool {
        true
    }

    fn may_lie_in(&self, _: &str, _: &str) -> bool {
        true
    }
}

impl Shape {
    /// The `match` of one route; `{number:04}` keeps all of one length.
    fn condition(self, number: usize) -> String {
        match self {
            Self::Paths => {
                format!("host: api.example, method: POST, path: \"/v1/service-{number:04}/items/{{id}}\"")
            }
            Self::Hosts => format!("host: h{number:04}.example, method: POST, path: \"/v1/items/{{id}}\""),
            Self::Query => {
                format!("host: api.example, method: POST, path: /v1, query: {{ Action: do-{number:04} }}")
            }
            Self::Headers => format!(
                "host: api.example, method: POST, path: /v1, headers: {{ x-amz-target: do-{number:04} }}"
            ),
        }
    }

    fn routes(self, count: usize) -> Routes {
        let mut text = "routes:\n".to_owned();
        for number in 0..count {
            let condition = self.condition(number);
            let entry =
                format!("  - match: {{ {condition} }}\n    action: A::\"a\"\n    resource: B::\"b\"\n");
            text.push_str(&entry);
        }
        Routes::load(Some(&text), None, &Anything).unwrap()
    }

    /// A request that takes the route in the middle.
    fn request(self, count: usize) -> RequestFacts {
        let number = count / 2;
        let (host, path) = match self {
            Self::Paths => ("api.example".into(), format!("/v1/service-{number:04}/items/7")),
            Self::Hosts => (format!("h{number:04}.example"), "/v1/items/7".into()),
            Self::Query => ("api.example".into(), format!("/v1?Action=do-{number:04}&Version=2026-01-01")),
            Self::Headers => ("api.example".into(), "/v1".into()),
        };
        let mut target = String::new();
        write!(target, "do-{number:04}").unwrap();
        let fields = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", &host),
            (":path", &path),
            ("user-agent", "bench"),
            ("accept", "*/*"),
            ("x-amz-target", &target),
        ];
        let headers = fields.map(|(name, value)| (name.into(), value.into())).to_vec();
        RequestFacts { headers, ..RequestFacts::default() }
    }
}

/// Nanoseconds for reading and lookup, and for the reading alone.
fn measure(routes: &Routes, facts: &RequestFacts) -> (f64, f64) {
    let relaxed = Relaxed::default();
    let start = Instant::now();
    for _ in 0..LOOKUPS {
        let reading = Reading::of(black_box(facts), &relaxed).unwrap();
        match routes.find(&reading, None) {
            Ok(target) => drop(black_box(target.name().len())),
            Err(denial) => panic!("{denial:?}"),
        }
    }
    let both = start.elapsed();
    let start = Instant::now();
    for _ in 0..LOOKUPS {
        black_box(Reading::of(black_box(facts), &relaxed).unwrap());
    }
    let each = |elapsed: std::time::Duration| elapsed.as_secs_f64() * 1e9 / LOOKUPS as f64;
    (each(both), each(start.elapsed()))
}

fn main() {
    let set = |(shape, name): (Shape, &'static str)| {
        COUNTS.map(|count| (name, count, shape.routes(count), shape.request(count)))
    };
    let sets: Vec<_> = SHAPES.into_iter().flat_map(set).collect();
    for round in 0..=ROUNDS {
        for (name, count, routes, facts) in &sets {
            let (both, reading) = measure(routes, facts);
            // The first warms up.
            if round > 0 {
                println!("{}", json!({ "shape": name, "routes": count, "both": both, "reading": reading }));
            }
        }
    }
}
