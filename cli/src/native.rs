//! Judges without a filter: by core, with the configuration that a replay would give to the filter.

use std::path::Path;

use countersign_core::bundle::Bundle;
use countersign_core::explain::Explainer;
use countersign_host_test::approvals::Approvals;

use crate::replay::SettingError;
use crate::replay::setting::{asking, read_configuration};

/// Why nothing can be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NativeError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The configuration, with this bundle, is wrong.
    #[error("{}", .0.join("\n"))]
    Load(Vec<String>),
}

/// Loads the configuration, with the bundle in place of its own and nobody to ask.
///
/// # Errors
/// See [`NativeError`].
pub(crate) fn load(bundle: &Bundle, configuration: Option<&Path>) -> Result<Explainer, NativeError> {
    let configuration = asking(read_configuration(bundle, configuration)?, &Approvals::new(0));
    Explainer::load(&configuration)
        .map_err(|errors| NativeError::Load(errors.iter().map(ToString::to_string).collect()))
}
