//! What is wrong with a configuration or a bundle, with the place where it is.

use std::fmt;

/// One thing that is wrong, and where. Loading reports as many as it can find, not only the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LoadError {
    /// The bundle's file, or `configuration`.
    pub file: String,
    /// Line from 1, when it is known.
    pub line: Option<usize>,
    /// What is wrong and what to do, lower case, no full stop, user input in backticks.
    pub message: String,
}

impl LoadError {
    /// Something wrong in `file` as a whole.
    pub fn in_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, message: message.into() }
    }

    /// Something wrong at a line (from 1) of `file`.
    pub fn at(file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: Some(line), message: message.into() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// The line, from 1, of a byte offset in `text`.
#[must_use]
pub fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}
