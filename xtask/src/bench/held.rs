//! Many requests, held on one worker at once, then approved: whether all go on, and how soon.

mod callers;
mod people;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::machine::Processors;
use super::server::{Launch, Server};
use super::stats::{float, percentile};
use super::variant::set_filter;
use crate::stack::Stack;
use crate::stack::upstream::Arrived;
use callers::{Caller, Callers, Ended};
use people::{Answered, Pace};

/// Longer than everybody needs to answer, and shorter than the gateway's `stream_idle_timeout` of 120 s.
const HOLD: &str = "115s";

/// What happened to the requests that were held.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Held {
    /// How many were sent.
    pub(super) sent: usize,
    /// How many were held at the same moment.
    pub(super) held_at_once: u64,
    /// How many reached the upstream exactly once, byte for byte, and got its answer.
    pub(super) released: usize,
    /// How many did not, by what became of them.
    pub(super) lost: BTreeMap<String, usize>,
    /// Memory of the gateway, bytes, for each: its connection alone, and the request that is held on it.
    pub(super) connection: f64,
    pub(super) request: f64,
    /// How long it took until all were held, and until all were answered by people, seconds.
    pub(super) asking: f64,
    pub(super) answering: f64,
    /// From the moment when a person's yes was sent, and when it was acknowledged, until the upstream had
    /// the request, milliseconds: median, 99th percentile, longest.
    pub(super) after_sent: [f64; 3],
    pub(super) after_reply: [f64; 3],
    /// The same while one person answers, with a pause after each answer.
    pub(super) calm_after_sent: [f64; 3],
    pub(super) calm_after_reply: [f64; 3],
    /// Answers under way at a time.
    pub(super) hands: usize,
    /// Files that a process may have open here.
    pub(super) files: u64,
}

/// Holds `count` requests on a gateway with one worker and has them approved.
///
/// # Errors
/// When something does not start. Requests that are lost are no error: they are counted.
pub(super) async fn measure(
    stack: &Arc<Stack>,
    processors: &Processors,
    count: usize,
    files: u64,
) -> Result<Held> {
    let (envoy, folder) = (stack.envoy(), stack.folder());
    let launch = Launch { envoy, folder, processors: &processors.gateway, workers: 1 };
    let server = launch.start("holding", &configuration(stack)?).await?;
    let callers = Callers::prepare(count, &stack.agents.token(crate::stack::agents::DEMO)?)?;
    let idle = warm(&callers, &server, stack).await?;
    let connected = callers.connect(server.address).await.with_context(|| server.tail())?;
    sleep(Duration::from_secs(1)).await;
    let open = server.memory()?;
    println!("held: {count} connections are open");

    let begun = Instant::now();
    let calls = connected.send();
    let held_at_once = all_held(&server, stack, count).await?;
    let (asking, full) = (begun.elapsed().as_secs_f64(), server.memory()?);
    println!("held: {held_at_once} of {count} requests are held after {asking:.1} s");

    let begun = Instant::now();
    let answered = people::approve_all(stack, count).await?;
    let answering = begun.elapsed().as_secs_f64();
    println!("held: {} answers in {answering:.1} s", answered.len());
    let ended = calls.ended().await?;
    sleep(Duration::from_secs(1)).await;
    let arrived = stack.upstream.calls().await?;
    server.stop().await?;
    let each =
        |more: u64, less: u64| (float(more) - float(less)) / float(u64::try_from(count.max(1)).unwrap_or(1));
    let judged = judge(&callers.list, &ended, &arrived, &answered);
    Ok(Held {
        sent: count,
        held_at_once,
        released: judged.released,
        lost: judged.lost,
        connection: each(open, idle),
        request: each(full, open),
        asking,
        answering,
        after_sent: times(&judged.times, Pace::Hurry, |took| took.0),
        after_reply: times(&judged.times, Pace::Hurry, |took| took.1),
        calm_after_sent: times(&judged.times, Pace::Calm, |took| took.0),
        calm_after_reply: times(&judged.times, Pace::Calm, |took| took.1),
        hands: people::AT_ONCE,
        files,
    })
}

/// The example as it ships, with a longer hold for the gate that is used here, and no limits for the one principal
/// that everybody is but those of the worker.
fn configuration(stack: &Stack) -> Result<serde_json::Value> {
    let mut files = stack.files()?;
    let gates = files.get_mut("gates.cedar").context("the example has no gates")?;
    let longer = gates.replace("@hold(\"25s\")", &format!("@hold(\"{HOLD}\")"));
    ensure!(longer != *gates, "the gates hold for another time than 25 s");
    *gates = longer;
    let mut configuration = stack.configuration_of(&files)?;
    let limits = json!({ "held_per_principal": 10_000, "held_bytes_per_principal": 256 << 20 });
    set_filter(&mut configuration, "limits", limits)?;
    Ok(configuration)
}

