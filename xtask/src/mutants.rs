//! `cargo xtask mutants`: takes guards out of the filter, one at a time, and sees that a replay notices.
//!
//! All mutants are in one build: in a copy of the sources each guard stands beside what takes its place, and a
//! switch, read from the plugin's name in the gateway's configuration, says which of the two counts. So a mutant
//! is compiled code of the filter, runs where the filter runs, and costs one replay instead of a build and the
//! compilation of its WebAssembly. With no switch on, the copy must pass every recording: what is found with one
//! on is then found because of it.

mod list;
mod source;

use std::path::PathBuf;

use anyhow::Result;

use crate::plugin::TARGET;
use crate::workspace::{Workspace, run as run_command};
use source::Sources;

pub use list::all;

/// A guard, and what takes its place.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// What reports call it, unique.
    pub name: &'static str,
    /// What the filter does without the guard.
    pub removes: &'static str,
    /// The file, from the workspace's root.
    pub file: &'static str,
    /// The guard: an expression, or statements and one, that stands in the file exactly once.
    old: &'static str,
    /// What takes its place: an expression of the same type.
    new: &'static str,
}

/// Plays all mutants and prints what noticed each. They are played by a test target, because what replays is
/// large and no other command needs it.
///
/// # Errors
/// When a mutant no longer fits its file, the filter without a mutant does not pass, or one survives.
pub fn run(workspace: &Workspace) -> Result<()> {
    run_command(workspace.cargo().args(["test", "--quiet", "--workspace", "--test", "mutants"]))
}

/// Builds the filter with all mutants and gives its path.
///
/// # Errors
/// When a mutant no longer fits its file, or the copy does not compile.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target("mutants/source");
    Sources::read(workspace.root())?.with(&all())?.write(&folder)?;
    workspace.add_rust_target(TARGET)?;
    let built = workspace.target("mutants/build");
    let mut cargo = workspace.cargo();
    cargo.current_dir(&folder).args(["build", "--quiet", "--package", "countersign-plugin"]);
    cargo.args(["--profile", "mutants", "--target", TARGET, "--target-dir"]).arg(&built);
    run_command(&mut cargo)?;
    Ok(built.join(TARGET).join("mutants/countersign.wasm"))
}

/// The plugin's name with which the mutant at that place of the list is on.
#[must_use]
pub fn switch(place: usize) -> String {
    format!("mutant-{}", place + 1)
}
