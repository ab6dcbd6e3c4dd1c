//! The bundle: all the files that decide, as one JSON document, so that a message can name file and line
//! where there is no file system.

use std::collections::BTreeMap;

use countersign_protocol::Hash;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::load::LoadError;

/// The only version of the document that is read.
const VERSION: u64 = 1;

/// What a hash of a bundle starts with, so that it is never the hash of anything else.
const DOMAIN: &[u8] = b"countersign-bundle-v1\0";

/// The files of a bundle, by path, each of a kind that something reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    files: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    v: u64,
    files: BTreeMap<String, String>,
}

impl Bundle {
    /// Reads `{"v":1,"files":{"<path>":"<text>"}}`.
    ///
    /// # Errors
    /// An unknown key, another version, a text that is no string, and what [`Bundle::from_files`] refuses.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, Vec<LoadError>> {
        let document = Document::deserialize(value)
            .map_err(|error| vec![LoadError::in_file("bundle", error.to_string())])?;
        if document.v != VERSION {
            let message = format!("`v` is {}, but only version {VERSION} is known", document.v);
            return Err(vec![LoadError::in_file("bundle", message)]);
        }
        Self::from_files(document.files)
    }

    /// Keeps `files`, from path to text.
    ///
    /// # Errors
    /// Each path of a kind that nothing reads.
    pub fn from_files(files: BTreeMap<String, String>) -> Result<Self, Vec<LoadError>> {
        let unknown: Vec<_> = files.keys().filter(|path| !is_known(path)).map(|path| refuse(path)).collect();
        if unknown.is_empty() { Ok(Self { files }) } else { Err(unknown) }
    }

    /// The files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The text of the file at `path`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// SHA-256 over paths and texts, sorted by path, each with its length in front.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let mut hasher = Sha256::new_with_prefix(DOMAIN);
        for part in self.files.iter().flat_map(|(path, text)| [path, text]) {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Hash(hasher.finalize().into())
    }

    /// The document that [`Bundle::from_json`] reads.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        json!({ "v": VERSION, "files": self.files })
    }
}

fn is_known(path: &str) -> bool {
    let policy = [".cedar", ".cedarschema", ".jwks.json"].iter().any(|end| path.ends_with(end));
    policy || ["entities.json", "routes.yaml", "messages.yaml", "identities.yaml"].contains(&path)
}

fn refuse(path: &str) -> LoadError {
    let known = "`*.cedar`, `*.cedarschema`, `entities.json`, `routes.yaml`, `messages.yaml`, `identities.yaml`, `*.jwks.json`";
    LoadError::in_file(path, format!("nothing reads a file of this name; a bundle holds {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(files: &[(&str, &str)]) -> Bundle {
        let files = files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
        Bundle::from_files(files).unwrap()
    }

    #[test]
    fn reads_what_it_wrote() {
        let bundle = bundle(&[("a.cedar", "x"), ("entities.json", "[]")]);
        assert_eq!(Bundle::from_json(&bundle.to_json()), Ok(bundle));
    }

    #[test]
    fn the_hash_tells_a_path_from_a_text() {
        let hashes = [
            bundle(&[("a.cedar", "b"), ("c.cedar", "")]).hash(),
            bundle(&[("a.cedar", ""), ("c.cedar", "b")]).hash(),
            bundle(&[("a.cedar", "b")]).hash(),
            bundle(&[]).hash(),
        ];
        assert!(hashes.iter().enumerate().all(|(n, hash)| !hashes[n + 1..].contains(hash)));
    }

    #[test]
    fn what_nobody_reads_is_refused() {
        let cases = [
            (
                json!({"v": 1, "files": {}, "extra": 1}),
                "bundle: unknown field `extra`, expected `v` or `files`",
            ),
            (json!({"v": 2, "files": {}}), "bundle: `v` is 2, but only version 1 is known"),
            (json!({"files": {}}), "bundle: missing field `v`"),
            (
                json!({"v": 1, "files": {"a.cedar": 1}}),
                "bundle: invalid type: integer `1`, expected a string",
            ),
            (
                json!({"v": 1, "files": {"sub/entities.json": ""}}),
                "sub/entities.json: nothing reads a file of this name; a bundle holds `*.cedar`, \
                 `*.cedarschema`, `entities.json`, `routes.yaml`, `messages.yaml`, `identities.yaml`, `*.jwks.json`",
            ),
        ];
        for (document, message) in cases {
            let errors = Bundle::from_json(&document).unwrap_err();
            assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [message]);
        }
    }
}
