//! Builds the filter: WebAssembly, optimised for size by rustc and for speed by `wasm-opt` where it is there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::workspace::{Workspace, found, run};

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
    if found("wasm-opt") {
        optimise(&compiled, &filter)?;
        println!("{}: {}, {} before wasm-opt", filter.display(), size(&filter)?, size(&compiled)?);
    } else {
        std::fs::copy(&compiled, &filter)?;
        println!(
            "{}: {}; with `wasm-opt` (Debian: binaryen) it is smaller",
            filter.display(),
            size(&filter)?
        );
    }
    Ok(filter)
}

/// Skips what was optimised already: `wasm-opt` takes many seconds.
fn optimise(compiled: &Path, filter: &Path) -> Result<()> {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    if changed(filter) > changed(compiled) {
        return Ok(());
    }
    run(Command::new("wasm-opt").arg("-O3").args(FEATURES).arg(compiled).arg("-o").arg(filter))
}

fn size(path: &Path) -> Result<String> {
    let bytes = std::fs::metadata(path).with_context(|| path.display().to_string())?.len();
    Ok(format!("{}.{:03} KB", bytes / 1000, bytes % 1000))
}
