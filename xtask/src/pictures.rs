//! `cargo xtask pictures`: the pictures of the inbox in the documentation, taken by the browser tests.

use anyhow::{Context as _, Result};

use crate::workspace::{Workspace, run as run_command};

/// Which of the tests' pictures the documentation shows, and as what.
const SHOWN: [(&str, &str); 3] = [
    ("tool-1440-light", "docs/inbox.png"),
    ("queue-full-1440-dark", "docs/inbox-queue.png"),
    ("hostile-390-light", "docs/inbox-phone.png"),
];

/// Takes all pictures anew, and puts some of them into the documentation.
///
/// # Errors
/// When a page is not as it must be, or a picture cannot be written.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--package", "countersign-approvals", "--test", "browser", "--"]);
    run_command(cargo.args(["--ignored", "looks"]))?;
    for (name, shown) in SHOWN {
        let from = workspace.target("screenshots").join(format!("{name}.png"));
        std::fs::copy(&from, workspace.root().join(shown))
            .with_context(|| format!("no {}", from.display()))?;
        println!("{shown}");
    }
    Ok(())
}
