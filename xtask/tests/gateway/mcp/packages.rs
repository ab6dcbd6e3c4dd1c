//! The official SDKs, installed below `target/` as their registries publish them.

use std::path::PathBuf;
use std::process::Command as Plain;

use anyhow::Result;
use tokio::process::Command;
use tokio::sync::OnceCell;
use xtask::workspace::{Workspace, output, run};

/// The first line of the TypeScript SDK (up to 2025-11-25) with two of its past, each the last of its protocol version,
/// and the client of its second (2026-07-28).
const NPM: [&str; 5] = [
    "@modelcontextprotocol/sdk@1.32.2",
    "sdk-2025-03-26@npm:@modelcontextprotocol/sdk@1.12.3",
    "sdk-2025-06-18@npm:@modelcontextprotocol/sdk@1.23.0",
    "@modelcontextprotocol/client@2.4.0",
    "zod@4",
];

/// The Python SDK (all versions of the protocol), and the library that it signs tokens with.
const PIP: [&str; 2] = ["mcp==2.3.0", "pyjwt[crypto]==2.15.1"];

/// Where they are.
pub(crate) struct Packages {
    /// Node looks for packages beside its programs: they are copied there.
    node: PathBuf,
    python: PathBuf,
    programs: PathBuf,
}

static INSTALLED: OnceCell<Packages> = OnceCell::const_new();

impl Packages {
    /// Installs them, unless they are there.
    pub(crate) async fn install() -> Result<&'static Self> {
        INSTALLED.get_or_try_init(|| async { tokio::task::spawn_blocking(Self::load).await? }).await
    }

    fn load() -> Result<Self> {
        let workspace = Workspace::find()?;
        let programs = workspace.root().join("xtask/tests/gateway");
        let (node, python) = (workspace.target("mcp-node"), workspace.target("mcp-venv"));
        std::fs::create_dir_all(&node)?;
        let marker = node.join("installed");
        if std::fs::read_to_string(&marker).unwrap_or_default() != NPM.join(" ") {
            std::fs::write(node.join("package.json"), "{\"private\":true,\"type\":\"module\"}")?;
            let words = ["install", "--silent", "--no-audit", "--no-fund"];
            run(Plain::new("npm").args(words).args(NPM).current_dir(&node))?;
            std::fs::write(&marker, NPM.join(" "))?;
        }
        for program in ["client.mjs", "server.mjs"] {
            std::fs::copy(programs.join("mcp").join(program), node.join(program))?;
        }
        let marker = python.join("installed");
        if std::fs::read_to_string(&marker).unwrap_or_default() != PIP.join(" ") {
            run(Plain::new("python3").args(["-m", "venv", "--clear"]).arg(&python))?;
            let words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            output(Plain::new(python.join("bin/python")).args(words).args(PIP))?;
            std::fs::write(&marker, PIP.join(" "))?;
        }
        Ok(Self { node, python, programs })
    }

    pub(super) fn node(&self, program: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(self.node.join(program));
        command
    }

    pub(super) fn python(&self, program: &str) -> Command {
        self.python_of("mcp", program)
    }

    /// A program of a folder beside this one.
    pub(crate) fn python_of(&self, folder: &str, program: &str) -> Command {
        let mut command = Command::new(self.python.join("bin/python"));
        command.arg(self.programs.join(folder).join(program));
        command
    }
}
