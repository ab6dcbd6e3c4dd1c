//! A PostgreSQL of its own, and the tests of the approval service on it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use tempfile::TempDir;

use crate::packages;
use crate::soak::SEED;
use crate::workspace::{Workspace, output, run};

/// Where Debian keeps what runs a server: a folder for each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// As root the server runs as this user, whom Debian's package makes; it refuses root.
const USER: &str = "postgres";
/// What Ctrl-C ends a program with, as a shell would say it.
const INTERRUPTED: i32 = 130;
/// How often the tests play what is left to chance.
const ROUNDS: &str = "COUNTERSIGN_ROUNDS";

/// The one that runs, if one does.
static RUNNING: Mutex<Option<Cluster>> = Mutex::new(None);

/// What tests have to know of it.
type Environment = [(&'static str, String); 2];

/// A server in a temporary folder, for this machine only.
struct Cluster {
    programs: PathBuf,
    folder: TempDir,
    as_root: bool,
    port: u16,
}

/// What is killed and what races: the tests whose rounds can be more.
const FIRE: [&str; 2] = ["killed", "races"];
/// All that restarts no server. What tests measured is shown, and what chance chose.
const ALL: [&str; 4] = ["--include-ignored", "--show-output", "--skip", "restarted"];
/// What restarts the server would trip all others, so it comes alone, one after the other.
const RESTARTED: [&str; 4] = ["--ignored", "--show-output", "--test-threads=1", "restarted"];

/// Runs the tests of the approval service on a PostgreSQL that is there for nothing else.
///
/// # Errors
/// When PostgreSQL cannot be had or started, or a test fails.
pub fn test(workspace: &Workspace) -> Result<()> {
    on_cluster(|environment| {
        for words in [&ALL[..], &RESTARTED] {
            run(tests(workspace, words).envs(environment.clone()))?;
        }
        Ok(())
    })
}

/// Plays that many rounds of kills and races of the approval service, on SQLite and on a PostgreSQL that is there for
/// nothing else and is restarted now and then.
///
/// # Errors
/// As [`test`].
pub fn soak(workspace: &Workspace, rounds: usize, seed: u64) -> Result<()> {
    let tests = |words: &[&str]| {
        let mut tests = tests(workspace, words);
        tests.arg("--nocapture").env(ROUNDS, rounds.to_string()).env(SEED, seed.to_string());
        tests
    };
    run(&mut tests(&FIRE))?;
    on_cluster(|environment| {
        run(tests(&FIRE).envs(environment.clone()))?;
        run(tests(&RESTARTED).envs(environment.clone()))
    })
}

fn tests(workspace: &Workspace, words: &[&str]) -> Command {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--quiet", "--workspace", "--test", "it", "--"]).args(words);
    cargo
}

/// Works with the address of a PostgreSQL that is there for nothing else.
///
/// # Errors
/// When PostgreSQL cannot be had or started, or the work fails.
pub fn with<T>(work: impl FnOnce(&str) -> Result<T>) -> Result<T> {
    on_cluster(|[(_, address), _]| work(address))
}

fn on_cluster<T>(work: impl FnOnce(&Environment) -> Result<T>) -> Result<T> {
    packages::require_postgres()?;
    stop_when_interrupted();
    let cluster = Cluster::start()?;
    let environment = cluster.environment();
    *running() = Some(cluster);
    let worked = work(&environment);
    stop(&mut running()).and(worked)
}

/// Stops the one that runs. Whoever else wants to must wait, with the guard that this is done under.
fn stop(running: &mut Option<Cluster>) -> Result<()> {
    running.take().map_or(Ok(()), Cluster::stop)
}

fn running() -> MutexGuard<'static, Option<Cluster>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server is no process of this terminal: Ctrl-C reaches the tests, but not it.
fn stop_when_interrupted() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                let mut running = running();
                if let Err(error) = stop(&mut running) {
                    eprintln!("error: {error:#}");
                }
                exit(INTERRUPTED);
            }
        });
    });
}

impl Cluster {
    fn start() -> Result<Self> {
        let as_root = output(Command::new("id").arg("-u"))?.trim() == "0";
        let folder = tempfile::Builder::new().prefix("countersign-postgres-").tempdir()?;
        if as_root {
            run(Command::new("chown").arg(USER).arg(folder.path()))?;
        }
        // Free at this moment.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let cluster = Self { programs: newest(Path::new(VERSIONS))?, folder, as_root, port };
        let mut init = cluster.command("initdb");
        init.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync"]);
        output(init.arg("--pgdata").arg(cluster.data()))?;
        cluster.configure()?;
        output(&mut cluster.pg_ctl(&["start", "--wait", "--silent"])).with_context(|| cluster.log())?;
        Ok(cluster)
    }

    /// In its file, so that a restart finds it too.
    fn configure(&self) -> Result<()> {
        // What is played is the end of processes, after which the system still has what they wrote.
        let settings = "unix_socket_directories = ''\nmax_connections = 300\nfsync = off\n";
        let settings = format!("listen_addresses = '127.0.0.1'\nport = {}\n{settings}", self.port);
        let file = self.data().join("postgresql.auto.conf");
        fs::write(&file, settings).with_context(|| format!("cannot write `{}`", file.display()))
    }

    fn stop(self) -> Result<()> {
        output(&mut self.pg_ctl(&["stop", "--wait", "--silent", "--mode=immediate"])).map(drop)
    }

    /// What tests have to know: the server's address, and the command line behind which `restart` and the like go.
    fn environment(&self) -> Environment {
        let address = format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port);
        [("COUNTERSIGN_TEST_POSTGRES", address), ("COUNTERSIGN_TEST_POSTGRES_CONTROL", self.control())]
    }

    fn control(&self) -> String {
        let command = self.pg_ctl(&[]);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    fn pg_ctl(&self, words: &[&str]) -> Command {
        let mut command = self.command("pg_ctl");
        command.arg("--pgdata").arg(self.data()).arg("--log").arg(self.log_file()).args(words);
        command
    }

    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if self.as_root {
            let mut command = Command::new("runuser");
            command.args(["-u", USER, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

/// The programs of the newest version that is installed.
fn newest(versions: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(versions).with_context(|| format!("cannot read `{}`", versions.display()))?;
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let newest = numbers.filter(|number| versions.join(number.to_string()).join("bin/initdb").exists()).max();
    let newest = newest.ok_or_else(|| anyhow!("there is no server under `{}`", versions.display()))?;
    Ok(versions.join(newest.to_string()).join("bin"))
}
