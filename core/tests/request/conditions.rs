//! Conditions beside host and path: which route wins, what ties, and that nothing is left to a wider path.

use countersign_core::denial::Reason;
use countersign_core::facts::RequestFacts;
use countersign_core::routes::Routes;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::support::{Fields, Schema, map, read, request, routes};

const ROUTES: &str = r#"
routes:
  - match: { host: [api.example, two.example], method: POST, path: /q, query: { Action: Delete } }
    action: Action::"read"
    resource: File::"delete"
  - match: { host: api.example, method: POST, path: /q, query: { Action: { present: true } } }
    action: Action::"read"
    resource: File::"action"
  - match: { host: api.example, method: POST, path: /q, query: { Action: Delete, dry: true }, headers: { x-a: { present: true } } }
    action: Action::"read"
    resource: File::"dry"
  - match: { host: api.example, path: /body, content_type: [application/json, application/merge-patch+json] }
    action: Action::"read"
    resource: File::"json"
  - match: { host: api.example, path: /body, content_type: text/plain }
    action: Action::"read"
    resource: File::"text"
  - match: { host: api.example, grpc: shop.v1.Cart/Empty }
    action: Action::"read"
    resource: File::"empty"
  - match: { host: api.example, grpc: shop.v1.Cart/* }
    action: Action::"read"
    resource: File::"cart-{path.method}"
  - match: { host: api.example, path: "/typed/{id:Long}/{key:uuid}" }
    action: Action::"read"
    resource: File::"{path.id}:{path.key}"
  - match: { host: api.example, path: "/{rest*}" }
    action: Action::"read"
    resource: File::"rest"
"#;

fn found(routes: &Routes, facts: &RequestFacts) -> String {
    match map(routes, facts) {
        Ok((_, mapped)) => mapped.resource.id,
        Err(denial) => denial.reason.meaning().code.to_owned(),
    }
}

#[test]
fn a_request_that_fits_no_condition_of_its_path_is_denied() {
    let routes = routes(ROUTES);
    let id = "9F1E8B2C-7d34-4c1a-9a55-0123456789ab";
    let typed = format!("/typed/7/{id}");
    let lower = format!("7:{}", id.to_lowercase());
    let cases: &[(&str, &str, &Fields, &str)] = &[
        ("POST", "/q?Action=Delete", &[], "delete"),
        ("POST", "/q?Action=Delete", &[(":authority", "two.example")], "delete"),
        ("POST", "/q?%41ction=%44elete", &[], "delete"),
        ("POST", "/q?Action=List", &[], "action"),
        ("POST", "/q?Action", &[], "action"),
        ("POST", "/q?Action=Delete&dry=true&x=1", &[("x-a", "")], "dry"),
        ("POST", "/q?Action=Delete&dry=true", &[], "delete"),
        ("POST", "/q?Action=List&Action=Delete", &[], "ambiguous_request"),
        ("POST", "/q?action=Delete", &[], "ambiguous_request"),
        ("POST", "/q?Action=Delete;x", &[], "ambiguous_request"),
        ("POST", "/q", &[], "no_route"),
        ("GET", "/q", &[], "rest"),
        ("PUT", "/body", &[("content-type", "Application/JSON; charset=utf-8")], "json"),
        ("PUT", "/body", &[("content-type", "application/merge-patch+json")], "json"),
        ("PUT", "/body", &[("content-type", "text/plain")], "text"),
        ("PUT", "/body", &[("content-type", "text/html")], "no_route"),
        ("PUT", "/body", &[("content-type", "text")], "ambiguous_request"),
        ("PUT", "/body", &[], "no_route"),
        ("POST", "/shop.v1.Cart/Empty", &[("content-type", "application/grpc")], "empty"),
        ("POST", "/shop.v1.Cart/Add", &[("content-type", "application/grpc+proto")], "cart-Add"),
        ("POST", "/shop.v1.Cart/Empty", &[("content-type", "application/json")], "no_route"),
        ("POST", "/shop.v1.Cart/Add", &[("content-type", "application/grpcx")], "no_route"),
        ("GET", "/shop.v1.Cart/Add", &[], "rest"),
        ("GET", &typed, &[], &lower),
        ("GET", "/typed/007/9f1e8b2c-7d34-4c1a-9a55-0123456789ab", &[], "bad_fact"),
        ("GET", "/typed/7/9f1e8b2c7d344c1a9a550123456789ab", &[], "bad_fact"),
        ("GET", "/typed/7", &[], "rest"),
    ];
    for (method, path, fields, expected) in cases {
        let answer = found(&routes, &request(method, path, fields));
        assert_eq!(answer, *expected, "{method} {path} {fields:?}");
    }
}

#[test]
fn a_value_of_another_shape_names_route_and_parameter() {
    let denial = map(&routes(ROUTES), &request("GET", "/typed/7/x", &[])).unwrap_err();
    assert_eq!(denial.reason, Reason::BadFact);
    assert_eq!(denial.detail, "routes.yaml:24: `path.key` is not a UUID");
}

#[test]
fn a_long_query_is_not_searched() {
    let path = format!("/q?{}Action=Delete", "a&".repeat(1000));
    assert_eq!(found(&routes(ROUTES), &request("POST", &path, &[])), "bad_fact");
    let path = format!("/q?{}Action=Delete", "a&".repeat(999));
    assert_eq!(found(&routes(ROUTES), &request("POST", &path, &[])), "delete");
}

/// What a test route asks for: method, two headers, a query parameter, media types.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    methods: Vec<&'static str>,
    /// `x-a`, `x-b`, `q` and the field `f`: nothing, a value, or `*` for any.
    keys: [Option<&'static str>; 4],
    types: Vec<&'static str>,
}

/// A request: method, `x-a`, `x-b`, `q`, `f` and media type.
type Sent = (&'static str, [Option<&'static str>; 4], Option<&'static str>);

const TYPES: [&str; 2] = ["text/plain", "application/json"];
const FORM: &str = "application/x-www-form-urlencoded";

impl Asked {
    fn yaml(&self) -> String {
        let wanted =
            |value: &str| if value == "*" { "{ present: true }".into() } else { format!("\"{value}\"") };
        let entry =
            |(name, value): (&str, Option<&str>)| value.map(|value| format!("{name}: {}", wanted(value)));
        let [a, b, q, f] = self.keys;
        let headers: Vec<_> = [("x-a", a), ("x-b", b)].into_iter().filter_map(entry).collect();
        format!(
            "  - match: {{ host: api.example, path: /p, method: {:?}, headers: {{ {} }}, query: {{ {} }}, \
             form: {{ {} }}, content_type: {:?} }}\n    action: Action::\"read\"\n    resource: File::\"x\"\n",
            self.methods,
            headers.join(", "),
            entry(("q", q)).unwrap_or_default(),
            entry(("f", f)).unwrap_or_default(),
            self.types,
        )
    }

    fn fits(&self, (method, keys, ty): &Sent) -> bool {
        let key = |(wanted, sent): (&Option<&str>, &Option<&str>)| match (wanted, sent) {
            (None, _) | (Some("*"), Some(_)) => true,
            (Some(wanted), Some(sent)) => wanted == sent,
            (Some(_), None) => false,
        };
        (self.methods.is_empty() || self.methods.contains(method))
            && self.keys.iter().zip(keys).all(key)
            && (self.types.is_empty() || ty.is_some_and(|ty| self.types.contains(&ty)))
    }

    /// Whether it asks for all that the other asks for, and more, for a request that fits both.
    fn beats(&self, other: &Self) -> bool {
        if self.methods.is_empty() != other.methods.is_empty() {
            return !self.methods.is_empty();
        }
        let rank = |wanted: &Option<&str>| match wanted {
            Some("*") => 1,
            Some(_) => 0,
            None => 2,
        };
        let body = |asked: &Self| if asked.types.is_empty() && asked.keys[3].is_none() { 2 } else { 0 };
        let own = self.keys.iter().map(rank).chain([body(self)]);
        let others = other.keys.iter().map(rank).chain([body(other)]);
        let pairs: Vec<_> = own.zip(others).collect();
        pairs.iter().all(|(own, other)| own <= other) && pairs.iter().any(|(own, other)| own < other)
    }
}

/// Every request that the test routes can tell apart.
fn requests() -> Vec<Sent> {
    let mut all = Vec::new();
    for method in ["GET", "POST", "PUT"] {
        for a in [None, Some("1"), Some("2"), Some("3")] {
            for b in [None, Some("1"), Some("3")] {
                for q in [None, Some("1"), Some("3")] {
                    for ty in [None, Some("text/html"), Some(FORM)].into_iter().chain(TYPES.map(Some)) {
                        all.push((method, [a, b, q, None], ty));
                    }
                    all.extend(["1", "3"].map(|f| (method, [a, b, q, Some(f)], Some(FORM))));
                }
            }
        }
    }
    all
}

fn facts((method, [a, b, q, f], ty): &Sent) -> RequestFacts {
    let headers = [("x-a", a), ("x-b", b), ("content-type", ty)];
    let fields: Vec<_> = headers.iter().filter_map(|(name, value)| Some((*name, (**value)?))).collect();
    let facts = request(method, &q.map_or("/p".into(), |q| format!("/p?q={q}")), &fields);
    RequestFacts { body: Some(f.map(|f| format!("f={f}")).unwrap_or_default().into_bytes()), ..facts }
}

fn asked() -> impl Strategy<Value = Asked> {
    let wanted = |values: &[Option<&'static str>]| select(values.to_vec());
    let one = [None, None, Some("1"), Some("*")];
    let few = [None, None, None, Some("1"), Some("*")];
    let keys =
        (wanted(&[None, None, Some("1"), Some("2"), Some("*")]), wanted(&one), wanted(&one), wanted(&few));
    let methods = subsequence(vec!["GET", "POST"], 0..=2);
    let types = subsequence(TYPES.to_vec(), 0..=2);
    (methods, keys, types).prop_map(|(methods, (a, b, q, f), types)| Asked {
        methods,
        keys: [a, b, q, f],
        // A form says its type itself.
        types: if f.is_some() { Vec::new() } else { types },
    })
}

proptest! {
    /// Routes tie exactly when some request fits two of which neither asks for more; else the one that asks for the
    /// most takes the request.
    #[test]
    fn the_most_specific_takes_a_request_and_only_ties_are_refused(all in proptest::collection::vec(asked(), 1..6)) {
        let text = all.iter().fold("routes:\n".to_owned(), |text, asked| text + &asked.yaml());
        let fitting = |sent: &Sent| all.iter().filter(|asked| asked.fits(sent)).collect::<Vec<_>>();
        let beats_or_is = |one: &Asked, other: &Asked| std::ptr::eq(one, other) || one.beats(other);
        let tied = |sent: &Sent| {
            let fitting = fitting(sent);
            let pair = |one: &Asked, other: &Asked| beats_or_is(one, other) || other.beats(one);
            !fitting.iter().all(|one| fitting.iter().all(|other| pair(one, other)))
        };
        match Routes::load(Some(&text), None, &Schema) {
            Err(errors) => {
                prop_assert!(errors.iter().all(|error| error.message.ends_with("match the same requests")), "{errors:?}");
                prop_assert!(requests().iter().any(tied), "{text}");
            }
            Ok(routes) => for sent in requests() {
                prop_assert!(!tied(&sent), "{} {:?}", text, sent);
                let fitting = fitting(&sent);
                let best = fitting.iter().find(|one| fitting.iter().all(|other| beats_or_is(one, other)));
                let reading = read(&facts(&sent)).unwrap();
                let line = |asked: &Asked| all.iter().position(|other| std::ptr::eq(other, asked)).unwrap() * 3 + 2;
                let expected = best.map(|asked| format!("routes.yaml:{}", line(asked)));
                prop_assert_eq!(routes.find(&reading, facts(&sent).body.as_deref()).ok().map(|target| target.name().to_owned()), expected);
            }
        }
    }
}
