//! The approval service by itself: how many questions and answers a second, and how soon a waiter knows.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::alone::Alone;
use crate::postgres;
use crate::workspace::Workspace;

/// Callers at a time.
const CALLERS: usize = 32;
/// Polls that wait: as many as a gateway of that many workers has.
const WAITERS: u128 = 64;

/// What one database makes of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Service {
    database: &'static str,
    /// Questions a second, each a call of its own.
    creates: f64,
    /// Approvals a second.
    answers: f64,
    /// Requests that were open and waited for at once.
    open: usize,
    /// Memory of the process then, bytes, and before any was open.
    memory: u64,
    empty: u64,
    /// From sending the answer until a waiter has it, milliseconds: median and 99th percentile.
    median: f64,
    late: f64,
}

/// Measures on both databases, with the released program.
///
/// # Errors
/// When something does not start, or answers what it should not.
pub(super) async fn measure(workspace: &Workspace, open: usize) -> Result<Vec<Service>> {
    let binary = workspace.target("release").join("countersign-approvals");
    let sqlite = on("SQLite", &binary, None, open).await?;
    // On a thread of its own: what starts and stops a server waits for both.
    let runtime = Handle::current();
    let measured = tokio::task::spawn_blocking(move || {
        postgres::with(|address| runtime.block_on(on("PostgreSQL", &binary, Some(address), open)))
    });
    Ok(vec![sqlite, measured.await??])
}

async fn on(database: &'static str, binary: &Path, address: Option<&str>, open: usize) -> Result<Service> {
    let folder = tempfile::tempdir()?;
    let alone = Arc::new(Alone::start(binary, folder.path(), address, &[]).await?);
    let empty = memory(&alone)?;
    let begun = Instant::now();
    let tickets = all(open, |number| {
        let alone = Arc::clone(&alone);
        async move { alone.ask(number as u128 + 1, number as u128 % WAITERS, 1).await }
    })
    .await?;
    let creates = rate(open, begun);
    let mut polls: JoinSet<Result<()>> =
        (1..WAITERS).map(|waiter| wait(Arc::clone(&alone), waiter)).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let memory = memory(&alone)?;
    // Those of one waiter, which polls by itself; all others go on waiting.
    let of_first = |number: &usize| (*number as u128).is_multiple_of(WAITERS);
    let (timed, rest): (Vec<_>, Vec<_>) =
        tickets.into_iter().enumerate().partition(|(number, _)| of_first(number));
    let (median, late) = latencies(&alone, &timed).await?;
    polls.abort_all();
    while polls.join_next().await.is_some() {}
    let rest: Arc<[(usize, (String, String))]> = rest.into();
    let begun = Instant::now();
    all(rest.len(), |number| {
        let (alone, rest) = (Arc::clone(&alone), Arc::clone(&rest));
        async move {
            let (_, ticket) = rest.get(number).context("no ticket")?;
            approve(&alone, ticket).await
        }
    })
    .await?;
    Ok(Service { database, creates, answers: rate(rest.len(), begun), open, memory, empty, median, late })
}

/// Plays so many, [`CALLERS`] at a time, and gives what came of each, in order.
async fn all<T, F>(count: usize, play: impl Fn(usize) -> F) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (mut playing, mut played) = (JoinSet::new(), Vec::with_capacity(count));
    for number in 0..count {
        if playing.len() >= CALLERS {
            played.extend(playing.join_next().await.transpose()?);
        }
        let one = play(number);
        playing.spawn(async move { (number, one.await) });
    }
    while let Some(one) = playing.join_next().await {
        played.push(one?);
    }
    played.sort_by_key(|(number, _)| *number);
    played.into_iter().map(|(_, one)| one).collect()
}

fn rate(count: usize, begun: Instant) -> f64 {
    count as f64 / begun.elapsed().as_secs_f64()
}

async fn wait(alone: Arc<Alone>, waiter: u128) -> Result<()> {
    loop {
        poll(&alone, waiter, 0).await?;
    }
}

async fn poll(alone: &Alone, waiter: u128, cursor: u64) -> Result<Value> {
    let body = json!({ "waiter": format!("{waiter:032x}"), "cursor": cursor, "timeout_ms": 20_000 });
    alone.post("/v1/wait", &alone.gateway, &body).await
}

async fn approve(alone: &Alone, (ticket, shown): &(String, String)) -> Result<()> {
    let body = json!({ "kind": "approve", "shown": shown });
    let after = alone.post(&format!("/v1/requests/{ticket}/answers"), &alone.token, &body).await?;
    ensure!(after.get("state") == Some(&json!("approved")), "not approved: {after}");
    Ok(())
}

/// One after the other: its waiter polls, then somebody answers.
async fn latencies(alone: &Arc<Alone>, tickets: &[(usize, (String, String))]) -> Result<(f64, f64)> {
    let mut cursor = 0;
    let mut times = Vec::with_capacity(tickets.len());
    for (_, ticket) in tickets {
        let polling = tokio::spawn({
            let alone = Arc::clone(alone);
            async move { poll(&alone, 0, cursor).await.map(|reply| (reply, Instant::now())) }
        });
        // The poll has to be there before the answer is.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begun = Instant::now();
        approve(alone, ticket).await?;
        let (reply, heard) = polling.await??;
        let told = reply.pointer("/verdicts/0/ticket");
        ensure!(told == Some(&json!(ticket.0)), "something else is heard: {reply}");
        cursor = reply.get("cursor").and_then(Value::as_u64).context("no cursor")?;
        times.push(heard.duration_since(begun).as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times.get(times.len() * part / 100).copied().context("nothing was timed");
    Ok((at(50)?, at(99)?))
}

/// Resident memory of the service, bytes (proc(5), `VmRSS`).
fn memory(alone: &Alone) -> Result<u64> {
    let id = alone.id().context("the service has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

/// The section of the page.
pub(super) fn render(services: &[Service]) -> String {
    let mut text = format!(
        "## The approval service\n\n\
        By itself, over HTTP on loopback; {CALLERS} callers at a time, each question and each answer a call and a synced \n\
        transaction of its own. Then all were open at once, and {WAITERS} polls waited for them; the way of an answer is from sending \n\
        it until its waiter's poll has it, one after the other for each request of one of the waiters.\n\n\
        | database | questions/s | answers/s | open at once | memory, MB (before) | answer to waiter, ms: median | p99 |\n\
        |---|---:|---:|---:|---:|---:|---:|\n"
    );
    for one in services {
        let Service { database, creates, answers, open, memory, empty, median, late } = one;
        let mega = |bytes: &u64| *bytes as f64 / 1e6;
        // Writing to a string cannot fail.
        writeln!(
            text,
            "| {database} | {creates:.0} | {answers:.0} | {open} | {:.0} ({:.0}) | {median:.1} | {late:.1} |",
            mega(memory),
            mega(empty)
        )
        .ok();
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn services() -> Vec<Service> {
        let one = |database| Service {
            database,
            creates: 400.0,
            answers: 300.0,
            open: 10_000,
            memory: 90_000_000,
            empty: 20_000_000,
            median: 4.0,
            late: 9.0,
        };
        vec![one("SQLite"), one("PostgreSQL")]
    }

    #[test]
    fn each_database_has_its_line() {
        let text = render(&services());
        assert!(text.contains("| SQLite | 400 | 300 | 10000 | 90 (20) | 4.0 | 9.0 |"), "{text}");
    }
}
