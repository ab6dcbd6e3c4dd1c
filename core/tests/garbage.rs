//! Whatever a bundle's texts are, loading ends with policies or with reasons, never with a panic.

use std::collections::BTreeMap;

use countersign_core::bundle::Bundle;
use countersign_core::policy::{Policies, PolicyLimits};
use proptest::prelude::*;
use proptest::sample::select;

/// Pieces of Cedar, of its schema and of JSON, whole and broken.
const PIECES: [&str; 40] = [
    "@id(\"a\")",
    "@id(\"b\")",
    "@approval(\"x\")",
    "@quorum",
    "@",
    "permit",
    "forbid",
    "(principal, action, resource)",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "when",
    "if",
    "then",
    "else",
    "context",
    "principal",
    "?principal",
    "action",
    "User",
    "::",
    ".",
    "==",
    "&&",
    "||",
    "!",
    "-",
    "\"",
    "\\",
    "//",
    "\n",
    "\r",
    ";",
    ",",
    "é",
    "\u{2028}",
    "9223372036854775808",
];

fn text() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(select(PIECES.to_vec()), 0..60).prop_map(|pieces| pieces.join(" "));
    prop_oneof![3 => pieces, 1 => any::<String>()]
}

const SCHEMA: &str = "entity User; action \"read\" appliesTo { principal: User, resource: User };";

proptest! {
    #[test]
    fn loading_never_panics(cedar in text(), schema in text(), json in text(), keep in any::<bool>()) {
        let schema = if keep { SCHEMA.to_owned() } else { schema };
        let json = if keep { "[]".to_owned() } else { json };
        let files = [("a.cedar", cedar), ("a.cedarschema", schema), ("entities.json", json)];
        let files: BTreeMap<_, _> = files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
        let bundle = Bundle::from_files(files).map_err(|errors| TestCaseError::fail(format!("{errors:?}")))?;
        if let Err(errors) = Policies::load(&bundle, &PolicyLimits::default()) {
            prop_assert!(!errors.is_empty());
        }
    }
}
