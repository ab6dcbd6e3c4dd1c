//! `cargo xtask bench`: how fast the filter is, what it costs and how many requests it holds, on a real Envoy,
//! in one run; writes `docs/performance.md`.

mod approvals;
mod cost;
mod extractors;
mod goals;
mod held;
mod inbox;
mod load;
pub(crate) mod machine;
mod page;
mod policies;
mod replay;
mod routes;
mod server;
mod speed;
mod stats;
mod variant;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::demo::Signals;
use crate::stack::Stack;
use crate::workspace::{Workspace, run as run_command};
use crate::{envoy, plugin};
use approvals::Service;
use cost::{Cost, Sizes};
use extractors::Extractor;
use goals::Goal;
use held::Held;
use inbox::Inbox;
use load::Tool;
use machine::{Machine, Processors};
use replay::Replays;
use routes::Lookup;
use speed::{Field, Plan, Speed};

/// The page that the figures go into.
const PAGE: &str = "docs/performance.md";

/// What is built as it is released, by kind: it is measured, or measures.
const MEASURED: [(&str, &[&str]); 3] = [
    ("--bin", &["countersign", "countersign-approvals", "deploy-agent"]),
    ("--test", &["browser", "it"]),
    ("--bench", &["routes", "extractors"]),
];

/// How the benchmark is run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// Short rounds and fewer held requests: for a look, not for the page
    #[arg(long)]
    quick: bool,
    /// Only the approval service and its inbox, printed
    #[arg(long)]
    service: bool,
    /// Prints all figures as one line of JSON at the end
    #[arg(long)]
    json: bool,
    /// Writes the page after a quick run as well
    #[arg(long)]
    write: bool,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    speed: Plan,
    /// Starts of each gateway with each number of workers.
    starts: usize,
    /// Requests that are held.
    held: usize,
    /// Requests that are replayed.
    replayed: u64,
}

const FULL: Scale =
    Scale { speed: Plan { rounds: 7, seconds: 5 }, starts: 5, held: 10_000, replayed: 1_000_000 };
const QUICK: Scale =
    Scale { speed: Plan { rounds: 3, seconds: 1 }, starts: 1, held: 1_000, replayed: 50_000 };

/// All that one run measured.
#[derive(Debug, Clone, Serialize)]
struct Figures {
    command: String,
    machine: Machine,
    plan: Plan,
    speed: Vec<Speed>,
    cost: Vec<Cost>,
    sizes: Sizes,
    held: Held,
    replay: Replays,
    routes: Vec<Lookup>,
    extractors: Vec<Extractor>,
    services: Vec<Service>,
    inbox: Inbox,
    goals: Vec<Goal>,
}

/// Measures, prints, and writes the page.
///
/// # Errors
/// When something does not build or start, or answers what it should not. A goal that is missed is a figure.
pub fn run(workspace: &Workspace, options: Options) -> Result<()> {
    if cfg!(not(target_os = "linux")) {
        bail!("the benchmark reads what Linux says of processes");
    }
    if options.service {
        return service(workspace, if options.quick { QUICK } else { FULL });
    }
    let tool = Tool::find()?;
    let floor = build(workspace)?;
    let (processors, files) = (Processors::share_out()?, machine::open_files()?);
    // Before the runtime makes threads: they are moved with the program.
    processors.step_aside()?;
    let scale = if options.quick { QUICK } else { FULL };
    let bench = Bench { workspace, floor, processors, files, tool, scale };
    let figures = Runtime::new()?.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            figures = bench.figures(options) => figures,
            // Dropping what was measured stops its servers.
            () = signals.any() => bail!("interrupted"),
        }
    })?;
    report(workspace, options, &figures)
}

/// Measures the approval service by itself, and prints what the page would say of it.
fn service(workspace: &Workspace, scale: Scale) -> Result<()> {
    build_released(workspace)?;
    let services = Runtime::new()?.block_on(approvals::measure(workspace, scale.held))?;
    println!("{}", approvals::render(&services));
    println!("{}", inbox::render(&inbox::measure(workspace)?));
    Ok(())
}

/// What the benchmark works with.
struct Bench<'a> {
    workspace: &'a Workspace,
    floor: PathBuf,
    processors: Processors,
    files: u64,
    tool: Tool,
    scale: Scale,
}

impl Bench<'_> {
    async fn figures(&self, options: Options) -> Result<Figures> {
        let stack = Stack::released(self.workspace).await?;
        let (floor, processors) = (self.floor.as_path(), &self.processors);
        let field = Field { stack: &stack, floor, processors, tool: self.tool };
        let speed = field.measure(self.scale.speed).await?;
        let cost = cost::measure(&stack, floor, processors, self.scale.starts).await?;
        stack.stop().await?;
        // A service that knows nothing of what came before.
        let stack = Arc::new(Stack::released(self.workspace).await?);
        let held = held::measure(&stack, processors, self.scale.held, self.files).await?;
        // From here on the gateway is idle.
        processors.come_back()?;
        let mut figures = Figures {
            command: format!("cargo xtask bench{}", if options.quick { " --quick" } else { "" }),
            machine: Machine::here(self.workspace, &self.processors, &self.tool.version())?,
            plan: self.scale.speed,
            speed,
            cost,
            sizes: Sizes::of(self.workspace, floor)?,
            held,
            replay: replay::measure(self.workspace, self.scale.replayed, &self.processors)?,
            routes: routes::measure(self.workspace)?,
            extractors: extractors::measure(self.workspace, stack.filter())?,
            services: approvals::measure(self.workspace, self.scale.held).await?,
            inbox: inbox::measure(self.workspace)?,
            goals: Vec::new(),
        };
        figures.goals = goals::all(&figures);
        Ok(figures)
    }
}

/// Builds all that is started, so that nothing compiles while something is measured; gives the empty filter.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    envoy::install(workspace)?;
    plugin::build(workspace)?;
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "--package",
        "countersign-floor",
        "--profile",
        "plugin",
        "--target",
        plugin::TARGET,
    ]);
    run_command(&mut cargo)?;
    build_released(workspace)?;
    Ok(workspace.target(plugin::TARGET).join("plugin/floor.wasm"))
}

/// Builds servers and measuring programs as they are released, in one go: parts of them mean other features, with which
/// everything they depend on would be compiled again.
fn build_released(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--workspace"]);
    let words = MEASURED.iter().flat_map(|(kind, names)| names.iter().flat_map(move |name| [kind, name]));
    run_command(cargo.args(words))
}

fn report(workspace: &Workspace, options: Options, figures: &Figures) -> Result<()> {
    let page = page::render(figures);
    println!("\n{page}");
    if options.write || !options.quick {
        std::fs::write(workspace.root().join(PAGE), page)?;
        println!("{PAGE} is written");
    }
    if options.json {
        println!("{}", serde_json::to_string(figures)?);
    }
    Ok(())
}
