//! Asks the filter, too, and keeps where it decides otherwise than core does here.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_host_test::Trial;
use countersign_host_test::approvals::Otherwise;
use countersign_protocol::recording::{Decision, Entry};
use serde::Serialize;

use crate::replay::{Options, Played, Setting, Stage, broken, word};

/// A request on which the filter decides otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// The entry.
    pub id: String,
    /// What core decides here.
    pub here: &'static str,
    /// What the filter decides.
    pub filter: &'static str,
}

/// A gateway with the filter, and what is to be compared with what comes of it.
pub struct Cross<'a> {
    setting: &'a Setting,
    stage: Option<Stage>,
    expected: BTreeMap<u64, Decision>,
    number: u64,
    /// Where the filter decides otherwise.
    pub disagreements: Vec<Disagreement>,
    /// What went wrong with filter or harness.
    pub faults: Vec<String>,
    /// Whether the filter trapped.
    pub trapped: bool,
}

impl<'a> Cross<'a> {
    /// No gateway yet: each recording begins in a new one.
    #[must_use]
    pub fn new(setting: &'a Setting) -> Self {
        Self {
            setting,
            stage: None,
            expected: BTreeMap::new(),
            number: 0,
            disagreements: Vec::new(),
            faults: Vec::new(),
            trapped: false,
        }
    }

    /// Plays an entry on which core decides `here`.
    ///
    /// # Errors
    /// The filter does not take its configuration.
    pub fn play(&mut self, entry: Entry, here: Decision) -> Result<(), Trial> {
        let stage = match &mut self.stage {
            Some(stage) => stage,
            None => {
                let at = Duration::from_millis(entry.ts.unsigned_abs());
                self.stage.insert(Stage::start(self.setting, &options(), at)?)
            }
        };
        self.expected.insert(self.number, here);
        let played = stage.play(self.number, entry);
        self.number += 1;
        self.compare(played);
        Ok(())
    }

    /// Lets the recording come to its end.
    pub fn finish(&mut self) {
        let Some(stage) = self.stage.take() else { return };
        let (played, ending) = stage.finish();
        self.compare(played);
        self.trapped |= !ending.traps.is_empty();
        self.faults.extend(ending.all());
    }

    fn compare(&mut self, played: Vec<Played>) {
        for played in played {
            let here = self.expected.remove(&played.number);
            let broken = broken(&played);
            if let Some(what) = broken.first().filter(|_| here == played.decision()) {
                self.faults.push(format!("`{}`: {what}", played.entry.id));
            }
            if here != played.decision() {
                let (here, filter) = (word(here), word(played.decision()));
                self.disagreements.push(Disagreement { id: played.entry.id.clone(), here, filter });
            }
        }
    }
}

/// Nobody has to be waited for: only the first decision matters.
fn options() -> Options {
    Options { otherwise: Otherwise::RejectAll, ..Options::default() }
}
