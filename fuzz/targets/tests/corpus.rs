//! Every input of the committed corpus through its target.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::{Path, PathBuf};

use countersign_fuzz_targets::TARGETS;

/// The folders or files in a folder, in order.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut all: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn what_must_hold_holds_for_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let names: Vec<_> = inside(&corpus).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, TARGETS.map(|(name, _)| name), "a folder for each target");
    for (name, target) in TARGETS {
        let inputs = inside(&corpus.join(name));
        let accepted = inputs.iter().filter(|input| {
            // Shown when the target fails.
            println!("{}", input.display());
            target(&std::fs::read(input).unwrap())
        });
        let accepted = accepted.count();
        assert!(accepted >= 4 && inputs.len() - accepted >= 8, "{accepted} of {} for `{name}`", inputs.len());
    }
}
