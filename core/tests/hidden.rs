//! Forbids about plain HTTP that a route would hide: each case is a forbid, and the routed action that is told, if
//! one is.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::collections::BTreeMap;

use countersign_core::bundle::Bundle;
use countersign_core::engine::Rules;
use countersign_core::policy::PolicyLimits;
use serde::Deserialize;

const DATA: &str = include_str!("hidden/cases.json");
const SCHEMA: &str = include_str!("hidden/hidden.cedarschema");
const ROUTES: &str = include_str!("hidden/routes.yaml");
const ENTITIES: &str = include_str!("hidden/entities.json");

#[derive(Deserialize)]
struct Case {
    /// Of a forbid, after the principal.
    scope: String,
    /// The line of the route that hides it and the action that it makes; nothing when it loads.
    hidden: Option<(usize, String)>,
}

fn load(policies: &str) -> Vec<String> {
    let files = [
        ("hidden.cedarschema", SCHEMA),
        ("routes.yaml", ROUTES),
        ("entities.json", ENTITIES),
        ("identities.yaml", "groups:\n  sre: { issuer: local, id: sre }\n"),
        ("a.cedar", policies),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let bundle = Bundle::from_files(BTreeMap::from(files)).unwrap();
    let rules = Rules::load(&bundle, &[], &PolicyLimits::default());
    rules.err().into_iter().flatten().map(|error| error.to_string()).collect()
}

#[test]
fn what_a_route_would_hide_is_told_with_the_action_that_it_makes() {
    let cases: Vec<Case> = serde_json::from_str(DATA).unwrap();
    for Case { scope, hidden } in cases {
        let told = load(&format!(
            "@id(\"a\") permit (principal, action, resource);\n@id(\"f\")\nforbid (principal, {scope});"
        ));
        let expected = hidden.map(|(line, action)| {
            format!(
                "a.cedar:2: `f` is about plain HTTP and never sees what the route at routes.yaml:{line} takes, which is \
                 `{action}`: let the \
             scope match that, too (leave `action` and `resource` open, and say the rest by `context.method`, `context.host` and \
             `context.path`), or keep it to paths without routes"
            )
        });
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{scope}");
    }
}

#[test]
fn gates_and_shadows_are_told_and_permits_are_not() {
    let scope = "(principal, action == Http::Action::\"DELETE\", resource)";
    assert_eq!(load(&format!("@id(\"g\") @approval(\"sre\") forbid {scope};")).len(), 1);
    assert_eq!(load(&format!("@id(\"s\") @shadow forbid {scope};")).len(), 1);
    assert_eq!(load(&format!("@id(\"p\") permit {scope};")), Vec::<String>::new());
}
