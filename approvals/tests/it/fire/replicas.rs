//! The program, as processes of its own on one database; and how often what is left to chance is played.

use std::fs::OpenOptions;
use std::process::Command;

use countersign_approvals::Database;
use tempfile::TempDir;

use super::caller::Caller;
use crate::cli::{Serving, program, ready};
use crate::databases::{address, fresh};
use crate::harness::{open, prepare};

/// Rounds, unless `COUNTERSIGN_ROUNDS` says another number: `cargo xtask soak` does.
const ROUNDS: usize = 50;

pub(crate) fn rounds() -> usize {
    std::env::var("COUNTERSIGN_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// The choices of a test, all from a seed that it prints, or that `COUNTERSIGN_SEED` gives.
pub(crate) fn seeded() -> fastrand::Rng {
    let seed = std::env::var("COUNTERSIGN_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("COUNTERSIGN_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Where replicas keep what they keep.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) database: Database,
}

/// One running program. Dropping it kills it.
pub(crate) struct Replica {
    serving: Serving,
    pub(crate) caller: Caller,
}

impl Site {
    /// With the gateways and people that every test has.
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let database = fresh(&folder).await;
        let app = open(&folder, &database).await;
        prepare(&app).await;
        app.close().await;
        Self { folder, database }
    }

    /// What one replica is started with; what it says to people goes to a file beside its data.
    pub(crate) fn command(&self) -> Command {
        let folder = self.folder.path();
        let log = OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let options = ["--listen", "127.0.0.1:0", "--silent-after", "1s", "--most-per-minute", "1000000"];
        let mut program = program(&folder.join("data"), &options);
        program.args(["--most-open-per-principal", "10000"]);
        program.arg("--database").arg(address(&self.database)).stderr(log);
        program
    }

    pub(crate) fn start(&self) -> Replica {
        Replica::of(self.command())
    }

    pub(crate) fn pair(&self) -> [Replica; 2] {
        [self.start(), self.start()]
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Replica {
    /// Starts it, and waits until it can be spoken to.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut serving = Serving(command.spawn().unwrap());
        let ready = ready(&mut serving);
        Self { serving, caller: Caller::new(&ready) }
    }

    /// Waits until it has ended, and well.
    pub(crate) fn ends(&mut self) {
        assert!(self.serving.0.wait().unwrap().success());
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.serving.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }
}
