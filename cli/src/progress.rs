//! How far a command is, by the bytes that were read: a bar on a terminal, nothing in a pipe.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

/// The bar. It goes when this does.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Over all these files.
    pub(crate) fn over(files: &[PathBuf]) -> Self {
        let total = files.iter().map(|file| std::fs::metadata(file).map_or(0, |data| data.len())).sum();
        let style =
            ProgressStyle::with_template("{bar:40} {percent}% of {total_bytes}, {elapsed}, {eta} left");
        match style {
            Ok(style) if std::io::stderr().is_terminal() => Self(ProgressBar::new(total).with_style(style)),
            _ => Self(ProgressBar::hidden()),
        }
    }

    /// So many bytes were read.
    pub(crate) fn at(&self, bytes: u64) {
        self.0.set_position(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
