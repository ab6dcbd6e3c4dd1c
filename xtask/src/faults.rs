//! What happens when something around the filter fails: one row a fault. The gateway tests hold the product to
//! each row, and the user's guide is made of them, so the two cannot differ.

mod page;
mod table;

use anyhow::Result;

use crate::workspace::Workspace;
pub use page::{FILE, page};
pub use table::SECTIONS;

/// Rows about one part of the world.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its title.
    pub title: &'static str,
    /// What holds for all of its rows, in a sentence or two.
    pub about: &'static str,
    /// The rows.
    pub rows: &'static [Row],
}

/// One fault, and all that comes of it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Names the row to its test; `kebab-case`.
    pub id: &'static str,
    /// What happens, as the reader would say it.
    pub when: &'static str,
    /// What the client gets, in order: one entry a try, `status code`, or `-` where its connection just ends.
    pub client: &'static [&'static str],
    /// How often the upstream gets the request, always whole and unchanged.
    pub upstream: usize,
    /// The records about it in the evidence, in order, each with its reason, code or status if it has one.
    pub evidence: &'static [&'static str],
    /// Why it is so, or what to do.
    pub note: &'static str,
}

/// Writes the page into the repository.
///
/// # Errors
/// When the file cannot be written.
pub fn write(workspace: &Workspace) -> Result<()> {
    Ok(std::fs::write(workspace.root().join(FILE), page())?)
}

/// The row of that name.
#[must_use]
pub fn row(id: &str) -> Option<&'static Row> {
    SECTIONS.iter().flat_map(|section| section.rows).find(|row| row.id == id)
}
