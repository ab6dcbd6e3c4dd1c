//! The system packages that Envoy's installation needs beyond Rust: listed, and installed where that is safe.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::workspace::{output, run};

/// What must run, and the Debian package that brings it.
type Needed = (&'static [&'static str], &'static str);

/// What Envoy's installation needs.
const NEEDED: [Needed; 2] =
    [(&["python3", "--version"], "python3"), (&["python3", "-c", "import ensurepip, venv"], "python3-venv")];

/// What is needed, in words, for a help text.
#[must_use]
pub fn help() -> String {
    let names = NEEDED.map(|(_, package)| package).join(", ");
    format!("Needs these Debian packages, and installs them when run as root: {names}.")
}

/// Makes sure that all packages are there: installs them as root on a Debian-like system (a container, CI).
///
/// # Errors
/// Elsewhere, when one is missing: with the command that installs it.
pub fn require() -> Result<()> {
    install(&NEEDED)
}

/// Makes sure, as [`require`] does, that all is there that the gateway tests need besides.
///
/// # Errors
/// As [`require`].
pub fn require_for_tests() -> Result<()> {
    // One sets the clock of one of two programs, to show what comes of two that differ; the next brings `promtool`; two
    // run an official SDK of the Model Context Protocol and a provider to log in at; the last brings Chromium along.
    let more: [Needed; 5] = [
        (&["faketime", "--version"], "faketime"),
        (&["promtool", "--version"], "prometheus"),
        (&["node", "--version"], "nodejs"),
        (&["npm", "--version"], "npm"),
        (&["chromedriver", "--version"], "chromium-driver"),
    ];
    install(&[&NEEDED[..], &more].concat())
}

/// Makes sure, as [`require`] does, that the approval service can be built as a static binary.
///
/// # Errors
/// As [`require`].
pub fn require_musl() -> Result<()> {
    install(&[(&["musl-gcc", "--version"], "musl-tools")])
}

/// Makes sure, as [`require`] does, that the benchmark's load generator is there.
///
/// # Errors
/// As [`require`].
pub fn require_load() -> Result<()> {
    // Asked for its version it fails.
    install(&[(&["sh", "-c", "command -v wrk"], "wrk")])
}

/// Makes sure, as [`require`] does, that a PostgreSQL can be started, and a program with another clock.
///
/// # Errors
/// As [`require`].
pub fn require_postgres() -> Result<()> {
    // A server's programs are in no search path.
    let server = &["sh", "-c", "ls /usr/lib/postgresql/*/bin/initdb"];
    install(&[(server, "postgresql"), (&["faketime", "--version"], "faketime")])
}

fn install(needed: &[Needed]) -> Result<()> {
    let missing: Vec<_> =
        needed.iter().filter(|(probe, _)| !runs(probe)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !Path::new("/etc/debian_version").exists() || output(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!("missing: {}. On Debian: sudo apt-get install {}", missing.join(", "), missing.join(" "));
    }
    println!("installing {}", missing.join(", "));
    run(Command::new("apt-get").arg("update"))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends"]).args(missing);
    run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn runs(probe: &[&str]) -> bool {
    let Some((program, words)) = probe.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
