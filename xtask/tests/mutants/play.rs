//! Replays the examples' recordings with one mutant on.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use countersign_cli::directory;
use countersign_cli::replay::{Options, Plan, Setting, Tally, run};
use xtask::workspace::Workspace;

/// The examples whose recordings are replayed, each with its folder's policies and configuration.
const EXAMPLES: [&str; 2] = ["examples/guards", "examples/deploy-agent"];

/// What is replayed with every mutant.
pub(super) struct Corpus(Vec<(Setting, PathBuf)>);

/// What came of a mutant.
pub(super) enum Played {
    /// Something was found.
    Caught(Found),
    /// Everything was as it must be.
    Survived,
}

/// The first thing that was found, and where.
pub(super) struct Found {
    /// The entry, when it is about one.
    entry: Option<String>,
    /// What is not as it must be.
    what: String,
    /// How many entries are not as they must be.
    entries: u64,
}

impl Corpus {
    /// Compiles the filter once, for all examples.
    pub(super) fn read(workspace: &Workspace, filter: &Path) -> Result<Self> {
        let filter = Setting::filter(filter)?;
        let example = |name: &&str| {
            let folder = workspace.root().join(name);
            let bundle = directory::bundle(&folder.join("policies"))?;
            let configuration = folder.join("configuration.json");
            let setting = Setting::with_filter(filter.clone(), &bundle, Some(&configuration))?;
            Ok((setting, folder.join("recording.jsonl")))
        };
        EXAMPLES.iter().map(example).collect::<Result<_>>().map(Self)
    }

    /// Replays one example after the other until something is found; `switch` is the plugin's name.
    pub(super) fn play(&self, switch: &str) -> Result<Played> {
        for (setting, recording) in &self.0 {
            let plan = Plan {
                recordings: vec![recording.clone()],
                options: Options { name: switch.into(), ..Options::default() },
                jobs: 1,
                tally: Tally::default(),
            };
            let (_, tally) =
                run(setting, &plan, &mut |_| ()).with_context(|| recording.display().to_string())?;
            if !tally.is_clean() {
                return Ok(Played::Caught(Found::of(&tally)));
            }
        }
        Ok(Played::Survived)
    }
}

impl Found {
    fn of(tally: &Tally) -> Self {
        let failure = tally.failures.first();
        let finding = failure.and_then(|failure| failure.findings.first()).map(ToString::to_string);
        Self {
            entry: failure.map(|failure| failure.id.clone()),
            what: finding.or_else(|| tally.faults.first().cloned()).unwrap_or_default(),
            entries: tally.failing,
        }
    }
}

impl Display for Found {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.entry {
            Some(entry) => write!(f, "`{entry}`: {}", self.what)?,
            None => f.write_str(&self.what)?,
        }
        match self.entries {
            0 | 1 => Ok(()),
            more => write!(f, " (and in {} more)", more - 1),
        }
    }
}
