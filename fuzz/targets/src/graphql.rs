//! A GraphQL document: its root fields are those that another parser finds, whatever aliases and fragments make of them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use async_graphql_parser::types::{ExecutableDocument, OperationType, Selection, SelectionSet};
use async_graphql_value::Value as Literal;
use countersign_core::value::Value;
use serde_json::json;

use crate::world::{Takes, request};

/// Every root field is a thing of its operation and name, with the argument `x` if it is text.
static ROUTES: LazyLock<Takes> = LazyLock::new(|| {
    let root = |place: &str, operation: &str| {
        format!(
            "      {place}: {{ action: Action::\"String\", resource: 'Thing::\"{operation} {{field}}\"', \
             context: {{ x: {{ from: \"arg:/x\", type: String, optional: true }} }} }}\n"
        )
    };
    let all = [
        ("query.*", "query"),
        ("query.__schema", "query"),
        ("query.__type", "query"),
        ("query.__typename", "query"),
        ("mutation.*", "mutation"),
        ("subscription.*", "subscription"),
    ];
    let all: String = all.iter().map(|(place, operation)| root(place, operation)).collect();
    Takes::of(&format!("routes:\n  - match: {{ host: api.test, path: / }}\n    graphql:\n{all}"), None)
});

/// A root field: operation and name, and its argument `x`: nothing where it is not a text that stands there.
type Root = (String, Option<String>);

/// An input is the document.
pub(crate) fn run(input: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(input) else { return false };
    let body = json!({ "query": text }).to_string();
    let facts = request("POST", b"/", &[("content-type", b"application/json")], body.as_bytes());
    let Ok(parts) = ROUTES.parts(&facts) else { return false };
    let Ok(document) = async_graphql_parser::parse_query(text) else { return true };
    let found = roots(&document);
    let taken = parts.into_iter().map(|part| {
        let x = match part.context.get("x") {
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        (part.resource.id, x)
    });
    // Beside other fields it says nothing of what is done.
    let counts = |root: &Root| !root.0.ends_with(" __typename");
    // Of block strings (section 2.9.4) the other parser keeps the backslash of an escape, and blanks in a line of nothing else;
    // and what a variable is, it does not say.
    let plain = !text.contains("\"\"\"") && !text.contains('$');
    let named = |(name, x): Root| (name, x.filter(|_| plain));
    let (taken, found): (BTreeSet<Root>, BTreeSet<Root>) =
        (taken.filter(counts).map(named).collect(), found.into_iter().filter(counts).map(named).collect());
    assert_eq!(taken, found, "other root fields in {text}");
    true
}

fn roots(document: &ExecutableDocument) -> Vec<Root> {
    let mut roots = Vec::new();
    for (_, operation) in document.operations.iter() {
        let word = match operation.node.ty {
            OperationType::Query => "query",
            OperationType::Mutation => "mutation",
            OperationType::Subscription => "subscription",
        };
        collect(&operation.node.selection_set.node, document, word, &mut roots);
    }
    roots
}

fn collect(set: &SelectionSet, document: &ExecutableDocument, operation: &str, roots: &mut Vec<Root>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let x = field.node.get_argument("x").and_then(|value| match &value.node {
                    Literal::String(text) => Some(text.clone()),
                    // As it would come in a variable.
                    Literal::Enum(name) => Some(name.to_string()),
                    _ => None,
                });
                roots.push((format!("{operation} {}", field.node.name.node), x));
            }
            Selection::InlineFragment(inner) => {
                collect(&inner.node.selection_set.node, document, operation, roots);
            }
            Selection::FragmentSpread(spread) => {
                let fragment = document.fragments.get(&spread.node.fragment_name.node);
                let set = &fragment.expect("what is accepted names no unknown fragment").node.selection_set;
                collect(&set.node, document, operation, roots);
            }
        }
    }
}
