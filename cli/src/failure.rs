//! Why a command ends without a report, and the exit code that says so.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use countersign_host_test::{Trial, Verdict};

use crate::directory::FolderError;
use crate::explain::InputError;
use crate::native::NativeError;
use crate::replay::{ReadError, RunError, SettingError};

/// A report was written, and something differs.
pub const DIFFERS: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// The filter trapped.
pub const TRAPPED: u8 = 3;
/// Something cannot be read: a file, what is in it, or a configuration that the filter refuses.
pub const UNREADABLE: u8 = 4;

/// Why a command ends without a report.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// Something cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The filter does not take its configuration.
    #[error(transparent)]
    Filter(#[from] Trial),
    /// The report cannot be written.
    #[error("cannot write the report: {0}")]
    Output(io::Error),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// Something that cannot be read.
    pub fn unreadable(error: impl Display) -> Self {
        Self::Unreadable(error.to_string())
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => USAGE,
            Self::Filter(Trial { verdict: Verdict::Trapped(_), .. }) => TRAPPED,
            Self::Unreadable(_) | Self::Filter(_) => UNREADABLE,
            Self::Output(_) | Self::Other(_) => DIFFERS,
        })
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Filter(trial) => Self::Filter(trial),
            RunError::Job => Self::Other(error.to_string()),
            other => Self::unreadable(other),
        }
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        if error.is_usage() { Self::Usage(error.to_string()) } else { Self::unreadable(error) }
    }
}

/// What is unreadable whatever it says.
macro_rules! unreadable {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::unreadable(error)
            }
        })*
    };
}
unreadable!(FolderError, NativeError, ReadError, SettingError);
