//! From the policy engine's diagnostics to messages that name a file and a line.

use std::iter::successors;

use miette::{Diagnostic, SourceSpan};

use crate::load::{LoadError, line_of};

/// A file of the bundle.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
}

impl File<'_> {
    /// Something wrong at a byte offset.
    pub(super) fn error(&self, offset: usize, message: impl Into<String>) -> LoadError {
        LoadError::at(self.path, line_of(self.text, offset), message)
    }
}

/// What `diagnostic` says in one line: the message, its causes, what its label adds, and its advice.
pub(super) fn message(diagnostic: &dyn Diagnostic) -> String {
    let causes = successors(diagnostic.source(), |cause| cause.source()).map(ToString::to_string);
    let label = diagnostic.labels().and_then(|mut labels| labels.next());
    let label = label.and_then(|label| label.label().map(str::to_owned));
    let help = diagnostic.help().map(|help| help.to_string());
    let mut parts = vec![diagnostic.to_string()];
    for part in causes.chain(label).chain(help).map(|part| part.replace('\n', " ")) {
        if !parts.iter().any(|said| said.contains(&part)) {
            parts.push(part);
        }
    }
    parts.join("; ")
}

/// Where `diagnostic` points in its source (byte offset).
pub(super) fn offset(diagnostic: &dyn Diagnostic) -> Option<usize> {
    diagnostic.labels()?.next().map(|label| label.offset())
}

/// An error at the place that `diagnostic` names, in whichever of `files` its source is.
pub(super) fn locate(files: &[File<'_>], diagnostic: &dyn Diagnostic) -> LoadError {
    let whole = || diagnostic.source_code()?.read_span(&SourceSpan::from(0..0), 0, usize::MAX).ok();
    let source = whole().map(|contents| contents.data().to_vec());
    let file = files.iter().find(|file| Some(file.text.as_bytes()) == source.as_deref()).or(files.first());
    match (file, offset(diagnostic)) {
        (Some(file), Some(offset)) => file.error(offset, message(diagnostic)),
        (Some(file), None) => LoadError::in_file(file.path, message(diagnostic)),
        (None, _) => LoadError::in_file("bundle", message(diagnostic)),
    }
}
