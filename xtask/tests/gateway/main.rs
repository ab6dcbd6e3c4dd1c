//! The filter in a real Envoy, with a real approval service and a real upstream.
//!
//! All tests share the servers of one [`world::World`] and run side by side: each has paths of its own.

mod abuse;
mod bodies;
mod delegation;
mod differential;
mod faults;
mod graphql;
mod grpc;
mod holds;
mod http2;
mod identities;
mod loading;
mod mcp;
mod meddler;
mod metrics;
mod people;
mod raw;
mod reading;
mod reloadable;
mod rows;
mod scene;
mod service;
mod soak;
mod starter;
mod terminal;
mod tokens;
mod trapping;
mod uploads;
mod upstreams;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use world::World;

/// Most tests wait for people: the machine has time for all of them at once.
const AT_ONCE: usize = 32;

/// Makes a trial of an asynchronous test.
struct Trials {
    runtime: Arc<Runtime>,
    /// Started by the first test that runs.
    world: Arc<OnceCell<World>>,
    list: Vec<Trial>,
}

impl Trials {
    fn add(
        &mut self,
        name: impl Into<String>,
        test: impl AsyncFnOnce(&World) -> Result<()> + Send + 'static,
    ) {
        let trial = self.trial(name, test);
        self.list.push(trial);
    }

    /// One that runs only when it is asked for.
    fn add_ignored(
        &mut self,
        name: impl Into<String>,
        test: impl AsyncFnOnce(&World) -> Result<()> + Send + 'static,
    ) {
        let trial = self.trial(name, test).with_ignored_flag(true);
        self.list.push(trial);
    }

    fn trial(
        &self,
        name: impl Into<String>,
        test: impl AsyncFnOnce(&World) -> Result<()> + Send + 'static,
    ) -> Trial {
        let (runtime, world) = (Arc::clone(&self.runtime), Arc::clone(&self.world));
        let run = move || {
            let done = runtime.block_on(async { test(world.get_or_try_init(World::start).await?).await });
            done.map_err(|error| format!("{error:#}").into())
        };
        Trial::test(name, run)
    }
}

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let runtime = Arc::new(Runtime::new()?);
    let world = Arc::new(OnceCell::new());
    let mut trials = Trials { runtime: Arc::clone(&runtime), world: Arc::clone(&world), list: Vec::new() };
    rows::add(&mut trials)?;
    holds::add(&mut trials);
    bodies::add(&mut trials);
    people::add(&mut trials);
    service::add(&mut trials);
    terminal::add(&mut trials);
    identities::add(&mut trials);
    tokens::add(&mut trials);
    delegation::add(&mut trials);
    abuse::add(&mut trials);
    starter::add(&mut trials);
    faults::add(&mut trials)?;
    soak::add(&mut trials);
    loading::add(&mut trials);
    metrics::add(&mut trials);
    differential::add(&mut trials);
    reading::add(&mut trials);
    uploads::add(&mut trials);
    mcp::add(&mut trials);
    grpc::add(&mut trials);
    graphql::add(&mut trials);
    let conclusion = libtest_mimic::run(&arguments, trials.list);
    if let Some(world) = Arc::into_inner(world).and_then(OnceCell::into_inner) {
        runtime.block_on(world.stop(conclusion.has_failed()))?;
    }
    Ok(conclusion.exit_code())
}
