//! Reads a policy folder: the files of a bundle, by their path in it.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_core::bundle::Bundle;

/// Why a policy folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It, or something in it, cannot be read.
    #[error("cannot read `{path}`: {error}")]
    Read {
        /// The file or folder.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A name that no bundle can have.
    #[error("`{0}`: the name is not UTF-8")]
    Name(String),
    /// There is nothing in it.
    #[error("`{0}` holds no policies")]
    Empty(String),
    /// What is in it is no bundle.
    #[error("`{path}`: {errors}")]
    Bundle {
        /// The folder.
        path: String,
        /// What is wrong.
        errors: String,
    },
}

/// All files in `folder` and below it but prose (`*.md`) and what is hidden. The bundle refuses a name that
/// nothing reads: left out here, a misspelt `gates.ceder` would be a gate that is gone.
///
/// # Errors
/// When a file cannot be read, or there is none.
pub fn read(folder: &Path) -> Result<BTreeMap<String, String>, FolderError> {
    let mut files = BTreeMap::new();
    collect(folder, "", &mut files)?;
    if files.is_empty() {
        return Err(FolderError::Empty(folder.display().to_string()));
    }
    Ok(files)
}

/// The bundle of a policy folder.
///
/// # Errors
/// When the folder cannot be read, or is no bundle.
pub fn bundle(folder: &Path) -> Result<Bundle, FolderError> {
    Bundle::from_files(read(folder)?).map_err(|errors| {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        FolderError::Bundle { path: folder.display().to_string(), errors: lines.join("; ") }
    })
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<(), FolderError> {
    let unread = |path: &Path| {
        let path = path.display().to_string();
        move |error| FolderError::Read { path, error }
    };
    for entry in std::fs::read_dir(folder).map_err(unread(folder))? {
        let path = entry.map_err(unread(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| FolderError::Name(path.display().to_string()))?;
        let inner = format!("{prefix}{name}");
        if name.starts_with('.') {
            continue;
        } else if path.is_dir() {
            collect(&path, &format!("{inner}/"), files)?;
        } else if !name.ends_with(".md") {
            files.insert(inner, std::fs::read_to_string(&path).map_err(unread(&path))?);
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
