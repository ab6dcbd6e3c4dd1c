//! The approval service as one static binary, with what a container file needs beside it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::packages;
use crate::workspace::{Workspace, output, run};

/// A C library that goes into the binary whole.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// Builds it as it is released, and sees that it needs nothing of the system that it runs on.
///
/// # Errors
/// When it cannot be built, or is not static.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    packages::require_musl()?;
    run(Command::new("rustup").args(["target", "add", TARGET]))?;
    let words = ["build", "--release", "--target", TARGET, "--package", "countersign-approvals"];
    run(workspace.cargo().args(words))?;
    let folder = workspace.target("service");
    // Owned by the container's user there.
    std::fs::create_dir_all(folder.join("data"))?;
    let binary = folder.join("countersign-approvals");
    std::fs::copy(workspace.target(TARGET).join("release/countersign-approvals"), &binary)?;
    let needed = output(Command::new("readelf").arg("--dynamic").arg(&binary))?;
    ensure!(!needed.contains("NEEDED"), "it needs libraries:\n{needed}");
    output(Command::new(&binary).arg("--version")).context("it does not run")?;
    let size = std::fs::metadata(&binary)?.len();
    println!("{}: {:.1} MB, static", binary.display(), size as f64 / 1e6);
    Ok(binary)
}
