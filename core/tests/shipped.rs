//! The policies that ship with the product load as the filter would load them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::collections::BTreeMap;
use std::path::Path;

use countersign_core::bundle::Bundle;
use countersign_core::engine::Rules;
use countersign_core::policy::PolicyLimits;

/// The bundle in a folder of the workspace; prose stays out.
fn files(folder: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = paths.filter(|path| path.extension().is_some_and(|extension| extension != "md"));
    let named = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    sources.map(|path| (named(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

fn gates(folder: &str) -> usize {
    let bundle = Bundle::from_files(files(folder)).unwrap();
    Rules::load(&bundle, &[], &PolicyLimits::default()).unwrap().count().1
}

#[test]
fn the_starter_set_loads() {
    assert_eq!(gates("policies"), 2);
}

#[test]
fn the_examples_load() {
    assert_eq!(gates("examples/deploy-agent/policies"), 4);
    assert_eq!(gates("examples/mcp-tools/policies"), 1);
}
