//! The example's data: its cases, its people, and its policies as a bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use walkdir::WalkDir;

use crate::workspace::Workspace;

/// The folder of the example.
#[derive(Debug, Clone)]
pub struct Example(PathBuf);

/// One call, and what must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the caller does, in words.
    pub name: String,
    /// Who calls; nobody when absent.
    pub agent: Option<String>,
    /// What is sent.
    pub call: Call,
    /// What must come of it.
    pub expect: Expected,
}

/// What is sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// Raw, with its query.
    pub path: String,
    /// Why the caller says it does this.
    pub justification: Option<String>,
    /// JSON, sent as it is written here, without spaces.
    pub body: Option<Value>,
}

/// What must come of a call.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Expected {
    /// Nobody is asked.
    Allowed {
        /// The policy that decided.
        policy: String,
        /// The upstream's status.
        status: u16,
    },
    /// People are asked, and enough of them say yes.
    Held {
        /// The policy that asks.
        gate: String,
        /// What an approver must read in the question, by JSON pointer (RFC 6901).
        #[serde(default)]
        shown: BTreeMap<String, Value>,
        /// Whose yes must not count, tried before the others.
        #[serde(default)]
        refused: Vec<RefusedAnswer>,
        /// Who says yes, in order.
        approvals: Vec<String>,
        /// The upstream's status.
        status: u16,
    },
    /// Nobody is asked and nothing is forwarded.
    Denied {
        /// The filter's status.
        status: u16,
        /// The problem's `code`.
        code: String,
        /// The policy that decided, when one did.
        policy: Option<String>,
    },
}

/// A yes that must not count.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedAnswer {
    /// Who tries.
    pub person: String,
    /// How they logged in.
    #[serde(default)]
    pub factor: Factor,
    /// The problem's `code`.
    pub code: String,
}

/// How somebody logs in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// With the password alone.
    Password,
    /// With the second factor as well.
    #[default]
    Totp,
}

/// Somebody with an account at the approval service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// What they log in with.
    pub name: String,
    /// Where they belong.
    pub groups: Vec<String>,
}

/// When an environment may be changed, relative to now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    opens_in_minutes: i64,
    closes_in_minutes: i64,
}

impl Example {
    /// The deployment agent.
    #[must_use]
    pub fn of(workspace: &Workspace) -> Self {
        Self(workspace.root().join("examples/deploy-agent"))
    }

    /// The calls, in the order in which they are shown.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn cases(&self) -> Result<Vec<Case>> {
        read(&self.0.join("cases.json"))
    }

    /// Who has an account.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn people(&self) -> Result<Vec<Person>> {
        read(&self.0.join("people.json"))
    }

    /// The files of the bundle; each environment's window is set relative to `now` (Unix, milliseconds).
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn files(&self, now: i64) -> Result<BTreeMap<String, String>> {
        let mut files = files(&self.0.join("policies"))?;
        let windows: BTreeMap<String, Window> = read(&self.0.join("windows.json"))?;
        let entities = files.get_mut("entities.json").context("the example has no entities")?;
        let mut list: Vec<Value> = serde_json::from_str(entities)?;
        for entity in &mut list {
            let name = entity.pointer("/uid/id").and_then(Value::as_str).unwrap_or_default();
            let environment = entity.pointer("/uid/type") == Some(&json!("Deploy::Environment"));
            let window = windows.get(name).filter(|_| environment);
            if let (Some(window), Some(attributes)) = (window, attributes(entity)) {
                let record = json!({
                    "opens": datetime(now, window.opens_in_minutes),
                    "closes": datetime(now, window.closes_in_minutes),
                });
                attributes.insert("window".into(), record);
            }
        }
        *entities = serde_json::to_string_pretty(&list)?;
        Ok(files)
    }
}

fn attributes(entity: &mut Value) -> Option<&mut Map<String, Value>> {
    entity.get_mut("attrs")?.as_object_mut()
}

/// A Cedar `datetime`, counted from the Unix epoch, which needs no calendar.
fn datetime(now: i64, minutes: i64) -> Value {
    let then = now.saturating_add(minutes.saturating_mul(60_000));
    let epoch = json!({ "__extn": { "fn": "datetime", "arg": "1970-01-01" } });
    let duration = json!({ "__extn": { "fn": "duration", "arg": format!("{then}ms") } });
    json!({ "__extn": { "fn": "offset", "args": [epoch, duration] } })
}

/// The files of a bundle: all in `folder` that are no prose, by their path in it.
///
/// # Errors
/// When one cannot be read.
pub fn files(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in WalkDir::new(folder) {
        let entry = entry?;
        let prose = entry.path().extension().is_some_and(|extension| extension == "md");
        if entry.file_type().is_file() && !prose {
            let path = entry.path().strip_prefix(folder)?.to_string_lossy().replace('\\', "/");
            files.insert(path, std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(files)
}

/// The bundle of these files.
#[must_use]
pub fn bundle(files: &BTreeMap<String, String>) -> Value {
    json!({ "v": 1, "files": files })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}
