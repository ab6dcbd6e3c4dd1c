//! Secrets of channels: in files that only their owner reads, or in the environment; never in the configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Where a secret is.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields, expecting = "a secret is `{ file = \"…\" }` or `{ env = \"…\" }`")]
pub(super) enum Secret {
    File { file: PathBuf },
    Env { env: String },
}

impl Secret {
    /// The secret itself, without blanks around it.
    pub(super) fn read(&self, folder: &Path) -> Result<String, String> {
        let text = match self {
            Self::File { file } => read(&folder.join(file))?,
            Self::Env { env } => std::env::var(env)
                .map_err(|_| format!("the environment has no variable `{env}`: set it, or name a file"))?,
        };
        let text = text.trim();
        if text.is_empty() { Err("the secret is empty: write it there".into()) } else { Ok(text.to_owned()) }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    private(path)?;
    std::fs::read_to_string(path).map_err(|error| format!("cannot read `{shown}`: {error}"))
}

/// Refuses what everybody on the machine can read.
#[cfg(unix)]
fn private(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let shown = path.display();
    let about = std::fs::metadata(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o007 == 0 {
        return Ok(());
    }
    Err(format!("everybody can read `{shown}` (its mode is {mode:o}): take that away, `chmod 600 {shown}`"))
}

#[cfg(not(unix))]
fn private(_path: &Path) -> Result<(), String> {
    Ok(())
}
