//! The dependency rules of the architecture, checked: who may depend on whom, what core must not touch, how
//! a source file looks.

pub mod graph;
pub mod sources;
mod tokens;

use std::fmt;

use anyhow::{Result, bail};

use crate::workspace::{Workspace, run};

/// One rule that is broken, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// A file of the workspace, with its line when there is one, or a package.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

impl Breach {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Where core must compile: beside the host, in the filter and in a browser.
const CORE_TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];

/// Checks every rule and prints what is broken.
///
/// # Errors
/// When one is broken, something cannot be read, or core does not compile for one of its targets.
pub fn check(workspace: &Workspace) -> Result<()> {
    let mut breaches = graph::check(&graph::edges(&workspace.metadata));
    breaches.extend(sources::check(workspace.root())?);
    for breach in &breaches {
        eprintln!("{breach}");
    }
    for target in CORE_TARGETS {
        workspace.add_rust_target(target)?;
        let mut cargo = workspace.cargo();
        run(cargo.args(["check", "--quiet", "--package", "countersign-core", "--target", target]))?;
    }
    if !breaches.is_empty() {
        bail!("{} rules broken", breaches.len());
    }
    println!("the dependency rules hold");
    Ok(())
}
