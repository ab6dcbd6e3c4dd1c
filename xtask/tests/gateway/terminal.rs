//! `countersign approvals`: people who answer from a terminal.

use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use countersign_protocol::Hash;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use xtask::stack::approvals::AUDITOR;
use xtask::stack::login::Login;
use xtask::workspace::Workspace;

use crate::Trials;
use crate::world::{World, edited, write};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("terminal: seen, approved and rejected by hand", answered);
    trials.add("terminal: each request is seen as it comes", watched);
    trials.add("terminal: an auditor renders again what was answered to", audited);
    trials.add("terminal: one opens a gate alone", opened_alone);
}

/// Somebody's terminal, logged in as them.
struct Terminal {
    program: std::path::PathBuf,
    url: String,
    home: tempfile::TempDir,
}

impl Terminal {
    async fn of(world: &World, person: &str) -> Result<Self> {
        Self::by(world, person, world.stack.approvals.login(person)?).await
    }

    async fn by(world: &World, person: &str, login: &Login) -> Result<Self> {
        let program = Workspace::find()?.target("debug").join("countersign");
        let url = format!("http://{}", world.stack.approvals.address());
        let terminal = Self { program, url, home: tempfile::tempdir()? };
        terminal.said(&["login", person], &login.password).await?;
        Ok(terminal)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["approvals", "--url", &self.url]).args(words).kill_on_drop(true);
        command.env("XDG_STATE_HOME", self.home.path()).env_remove("COUNTERSIGN_TOKEN");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, words: &[&str], input: &str) -> Result<Output> {
        let mut child = self.command(words).spawn()?;
        child.stdin.take().context("no input")?.write_all(input.as_bytes()).await?;
        Ok(child.wait_with_output().await?)
    }

    async fn said(&self, words: &[&str], input: &str) -> Result<String> {
        let Output { status, stdout, stderr } = self.run(words, input).await?;
        ensure!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
        Ok(String::from_utf8(stdout)?)
    }

    /// What it says when it refuses.
    async fn refused(&self, words: &[&str]) -> Result<String> {
        let Output { status, stderr, .. } = self.run(words, "").await?;
        ensure!(!status.success(), "{words:?} is not refused");
        Ok(String::from_utf8(stderr)?)
    }
}

fn mode(path: &Path) -> Result<u32> {
    Ok(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path)?.permissions()) & 0o777)
}

async fn answered(world: &World) -> Result<()> {
    let ben = Terminal::of(world, "ben").await?;
    ensure!(mode(&ben.home.path().join("countersign/session"))? == 0o600, "others may read the session");
    let request = world.rotation("by-hand")?;
    let call = world.send(&request);
    let ticket = world.stack.approvals.pending(request.path()).await?;
    let short = ticket.id().get(..20).context("a short ticket")?;
    ensure!(ben.said(&["ls"], "").await?.contains(request.path()), "it is not listed");
    let shown = ben.said(&["show", short], "").await?;
    ensure!(
        shown.contains("by-hand is due") && shown.contains("! not bound"),
        "it is not shown whole: {shown}"
    );
    let hash = shown.lines().last().and_then(|line| line.strip_prefix("shown ")).context("no hash")?;
    let asked = ben.refused(&["approve", short]).await?;
    ensure!(asked.contains("--shown"), "nobody is there to say yes: {asked}");
    let other = ben.refused(&["approve", short, "--shown", &"0".repeat(64)]).await?;
    ensure!(other.contains("other_shown"), "something else was shown: {other}");
    let said = ben.said(&["approve", short, "--shown", hash], "").await?;
    ensure!(said.contains("approved"), "{said}");
    ensure!(call.await??.status == 201, "not released");
    world.stage().arrived_once(&request).await?;

    let request = world.rotation("not-by-hand")?;
    let call = world.send(&request);
    let ticket = world.stack.approvals.pending(request.path()).await?;
    ben.said(&["reject", ticket.id(), "not during the freeze"], "").await?;
    let answer = call.await??;
    ensure!(answer.code() == "rejected" && answer.detail().contains("freeze"), "{}", answer.body);
    let late = ben.refused(&["approve", ticket.id(), "--shown", hash]).await?;
    ensure!(late.contains("other_shown") || late.contains("already"), "{late}");
    ben.said(&["logout"], "").await?;
    ensure!(ben.refused(&["ls"]).await?.contains("login"), "the session goes on");
    Ok(())
}

