//! The approval service's interface against its own OpenAPI document: what the document allows and what it forbids is
//! sent by `schemathesis`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::alone::Alone;
use crate::packages;
use crate::workspace::{Workspace, output, run};

/// The tool, as its registry publishes it.
const PIP: &str = "schemathesis==4.32.5";
/// Polls last no longer than it takes to see that they do.
const OPTIONS: [&str; 2] = ["--longest-poll", "50ms"];
/// Requests of each kind for each operation; the same ones each time.
const EFFORT: [&str; 6] = ["--max-examples", "40", "--seed", "1", "--checks", "all"];

/// Lets `schemathesis` try every operation.
///
/// # Errors
/// When it finds something, or cannot be installed.
pub fn test(workspace: &Workspace) -> Result<()> {
    packages::require()?;
    let tool = install(workspace)?;
    let servers = ["build", "--quiet", "--workspace", "--bin", "countersign-approvals"];
    run(workspace.cargo().args(servers))?;
    let folder = tempfile::tempdir()?;
    let binary = workspace.target("debug").join("countersign-approvals");
    let runtime = tokio::runtime::Runtime::new()?;
    let service = runtime.block_on(Alone::start(&binary, folder.path(), None, &OPTIONS))?;
    let (ticket, _) = runtime.block_on(service.ask(1, 1, 2))?;
    let config = folder.path().join("schemathesis.toml");
    // There is such a request, and there are such people until somebody removes them.
    let parameters = [("ticket", ticket.as_str()), ("subject", "ada"), ("group", "sre")];
    let parameters = parameters.map(|(name, value)| format!("\"path.{name}\" = \"{value}\"\n"));
    std::fs::write(&config, format!("[parameters]\n{}", parameters.concat()))?;
    let check = |credential: &str, words: &[&str]| {
        let mut check = Command::new(&tool);
        check.arg("--config-file").arg(&config).arg("run").arg(format!("{}/v1/openapi.json", service.url));
        check.args(EFFORT).args(words).arg("--header").arg(format!("Authorization: Bearer {credential}"));
        run(check.current_dir(folder.path()))
    };
    // Lines of evidence are strings to the document, and not every string is a record; a question that is malformed
    // answers for itself in a reply that takes the others; and the tool cannot write the media type that evidence comes
    // in on its own.
    let checks = "positive_data_acceptance,negative_data_rejection";
    let gateways =
        ["--include-tag", "gateways", "--exclude-path", "/v1/evidence", "--exclude-checks", checks];
    check(&service.gateway, &gateways)?;
    // What changes until nobody hears of it is no reply.
    let people = ["--exclude-tag", "gateways", "--exclude-path", "/v1/live"];
    check(&service.token, &people)?;
    // Somebody in person, who has proven a second factor, does more than any token; who has logged out does not.
    let session = runtime.block_on(service.session(30))?;
    check(&session, &[&people[..], &["--exclude-operation-id", "log_out"]].concat())
}

fn install(workspace: &Workspace) -> Result<PathBuf> {
    let (folder, marker) = (workspace.target("schemathesis-venv"), "installed");
    if std::fs::read_to_string(folder.join(marker)).unwrap_or_default() != PIP {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PIP];
        output(Command::new(folder.join("bin/python")).args(words))?;
        std::fs::write(folder.join(marker), PIP)?;
    }
    Ok(folder.join("bin/schemathesis"))
}
