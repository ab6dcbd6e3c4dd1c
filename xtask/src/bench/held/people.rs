//! People who approve everything that is pending, several at a time, through the interface for their tools.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use super::callers;
use crate::example::Factor;
use crate::stack::ticket::Ticket;
use crate::stack::{Stack, now};

/// Who approves; each answers several requests at a time.
const PEOPLE: [&str; 2] = ["ben", "cleo"];
/// Answers under way of each.
const HANDS: usize = 8;
/// Of all of them.
pub(super) const AT_ONCE: usize = PEOPLE.len() * HANDS;
/// Nobody waits longer for more to approve.
const PATIENCE: Duration = Duration::from_secs(120);

/// Answers that one person gives first, one after the other with a pause between, as people do.
const CALM: usize = 50;
/// That pause.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether people answer as people do, or all of them as fast as the service takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Calm,
    Hurry,
}

/// When somebody said yes: Unix, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) sent: i64,
    pub(super) replied: i64,
    pub(super) pace: Pace,
}

/// What is pending, as far as one list shows it: tickets and the paths of their requests.
pub(super) async fn pending(stack: &Stack) -> Result<Vec<(Ticket, String)>> {
    let list = stack.approvals.read("/v1/requests?limit=500&state=pending").await?;
    let items = list.get("items").and_then(Value::as_array).context("no list of requests")?;
    let one = |item: &Value| {
        let path = item.get("path").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok((Ticket::new(item.clone())?, path))
    };
    items.iter().map(one).collect()
}

/// How many requests gateways have asked about so far, by their evidence.
pub(super) async fn asked(stack: &Stack) -> Result<usize> {
    Ok(stack.approvals.evidence_of_kind("needs_approval").await?.len())
}

/// Approves what is pending until `count` answers are given; by path, when each was.
pub(super) async fn approve_all(stack: &Arc<Stack>, count: usize) -> Result<BTreeMap<String, Answered>> {
    let (deadline, mut answered) = (Instant::now() + PATIENCE, BTreeMap::new());
    while answered.len() < count && Instant::now() < deadline {
        let mut todo = pending(stack).await?;
        // Nobody answers the request that was given up.
        todo.retain(|(_, path)| !answered.contains_key(path) && !path.contains(callers::FIRST));
        let pace = if answered.is_empty() { Pace::Calm } else { Pace::Hurry };
        let hands = if pace == Pace::Calm { 1 } else { AT_ONCE };
        if pace == Pace::Calm {
            todo.truncate(CALM);
        }
        if todo.is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
        let todo = Arc::new(Mutex::new(todo));
        let mut working = JoinSet::new();
        for person in PEOPLE.iter().cycle().take(hands) {
            working.spawn(work(Arc::clone(stack), person, pace, Arc::clone(&todo)));
        }
        for done in working.join_all().await {
            answered.extend(done?);
        }
    }
    Ok(answered)
}

/// One hand takes request after request.
async fn work(
    stack: Arc<Stack>,
    person: &'static str,
    pace: Pace,
    todo: Arc<Mutex<Vec<(Ticket, String)>>>,
) -> Result<Vec<(String, Answered)>> {
    let mut answered = Vec::new();
    loop {
        let Some((ticket, path)) = todo.lock().await.pop() else { return Ok(answered) };
        let sent = now();
        let (status, said) = stack.approvals.answer(&ticket, person, Factor::Totp, "approve", None).await?;
        let replied = now();
        if status != 200 {
            bail!("`{person}` cannot approve `{path}`: {status} {said}");
        }
        answered.push((path, Answered { sent, replied, pace }));
        if pace == Pace::Calm {
            sleep(PAUSE).await;
        }
    }
}
