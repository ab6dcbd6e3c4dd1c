//! What a replay runs: a filter, a policy folder and the filter's configuration.

use std::path::Path;

use countersign_core::bundle::Bundle;
use countersign_host_test::{Filter, LoadError, approvals::Approvals};
use countersign_protocol::Hash;
use serde_json::{Map, Value, json};

/// The plugin's `name` and its `root_id` in the gateway's configuration, as they ship.
pub(crate) const PLUGIN: &str = "countersign";

/// A filter and what it is configured with.
#[derive(Clone)]
pub struct Setting {
    /// The filter, compiled.
    pub filter: Filter,
    /// SHA-256 of the filter's bytes.
    pub filter_hash: Hash,
    /// SHA-256 of the bundle.
    pub bundle_hash: Hash,
    configuration: Map<String, Value>,
}

/// Why a replay cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {error}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The filter cannot be read.
    #[error("cannot read the filter `{path}`: {error}: name it with `--filter` or `COUNTERSIGN_WASM`")]
    NoFilter {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The filter's file is something else.
    #[error("`{0}` is no WebAssembly module: `cargo xtask build` makes the filter")]
    NoWasm(String),
    /// The filter cannot be used.
    #[error("`{path}` {error}")]
    Filter {
        /// The file.
        path: String,
        /// Why.
        error: LoadError,
    },
    /// The configuration is no JSON object.
    #[error("`{path}` is no JSON object: {error}")]
    Configuration {
        /// The file.
        path: String,
        /// Why.
        error: serde_json::Error,
    },
}

impl Setting {
    /// Compiles the filter and reads the configuration, if there is one: without it, nobody is known and the
    /// audience is `replay`.
    ///
    /// # Errors
    /// See [`SettingError`].
    pub fn read(filter: &Path, bundle: &Bundle, configuration: Option<&Path>) -> Result<Self, SettingError> {
        Self::with_filter(Self::filter(filter)?, bundle, configuration)
    }

    /// Compiles a filter; gives the hash of its bytes as well.
    ///
    /// # Errors
    /// See [`SettingError`].
    pub fn filter(path: &Path) -> Result<(Filter, Hash), SettingError> {
        let wasm = std::fs::read(path)
            .map_err(|error| SettingError::NoFilter { path: path.display().to_string(), error })?;
        let path = path.display().to_string();
        if !wasm.starts_with(b"\0asm") {
            return Err(SettingError::NoWasm(path));
        }
        let filter = Filter::load(&wasm).map_err(|error| SettingError::Filter { path, error })?;
        Ok((filter, Hash::of(&wasm)))
    }

    /// The same as [`Setting::read`], of a filter that is compiled already.
    ///
    /// # Errors
    /// See [`SettingError`].
    pub fn with_filter(
        (filter, filter_hash): (Filter, Hash),
        bundle: &Bundle,
        configuration: Option<&Path>,
    ) -> Result<Self, SettingError> {
        let configuration = read_configuration(bundle, configuration)?;
        Ok(Self { filter, filter_hash, bundle_hash: bundle.hash(), configuration })
    }

    /// The same filter and configuration with other policies.
    #[must_use]
    pub fn with(&self, bundle: &Bundle) -> Self {
        Self {
            bundle_hash: bundle.hash(),
            configuration: with_bundle(self.configuration.clone(), bundle),
            ..self.clone()
        }
    }

    /// The gateway's name in grants and digests.
    #[must_use]
    pub fn audience(&self) -> &str {
        self.configuration.get("audience").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the filter only observes.
    #[must_use]
    pub fn observes(&self) -> bool {
        self.configuration.get("mode").and_then(Value::as_str) == Some("observe")
    }

    /// The filter's configuration, asking this service in place of the one that it names.
    #[must_use]
    pub fn asking(&self, approvals: &Approvals) -> Value {
        asking(self.configuration.clone(), approvals)
    }
}

/// Reads a configuration, if there is one, for `bundle`.
pub(crate) fn read_configuration(
    bundle: &Bundle,
    configuration: Option<&Path>,
) -> Result<Map<String, Value>, SettingError> {
    let configuration = match configuration {
        None => Map::new(),
        Some(path) => {
            let path_shown = path.display().to_string();
            serde_json::from_slice(&read(path)?)
                .map_err(|error| SettingError::Configuration { path: path_shown, error })?
        }
    };
    Ok(with_bundle(configuration, bundle))
}

/// A configuration that asks this service in place of the one that it names.
pub(crate) fn asking(mut configuration: Map<String, Value>, approvals: &Approvals) -> Value {
    configuration.insert("approval".into(), approvals.approval());
    Value::Object(configuration)
}

fn with_bundle(mut configuration: Map<String, Value>, bundle: &Bundle) -> Map<String, Value> {
    configuration.insert("bundle".into(), bundle.to_json());
    configuration.entry("audience").or_insert_with(|| json!("replay"));
    configuration.entry("identity").or_insert_with(|| json!([]));
    configuration
}

fn read(path: &Path) -> Result<Vec<u8>, SettingError> {
    std::fs::read(path).map_err(|error| SettingError::Read { path: path.display().to_string(), error })
}
