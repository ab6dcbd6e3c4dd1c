//! The approval service by script, behind a socket and by the real clock.

use std::collections::BTreeMap;
use std::io::Result;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_host_test::approvals::Approvals;
use countersign_host_test::{Answer, Call, CallId, Cluster as _, Fields, Response, Sent};
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use super::now;
use super::wire::{Framing, Head, Reader};
use crate::replay::leaks::Leaks;

/// How long what was written before a connection breaks has to arrive.
const ARRIVAL: Duration = Duration::from_millis(50);

/// The service, and who waits for its answers.
#[derive(Debug, Clone)]
pub(super) struct Service(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Something was asked or expected: what is due next may be another thing.
    woken: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) approvals: Approvals,
    /// Looks at every call.
    pub(super) leaks: Leaks,
    waiting: BTreeMap<CallId, oneshot::Sender<Answer>>,
    calls: u64,
}

impl Service {
    /// Listens, and serves in the background until the runtime ends.
    pub(super) async fn start(approvals: Approvals, leaks: Leaks) -> Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Mutex::new(State { approvals, leaks, waiting: BTreeMap::new(), calls: 0 });
        let service = Self(Arc::new(Shared { state, woken: Notify::new() }));
        let (serving, driven) = (service.clone(), service.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        tokio::spawn(async move { driven.drive().await });
        Ok((service, address))
    }

    /// The service as it stands; nothing else happens meanwhile.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has what is due looked at again.
    pub(super) fn wake(&self) {
        self.0.woken.notify_one();
    }

    /// Lets happen what is due, when it is.
    async fn drive(&self) {
        loop {
            let due = self.lock().answer();
            let pause = due.map(|due| due.saturating_sub(now()).max(Duration::from_millis(1)));
            let pause = pause.unwrap_or(Duration::from_secs(3600));
            let _slept = tokio::time::timeout(pause, self.0.woken.notified()).await;
        }
    }

    async fn serve(&self, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.into_split();
        let mut reader = Reader::new(read);
        while let Some(head) = reader.head().await? {
            let mut body = Vec::new();
            let trailers = reader.body(head.framing().unwrap_or(Framing::Length(0)), &mut body).await?;
            let call = Call { headers: headers(&head), body, trailers, timeout: Duration::ZERO };
            let Some((id, answer)) = self.begin(&call) else { return Ok(()) };
            let Some(answer) = self.wait(id, answer, &mut reader).await else { return Ok(()) };
            match answer {
                Answer::Response(response) => write_response(&mut write, &response).await?,
                Answer::Reset => return write_half(&mut write).await,
            }
        }
        Ok(())
    }

    /// Nothing when the call is not to be taken at all.
    fn begin(&self, call: &Call) -> Option<(CallId, oneshot::Receiver<Answer>)> {
        let mut state = self.lock();
        let id = CallId(state.calls);
        state.calls += 1;
        state.leaks.look_at_call(call);
        if state.approvals.call(id, call, now()) == Sent::Refused {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.insert(id, sender);
        drop(state);
        self.wake();
        Some((id, receiver))
    }

    /// The answer; nothing when the gateway does not wait for it any more.
    async fn wait(
        &self,
        id: CallId,
        answer: oneshot::Receiver<Answer>,
        reader: &mut Reader<OwnedReadHalf>,
    ) -> Option<Answer> {
        tokio::select! {
            answer = answer => answer.ok(),
            () = reader.closed() => {
                let mut state = self.lock();
                state.approvals.forget(id);
                state.waiting.remove(&id);
                None
            }
        }
    }
}

impl State {
    /// Gives back what is to be said by now; when there is something next.
    fn answer(&mut self) -> Option<Duration> {
        for (id, answer) in self.approvals.answers(now()) {
            if let Some(sender) = self.waiting.remove(&id) {
                let _gone = sender.send(answer);
            }
        }
        self.approvals.due()
    }
}

fn headers(head: &Head) -> Fields {
    let mut words = head.words();
    let mut word = || words.next().unwrap_or_default().to_vec();
    let (method, path) = (word(), word());
    let host = head.field("host").unwrap_or_default().to_vec();
    let pseudo = [(":method", method), (":path", path), (":authority", host)];
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.into(), value));
    pseudo.chain(head.fields.iter().cloned()).collect()
}

async fn write_response(write: &mut OwnedWriteHalf, response: &Response) -> Result<()> {
    let mut bytes = format!("HTTP/1.1 {} \r\n", response.status()).into_bytes();
    for (name, value) in response.headers.iter().filter(|(name, _)| !name.starts_with(b":")) {
        bytes.extend([name.as_slice(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    bytes.extend(&response.body);
    write.write_all(&bytes).await
}

/// What a filter sees as no header fields at all: a response that breaks off. Of one that never begins, Envoy makes
/// a 503.
async fn write_half(write: &mut OwnedWriteHalf) -> Result<()> {
    write.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{").await?;
    tokio::time::sleep(ARRIVAL).await;
    Ok(())
}
