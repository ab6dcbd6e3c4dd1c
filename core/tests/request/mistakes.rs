//! Mistakes in `routes.yaml` and `identities.yaml`: each message names file and line, and what to do.

use std::fmt::Write as _;
use std::path::Path;

use countersign_core::identity::Identities;
use countersign_core::load::LoadError;
use countersign_core::routes::Routes;

use crate::support::{Schema, bundle};

/// What loading every file of a folder says, by file name.
fn messages(folder: &str, load: impl Fn(&str) -> Vec<LoadError>) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut all = String::new();
    for file in files {
        let errors = load(&std::fs::read_to_string(&file).unwrap());
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!errors.is_empty(), "{name} loads");
        assert!(errors.iter().all(|error| error.line.is_some()), "{name}: {errors:?}");
        writeln!(all, "{name}").unwrap();
        errors.iter().for_each(|error| writeln!(all, "    {error}").unwrap());
    }
    all
}

#[test]
fn routes() {
    insta::assert_snapshot!(messages("bad-routes", |text| {
        Routes::load(Some(text), None, &Schema).err().unwrap_or_default()
    }));
}

#[test]
fn identities() {
    insta::assert_snapshot!(messages("bad-identities", |text| {
        Identities::load(&[], &bundle(&[("identities.yaml", text)])).err().unwrap_or_default()
    }));
}
