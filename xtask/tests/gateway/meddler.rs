//! Stands between a gateway and the approval service and does to their calls what a test wants: it can be gone,
//! slow, broken or lying.

pub(crate) mod wire;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use wire::{Call, Ending};

/// The calls that a filter makes.
pub(crate) const ASK: &str = "/v1/requests";
pub(crate) const WAIT: &str = "/v1/wait";
pub(crate) const CLAIM: &str = "/v1/claims";
pub(crate) const OUTCOME: &str = "/v1/outcomes";
pub(crate) const EVIDENCE: &str = "/v1/evidence";

/// What happens to a call.
#[derive(Clone)]
pub(crate) enum Fault {
    /// It is not passed on; the connection is reset.
    Reset,
    /// It is not passed on; this status comes back.
    Status(u16),
    /// It is not passed on; bytes come back that are no JSON.
    Garbage,
    /// It is not passed on; so many bytes come back.
    Huge(usize),
    /// It is passed on; the answer comes after this long.
    Late(Duration),
    /// It is passed on; half of the answer comes back, then the connection is reset.
    Half,
    /// It is passed on; the connection is reset in place of an answer.
    Lost,
    /// It is passed on twice; the second answer comes back.
    Twice,
    /// It is passed on; the answer comes back changed.
    Edit(Edit),
}

type Edit = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// What happens to the next calls to a path.
struct Rule {
    path: &'static str,
    /// How many of them are left; nothing for all that come.
    left: Option<usize>,
    fault: Fault,
}

/// What a call's handler shares with the test.
#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    /// Everything that came in, by path.
    seen: Vec<String>,
    /// Whose evidence passed through.
    producers: BTreeSet<String>,
}

/// The one between.
pub(crate) struct Meddler {
    address: SocketAddr,
    service: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

impl Meddler {
    /// On a port of its own, in front of `service`; it serves.
    pub(crate) async fn start(service: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let meddler = Self { address, service, state: Arc::default(), serving: Mutex::new(None) };
        meddler.serve(listener);
        Ok(meddler)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connections are refused, and those that there were are reset.
    pub(crate) fn down(&self) {
        if let Some(serving) = lock(&self.serving).take() {
            serving.abort();
        }
    }

    /// It serves again, at the same address.
    pub(crate) async fn up(&self) -> Result<()> {
        if lock(&self.serving).is_some() {
            return Ok(());
        }
        let listener = xtask::stack::until("the port to be free again", async || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            Ok(socket.bind(self.address).and_then(|()| socket.listen(1024)).ok())
        });
        self.serve(listener.await?);
        Ok(())
    }

    /// The next `times` calls to `path` meet with `fault`.
    pub(crate) fn next(&self, path: &'static str, times: usize, fault: Fault) {
        lock(&self.state).rules.push(Rule { path, left: Some(times), fault });
    }

    /// Every call to `path` meets with `fault` from now on.
    pub(crate) fn always(&self, path: &'static str, fault: Fault) {
        lock(&self.state).rules.push(Rule { path, left: None, fault });
    }

    /// Paths of which fewer calls came than were to meet with something.
    pub(crate) fn unmet(&self) -> Vec<&'static str> {
        let state = lock(&self.state);
        let unmet = state.rules.iter().filter(|rule| rule.left.is_some_and(|left| left > 0));
        unmet.map(|rule| rule.path).collect()
    }

    /// No call meets with anything any more.
    pub(crate) fn rest(&self) {
        lock(&self.state).rules.clear();
    }

    /// How many calls to `path` came in so far.
    pub(crate) fn seen(&self, path: &str) -> usize {
        lock(&self.state).seen.iter().filter(|seen| *seen == path).count()
    }

    /// Whose evidence passed through so far.
    pub(crate) fn producers(&self) -> BTreeSet<String> {
        lock(&self.state).producers.clone()
    }

    fn serve(&self, listener: TcpListener) {
        let (service, state) = (self.service, Arc::clone(&self.state));
        let serving = tokio::spawn(async move {
            // Dropped with the task: what is open then is reset.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(converse(stream, service, Arc::clone(&state)));
            }
        });
        *lock(&self.serving) = Some(serving);
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.down();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers calls on one connection until one of them ends it.
async fn converse(mut stream: TcpStream, service: SocketAddr, state: Arc<Mutex<State>>) {
    // A connection that is dropped is reset, as a killed server's would be.
    let _ = stream.set_zero_linger();
    let _ = stream.set_nodelay(true);
    let mut buffered = Vec::new();
    while let Ok(Some(call)) = wire::read(&mut stream, &mut buffered).await {
        let fault = lock(&state).meet(&call);
        match answer(&mut stream, service, &call, fault).await {
            Ok(Ending::Open) => {}
            Ok(Ending::Reset) | Err(_) => return,
        }
    }
}

impl State {
    /// Notes the call and says what happens to it.
    fn meet(&mut self, call: &Call) -> Option<Fault> {
        self.seen.push(call.path.clone());
        self.producers.extend(producers(&call.body));
        let rule = self.rules.iter_mut().find(|rule| rule.left != Some(0) && rule.path == call.path)?;
        rule.left = rule.left.map(|left| left - 1);
        Some(rule.fault.clone())
    }
}

/// Who made the evidence that a call carries.
fn producers(body: &[u8]) -> Vec<String> {
    let producer = |record: &Value| Some(record.get("producer")?.as_str()?.to_owned());
    let values = serde_json::Deserializer::from_slice(body).into_iter::<Value>().flatten();
    // A call that is about something else carries lines beside it; evidence on its own is nothing but lines.
    let records = values.flat_map(|value| match value.get("evidence").and_then(Value::as_array) {
        Some(lines) => lines.iter().filter_map(|line| serde_json::from_str(line.as_str()?).ok()).collect(),
        None => vec![value],
    });
    records.filter_map(|record| producer(&record)).collect()
}

async fn answer(
    stream: &mut TcpStream,
    service: SocketAddr,
    call: &Call,
    fault: Option<Fault>,
) -> Result<Ending> {
    match fault {
        None => {
            let (status, body) = wire::pass_on(service, call).await?;
            wire::write(stream, status, &body).await
        }
        Some(Fault::Reset) => Ok(Ending::Reset),
        Some(Fault::Status(status)) => wire::write(stream, status, b"{}").await,
        Some(Fault::Garbage) => wire::write(stream, 200, b"\x00\xff no JSON \xfe").await,
        Some(Fault::Huge(size)) => wire::write(stream, 200, &vec![b' '; size]).await,
        Some(Fault::Late(time)) => {
            let (status, body) = wire::pass_on(service, call).await?;
            tokio::time::sleep(time).await;
            wire::write(stream, status, &body).await
        }
        Some(Fault::Half) => {
            let (status, body) = wire::pass_on(service, call).await?;
            wire::write_half(stream, status, &body).await
        }
        Some(Fault::Lost) => wire::pass_on(service, call).await.map(|_| Ending::Reset),
        Some(Fault::Twice) => {
            wire::pass_on(service, call).await?;
            let (status, body) = wire::pass_on(service, call).await?;
            wire::write(stream, status, &body).await
        }
        Some(Fault::Edit(edit)) => {
            let (status, body) = wire::pass_on(service, call).await?;
            let mut body = serde_json::from_slice(&body).context("the service gave no JSON")?;
            edit(&mut body);
            wire::write(stream, status, body.to_string().as_bytes()).await
        }
    }
}
