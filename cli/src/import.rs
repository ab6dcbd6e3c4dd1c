//! Imports what an API says of itself: a Cedar schema, routes and suggested gates that load as they are.

mod document;
mod grpc;
mod mcp;
pub mod merge;
mod model;
mod names;
mod openapi;
mod schema;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

pub use grpc::Arguments as GrpcArguments;
pub use mcp::Arguments as McpArguments;
use merge::{Change, Entry, Frame};

/// What to import.
#[derive(Debug, clap::Subcommand)]
pub enum Import {
    /// Import an OpenAPI document of version 3.0 or 3.1, JSON or YAML.
    Openapi(Arguments),
    /// Import the tools of an MCP server: what it answers to `tools/list`.
    Mcp(McpArguments),
    /// Import gRPC services: a descriptor set, as `protoc` and `buf` write it.
    Grpc(GrpcArguments),
}

/// How to import it.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// The document.
    pub file: PathBuf,
    /// The policy folder that the schema, the routes and the suggested gates go into.
    #[arg(long, value_name = "FOLDER")]
    pub into: PathBuf,
    /// The name of the API: of its files, and of its namespace. Left out, the document's title.
    #[arg(long)]
    pub name: Option<String>,
    /// A host of the API, in place of the document's servers; may be given more than once.
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
    /// An entity type of callers that a schema in the folder declares; may be given more than once. Left out, the
    /// namespace of the API gets `Agent` and `User`.
    #[arg(long = "principal", value_name = "TYPE")]
    pub principals: Vec<String>,
}

/// What an import would do to a folder.
#[derive(Debug)]
pub struct Plan {
    /// All files of the folder as they would be.
    pub files: BTreeMap<String, String>,
    /// Those of them that change.
    pub changed: Vec<String>,
    /// What is said about it, a line each.
    pub report: Vec<String>,
}

/// What an import generates.
struct Generated {
    /// A file may come twice.
    parts: Vec<Generation>,
    /// Whole files that entries need, unless the folder has what they declare: a line of it, name and text.
    needed: Vec<(&'static str, &'static str, String)>,
    /// What was left out, and what else is to be said, a line each.
    skipped: Vec<String>,
}

/// Entries for one place of a file.
struct Generation {
    file: String,
    frame: Frame,
    /// Whose entries they are, as marks say it.
    source: String,
    entries: Vec<Entry>,
}

impl Import {
    /// The folder that is written.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self {
            Self::Openapi(arguments) => &arguments.into,
            Self::Mcp(arguments) => &arguments.into,
            Self::Grpc(arguments) => &arguments.into,
        }
    }

    /// What it would do. Nothing is written.
    ///
    /// # Errors
    /// When the document cannot be read, or is none.
    pub fn plan(&self) -> Result<Plan> {
        let files = existing(self.folder())?;
        let generated = match self {
            Self::Openapi(arguments) => {
                let document = document::read(&arguments.file)?;
                let read = openapi::read(&document, arguments);
                let (api, skipped) = read.with_context(|| format!("`{}`", arguments.file.display()))?;
                Generated { parts: write::all(&api).into(), needed: Vec::new(), skipped }
            }
            Self::Mcp(arguments) => {
                let document = document::read(&arguments.file)?;
                mcp::read(&document, arguments, &files)
                    .with_context(|| format!("`{}`", arguments.file.display()))?
            }
            Self::Grpc(arguments) => {
                grpc::read(arguments).with_context(|| format!("`{}`", arguments.file.display()))?
            }
        };
        generated.merge(files)
    }
}

impl Generated {
    fn merge(self, mut files: BTreeMap<String, String>) -> Result<Plan> {
        let before = files.clone();
        let mut report = Vec::new();
        for (declared, name, text) in self.needed {
            if !files.values().any(|text| text.lines().any(|line| line.trim_end() == declared)) {
                report.push(format!("{name}: added whole"));
                files.insert(name.to_owned(), text);
            }
        }
        for Generation { file, frame, source, entries } in self.parts {
            let old = files.get(&file).map(String::as_str);
            let merged = merge::merge(old, &frame, &source, entries).with_context(|| format!("`{file}`"))?;
            let news = merged.changes.iter().filter(|change| change.is_news());
            report.extend(news.map(|change| say(&file, change)));
            files.insert(file, merged.text);
        }
        report.extend(self.skipped);
        let is_other = |(name, text): &(&String, &String)| before.get(*name) != Some(*text);
        let changed = files.iter().filter(is_other).map(|(name, _)| name.clone()).collect();
        Ok(Plan { files, changed, report })
    }
}

impl Plan {
    /// Writes the files that change.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        for name in &self.changed {
            let path = folder.join(name);
            let text = self.files.get(name).map(String::as_str).unwrap_or_default();
            std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        Ok(())
    }
}

/// The files of the folder; none when it is not there yet.
fn existing(folder: &Path) -> Result<BTreeMap<String, String>> {
    if !folder.exists() || std::fs::read_dir(folder)?.next().is_none() {
        return Ok(BTreeMap::new());
    }
    if !folder.is_dir() {
        bail!("`{}` is no folder", folder.display());
    }
    Ok(crate::directory::read(folder)?)
}

fn say(file: &str, change: &Change) -> String {
    let (what, key) = match change {
        Change::Added(key) => ("added", key),
        Change::Updated(key) => ("updated", key),
        Change::Kept(key) => ("kept as edited", key),
        Change::Outdated(key, _) => ("kept as edited, though the document changed", key),
        Change::Gone(key) => ("no longer in the document, kept", key),
        Change::Same(key) => ("unchanged", key),
    };
    match change {
        Change::Outdated(_, text) => {
            let would: String = text.lines().map(|line| format!("\n    {line}")).collect();
            format!("{file}: {what}: {key}; it would be{would}")
        }
        _ => format!("{file}: {what}: {key}"),
    }
}
