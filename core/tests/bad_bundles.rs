//! Bundles that must not load, one folder each, with all that is said about them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use countersign_core::bundle::Bundle;
use countersign_core::load::LoadError;
use countersign_core::policy::{Policies, PolicyLimits};

/// Everything under `folder`, by the path below it.
fn read(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                files.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

fn load(files: BTreeMap<String, String>, limits: &PolicyLimits) -> Result<(), Vec<LoadError>> {
    Policies::load(&Bundle::from_files(files)?, limits).map(drop)
}

fn told(errors: &[LoadError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_is_refused_with_its_message() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad-bundles");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let errors = load(read(&folder), &PolicyLimits::default()).expect_err(name);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "bad-bundles.snapshots" }, {
            insta::assert_snapshot!(name, told(&errors));
        });
    }
}

#[test]
fn one_policy_too_many_is_refused() {
    let schema = "entity User; action \"read\" appliesTo { principal: User, resource: User };";
    let policy = |id: &str| format!("@id(\"{id}\") permit (principal, action, resource);\n");
    let text = [policy("a"), policy("b"), policy("c")].concat();
    let files = BTreeMap::from([("a.cedarschema".into(), schema.into()), ("a.cedar".into(), text)]);
    let limits = |policies| PolicyLimits { policies, ..PolicyLimits::default() };
    assert_eq!(load(files.clone(), &limits(3)), Ok(()));
    assert_eq!(told(&load(files, &limits(2)).unwrap_err()), "a.cedar:3: more than 2 policies");
}
