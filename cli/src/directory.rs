//! Reads a policy folder: the files of a bundle, by their path in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

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
    /// It cannot be read from that commit.
    #[error("cannot read `{path}` at `{revision}`: {why}")]
    Revision {
        /// The folder.
        path: String,
        /// The commit.
        revision: String,
        /// Why.
        why: String,
    },
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

/// The same of a folder as it was at a commit of the git repository that it is in.
///
/// # Errors
/// When git cannot read it, or there was none.
pub fn read_at(folder: &Path, revision: &str) -> Result<BTreeMap<String, String>, FolderError> {
    let failed = |why: String| FolderError::Revision {
        path: folder.display().to_string(),
        revision: revision.into(),
        why,
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| failed("not all of it is UTF-8".into()));
    if !folder.is_dir() {
        return Err(failed("there is no such folder now, and it is named by its place".into()));
    }
    // In the folder: names are those below it then.
    let git = |words: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(words).output();
        let output = output.map_err(|error| failed(format!("git: {error}")))?;
        if output.status.success() {
            return text(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(failed(format!(
            "{said}: check its name; a shallow clone may lack it, `git fetch --unshallow` gets it"
        )))
    };
    let commit = format!("{revision}^{{commit}}");
    let commit = git(&["rev-parse", "--verify", "--end-of-options", &commit])?;
    let names = git(&["ls-tree", "-r", "-z", "--name-only", commit.trim()])?;
    let mut files = BTreeMap::new();
    for name in names.split('\0').filter(|name| !name.is_empty() && is_policy(name)) {
        files.insert(name.to_owned(), git(&["show", &format!("{}:./{name}", commit.trim())])?);
    }
    if files.is_empty() {
        return Err(failed("it held no policies then".into()));
    }
    Ok(files)
}

/// Whether a path below the folder is neither prose nor hidden.
fn is_policy(name: &str) -> bool {
    !name.ends_with(".md") && !name.split('/').any(|part| part.starts_with('.'))
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
    fn a_folder_is_read_as_it_was() {
        let folder =
            folder(&["policies/a.cedar", "policies/team/b.cedar", "policies/README.md", "other.cedar"]);
        let git = |words: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(folder.path()).args(["-c", "user.name=a", "-c", "user.email=a@example"]);
            assert!(command.args(words).output().unwrap().status.success(), "{words:?}");
        };
        git(&["init", "--quiet"]);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", "first"]);
        let policies = folder.path().join("policies");
        std::fs::write(policies.join("c.cedar"), "").unwrap();
        let files = read_at(&policies, "HEAD").unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.cedar", "team/b.cedar"]);
        let error = read_at(&policies, "no-such-commit").unwrap_err().to_string();
        assert!(error.contains("at `no-such-commit`: ") && error.contains("--unshallow"), "{error}");
        std::fs::create_dir(folder.path().join("new")).unwrap();
        let error = read_at(&folder.path().join("new"), "HEAD").unwrap_err().to_string();
        assert!(error.ends_with("it held no policies then"), "{error}");
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