/// One request that is held and given up by its caller, so that what is made once is there before memory
/// is read: bytes in use then.
async fn warm(callers: &Callers, server: &Server, stack: &Stack) -> Result<u64> {
    let first = callers.first().connect(server.address).await?.send();
    let known = crate::stack::until("the first request to be held", async || {
        Ok((people::pending(stack).await?.len() == 1).then_some(()))
    });
    known.await?;
    drop(first);
    sleep(Duration::from_secs(2)).await;
    server.memory()
}

/// Waits until the gateway has all of them and the service knows of all: how many are held then.
async fn all_held(server: &Server, stack: &Stack, count: usize) -> Result<u64> {
    let patience = Instant::now() + crate::stack::PATIENCE;
    loop {
        sleep(Duration::from_millis(500)).await;
        let held = server.stat("http.gateway.downstream_rq_active").await?;
        let asked = people::asked(stack).await?;
        if asked > count || Instant::now() > patience {
            return Ok(held.min(u64::try_from(asked.saturating_sub(1))?));
        }
    }
}

/// What came of each request, all sources held together.
#[derive(Debug, Default)]
struct Judged {
    released: usize,
    lost: BTreeMap<String, usize>,
    /// Since the yes was sent, and since it was acknowledged.
    times: Vec<(Pace, (f64, f64))>,
}

fn judge(
    callers: &[Caller],
    ended: &[Ended],
    arrived: &[Arrived],
    answered: &BTreeMap<String, Answered>,
) -> Judged {
    let mut by_path: BTreeMap<&str, Vec<&Arrived>> = BTreeMap::new();
    for call in arrived {
        by_path.entry(call.path.as_str()).or_default().push(call);
    }
    let mut judged = Judged::default();
    for (caller, ended) in callers.iter().zip(ended) {
        let path = caller.request.path();
        match fate(caller, ended, by_path.get(path).map_or(&[], Vec::as_slice)) {
            Ok(at) => {
                judged.released += 1;
                if let Some(answered) = answered.get(path) {
                    let took = (since(answered.sent, at), since(answered.replied, at));
                    judged.times.push((answered.pace, took));
                }
            }
            Err(why) => *judged.lost.entry(why).or_default() += 1,
        }
    }
    judged
}

/// When the request arrived, or what became of it instead.
fn fate(caller: &Caller, ended: &Ended, arrived: &[&Arrived]) -> Result<i64, String> {
    let [once] = arrived else {
        return Err(format!("arrived {} times, caller: {ended}", arrived.len()));
    };
    if let Some(difference) = caller.request.difference(once) {
        return Err(format!("changed: {difference}"));
    }
    match ended {
        Ended::Status(201) => Ok(once.at),
        other => Err(format!("arrived, but caller: {other}")),
    }
}

fn since(then: i64, at: i64) -> f64 {
    i32::try_from(at.saturating_sub(then)).map_or(f64::MAX, f64::from)
}

/// Median, 99th percentile and longest.
fn times(times: &[(Pace, (f64, f64))], pace: Pace, of: fn(&(f64, f64)) -> f64) -> [f64; 3] {
    let times: Vec<_> = times.iter().filter(|(at, _)| *at == pace).map(|(_, took)| of(took)).collect();
    [50, 99, 100].map(|percent| percentile(&times, percent).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_protocol::Hash;

    fn arrived(caller: &Caller, at: i64) -> Arrived {
        let (headers, body) = (caller.request.text_headers(), caller.request.body());
        let (method, path) = ("POST".into(), caller.request.path().into());
        let (body_sha256, body_bytes) = (Hash::of(body).to_string(), body.len());
        Arrived { at, method, path, headers, body_sha256, body_bytes }
    }

    #[test]
    fn only_what_arrived_once_unchanged_and_was_answered_is_released() {
        let callers = Callers::prepare(6, "token").unwrap().list;
        let yes = Answered { sent: 100, replied: 130, pace: Pace::Calm };
        let answered = |caller: &Caller| (caller.request.path().to_owned(), yes);
        let answered: BTreeMap<_, _> = callers.iter().map(answered).collect();
        let [good, twice, never, unanswered, changed, refused] = callers.as_slice() else { panic!() };
        let mut other = arrived(changed, 150);
        other.body_sha256 = Hash::of(b"other").to_string();
        let calls = [
            arrived(good, 150),
            arrived(twice, 150),
            arrived(twice, 160),
            arrived(unanswered, 150),
            other,
            arrived(refused, 150),
        ];
        assert!(calls.iter().all(|call| call.path != never.request.path()));
        let mut ended = vec![Ended::Status(201); 6];
        ended[3] = Ended::Broken("no answer".into());
        ended[5] = Ended::Status(503);
        let judged = judge(&callers, &ended, &calls, &answered);
        assert_eq!((judged.released, judged.lost.values().sum::<usize>()), (1, 5), "{:?}", judged.lost);
        assert_eq!(judged.times, [(Pace::Calm, (50.0, 20.0))]);
        assert!(judged.lost.contains_key("arrived 2 times, caller: 201"));
        assert!(judged.lost.contains_key("arrived, but caller: 503"));
    }
}