async fn watched(world: &World) -> Result<()> {
    let cleo = Terminal::of(world, "cleo").await?;
    let mut watch = cleo.command(&["watch", "--json"]).spawn()?;
    let mut lines = BufReader::new(watch.stdout.take().context("no output")?).lines();
    let request = world.rotation("watched")?;
    let call = world.send(&request);
    let ticket = world.stack.approvals.pending(request.path()).await?;
    let seen = tokio::time::timeout(xtask::stack::PATIENCE, async {
        while let Some(line) = lines.next_line().await? {
            let line: Value = serde_json::from_str(&line)?;
            if line.get("ticket").and_then(Value::as_str) == Some(ticket.id()) {
                return Ok::<_, anyhow::Error>(());
            }
        }
        anyhow::bail!("the watch has ended")
    });
    seen.await.context("it is not seen")??;
    watch.kill().await?;
    world.answer(&ticket, "cleo", "reject", "seen").await?;
    ensure!(call.await??.code() == "rejected", "it went on");
    Ok(())
}

/// Evidence and question of one request, and what the answer was to: three commands, the last of them without a service.
async fn audited(world: &World) -> Result<()> {
    let ben = Terminal::of(world, "ben").await?;
    let request = world.rotation("audited")?;
    let call = world.send(&request);
    let ticket = world.stack.approvals.pending(request.path()).await?;
    let shown = ben.said(&["show", ticket.id(), "--full"], "").await?;
    let hash = shown.lines().last().and_then(|line| line.strip_prefix("shown ")).context("no hash")?;
    let yes = ["approve", ticket.id(), "--shown", hash, "--reason", "it is due", "--within", "1m"];
    ben.said(&yes, "").await?;
    ensure!(call.await??.status == 201, "not released");
    ensure!(ben.refused(&["evidence", ticket.id()]).await?.contains("not_an_auditor"), "ben reads it");

    let auditor = Terminal::of(world, AUDITOR).await?;
    let records = auditor.said(&["evidence", ticket.id()], "").await?;
    ensure!(records.contains("\"use_within_ms\":60000"), "the yes was for a minute: {records}");
    let question = auditor.said(&["show", ticket.id(), "--question"], "").await?;
    let folder = auditor.home.path();
    let (kept, changed) =
        (write(folder, "question", &question)?, write(folder, "changed", &format!("{question} "))?);
    let records = write(folder, "records", &records)?;
    let Output { status, stdout, stderr } =
        auditor.run(&["render", &kept, "--answers", &records], "").await?;
    let said = String::from_utf8(stderr)?;
    ensure!(status.success() && said.contains("exactly this"), "nobody is named: {said}");
    ensure!(said.contains("ben at") && said.ends_with(": it is due\n"), "{said}");
    ensure!(Hash::of(&stdout).to_string() == hash, "something else was rendered");
    ensure!(shown.contains(std::str::from_utf8(&stdout)?), "ben saw something else");
    let other = auditor.refused(&["render", &changed, "--answers", &records]).await?;
    ensure!(other.contains("no answer in these records"), "{other}");
    Ok(())
}

/// Somebody of her own opens it: a code of the second factor counts once.
async fn opened_alone(world: &World) -> Result<()> {
    let approvals = &world.stack.approvals;
    let gates = ("@id(\"key-rotation\")", "@id(\"key-rotation\")\n@quorum(\"3\")\n@break_glass(\"sre\")");
    let files = edited(world.stack.files()?, "gates.cedar", gates.0, gates.1)?;
    let gateway = world.stack.gateway("opened-alone", &world.stack.configuration_of(&files)?).await?;
    let login = approvals.manage(&["user", "add", "gail", "--group", "sre"]).await?;
    let login: Login = serde_json::from_value(login)?;
    let gail = Terminal::by(world, "gail", &login).await?;
    let (request, address) = (world.rotation("opened-alone")?, gateway.address());
    let call = tokio::spawn({
        let request = request.clone();
        async move { request.send(address).await }
    });
    let ticket = approvals.pending(request.path()).await?;
    let alone =
        ["approve", ticket.id(), "--shown", ticket.shown(), "--break-glass", "--reason", "it has leaked"];
    let refused = gail.refused(&alone).await?;
    ensure!(refused.contains("second_factor_missing"), "{refused}");
    let code = login.code(0)?;
    let said = gail.said(&[&alone[..], &["--totp", &code]].concat(), "").await?;
    ensure!(said.contains("approved"), "{said}");
    ensure!(call.await??.status == 201, "not released");
    world.stage().arrived_once(&request).await?;
    gateway.stop().await
}
