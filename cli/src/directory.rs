//! Reads a policy folder: the files of a bundle, by their path in it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use countersign_core::bundle::Bundle;

/// All files in `folder` and below it but prose (`*.md`) and what is hidden. The bundle refuses a name that
/// nothing reads: left out here, a misspelt `gates.ceder` would be a gate that is gone.
///
/// # Errors
/// When a file cannot be read, or there is none.
pub fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    collect(folder, "", &mut files)?;
    anyhow::ensure!(!files.is_empty(), "`{}` holds no policies", folder.display());
    Ok(files)
}

/// The bundle of a policy folder.
///
/// # Errors
/// When the folder cannot be read, or is no bundle.
pub fn bundle(folder: &Path) -> Result<Bundle> {
    Bundle::from_files(read(folder)?).map_err(|errors| {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("`{}`: {}", folder.display(), lines.join("; "))
    })
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("`{}`: the name is not UTF-8", path.display()))?;
        let inner = format!("{prefix}{name}");
        if name.starts_with('.') {
            continue;
        } else if path.is_dir() {
            collect(&path, &format!("{inner}/"), files)?;
        } else if !name.ends_with(".md") {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read `{}`", path.display()))?;
            files.insert(inner, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn prose_and_what_is_hidden_stay_out() {
        let folder = folder(&["a.cedar", "team/b.cedar", "README.md", ".a.cedar.swp", ".git/config"]);
        let files = read(folder.path()).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.cedar", "team/b.cedar"]);
    }

    #[test]
    fn a_misspelt_name_is_refused_and_not_left_out() {
        for name in ["gates.ceder", "routes.yml", "team/identities.yaml", "gates"] {
            let folder = folder(&["a.cedar", name]);
            let errors = Bundle::from_files(read(folder.path()).unwrap()).unwrap_err();
            assert_eq!(errors.iter().map(|error| error.file.as_str()).collect::<Vec<_>>(), [name]);
        }
    }
}
