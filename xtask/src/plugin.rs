//! Builds the filter: WebAssembly, optimised for size by rustc and for speed by `wasm-opt` where it is there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use countersign_protocol::Hash;

use crate::workspace::{Workspace, found, output, run};

/// What the filter is compiled for.
pub const TARGET: &str = "wasm32-wasip1";

/// What rustc's output may use beyond WebAssembly 1.0; `strip` takes out the section that says so.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Builds the filter and gives its path, `target/countersign.wasm`.
///
/// # Errors
/// When a tool fails; a missing `wasm-opt` is said and passed over.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    workspace.add_rust_target(TARGET)?;
    let mut cargo = workspace.cargo();
    run(cargo.args(["build", "--package", "countersign-plugin", "--profile", "plugin", "--target", TARGET]))?;
    let compiled = workspace.target(TARGET).join("plugin/countersign.wasm");
    let filter = workspace.target("countersign.wasm");
    let tool = optimiser()?;
    make(&compiled, &filter, tool.as_deref())?;
    let (path, made) = (filter.display(), size(&filter)?);
    if tool.is_some() {
        println!("{path}: {made}, {} before wasm-opt", size(&compiled)?);
    } else {
        println!("{path}: {made}; with `wasm-opt` (Debian: binaryen) it is smaller");
    }
    Ok(filter)
}

/// What `wasm-opt` says it is, when it is there.
fn optimiser() -> Result<Option<String>> {
    found("wasm-opt").then(|| output(Command::new("wasm-opt").arg("--version"))).transpose()
}

/// Makes the filter unless it was made of the same input by the same tool already: `wasm-opt` takes many
/// seconds. A note beside it says what it was made of, and is there only when it was made to the end.
fn make(compiled: &Path, filter: &Path, tool: Option<&str>) -> Result<()> {
    let by = tool.map_or("a copy", str::trim);
    let recipe = format!("{} {by} {}\n", Hash::of(&std::fs::read(compiled)?), FEATURES.join(" "));
    let note = filter.with_extension("wasm.made-of");
    if filter.exists() && std::fs::read_to_string(&note).is_ok_and(|noted| noted == recipe) {
        return Ok(());
    }
    if note.exists() {
        std::fs::remove_file(&note)?;
    }
    if tool.is_some() {
        run(Command::new("wasm-opt").arg("-O3").args(FEATURES).arg(compiled).arg("-o").arg(filter))?;
    } else {
        std::fs::copy(compiled, filter)?;
    }
    Ok(std::fs::write(note, recipe)?)
}

fn size(path: &Path) -> Result<String> {
    let bytes = std::fs::metadata(path).with_context(|| path.display().to_string())?.len();
    Ok(format!("{}.{:03} KB", bytes / 1000, bytes % 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_made_anew_when_its_input_or_its_tool_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let (compiled, filter) = (folder.path().join("in.wasm"), folder.path().join("out.wasm"));
        let made = |text: &str| {
            std::fs::write(&compiled, text).unwrap();
            make(&compiled, &filter, None).unwrap();
            std::fs::read_to_string(&filter).unwrap()
        };
        assert_eq!(made("one"), "one");
        std::fs::write(&filter, "left alone").unwrap();
        assert_eq!(made("one"), "left alone");
        assert_eq!(made("two"), "two");
        std::fs::write(folder.path().join("out.wasm.made-of"), "two, by another tool").unwrap();
        std::fs::write(&filter, "unoptimised").unwrap();
        assert_eq!(made("two"), "two");
    }
}
