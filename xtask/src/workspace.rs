//! Where the workspace lies, and how its commands are run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// The workspace that this program belongs to.
#[derive(Debug)]
pub struct Workspace {
    /// Its packages and who depends on whom, without registry packages.
    pub metadata: Metadata,
}

impl Workspace {
    /// Asks cargo where the workspace lies.
    ///
    /// # Errors
    /// When cargo cannot read the manifests.
    pub fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec()?;
        Ok(Self { metadata })
    }

    /// The folder of the workspace's manifest.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// A path under cargo's target folder.
    #[must_use]
    pub fn target(&self, path: &str) -> PathBuf {
        self.metadata.target_directory.as_std_path().join(path)
    }

    /// The cargo that runs this program, in the workspace.
    #[must_use]
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(self.root());
        // They describe this program to itself and would make cargo build other packages again.
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR")
            {
                cargo.env_remove(name);
            }
        }
        cargo
    }

    /// Adds `target` by rustup when it is not installed.
    ///
    /// # Errors
    /// When rustup fails.
    pub fn add_rust_target(&self, target: &str) -> Result<()> {
        let mut list = Command::new("rustup");
        list.args(["target", "list", "--installed"]).current_dir(self.root());
        if output(&mut list)?.lines().any(|line| line == target) {
            return Ok(());
        }
        run(Command::new("rustup").args(["target", "add", target]).current_dir(self.root()))
    }
}

/// Runs a command to its end, its output shown.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs a command to its end and gives what it printed.
///
/// # Errors
/// When it cannot be started or fails.
pub fn output(command: &mut Command) -> Result<String> {
    let done = command.stderr(Stdio::inherit()).output();
    let done = done.with_context(|| format!("cannot start {}", shown(command)))?;
    if !done.status.success() {
        bail!("{} failed: {}", shown(command), done.status);
    }
    Ok(String::from_utf8(done.stdout)?)
}

/// Whether a program of this name can be started.
#[must_use]
pub fn found(program: &str) -> bool {
    let mut probe = Command::new(program);
    probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// A command as one would type it.
#[must_use]
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    format!("`{}`", words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "))
}
