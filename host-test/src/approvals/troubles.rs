//! When the service fails, and what a gateway gets from it then.

use countersign_protocol::UnixMillis;
use countersign_protocol::recording::{Fault, Operation, Trouble};

use crate::cluster::{Answer, Response};

/// The times in which calls fail, in the order in which they were expected. Of several the first counts.
#[derive(Debug, Default)]
pub(super) struct Troubles(Vec<Window>);

#[derive(Debug)]
struct Window {
    from: UnixMillis,
    to: UnixMillis,
    fault: Fault,
    on: Vec<Operation>,
}

impl Window {
    fn concerns(&self, operation: Option<Operation>) -> bool {
        self.on.is_empty() || operation.is_some_and(|operation| self.on.contains(&operation))
    }
}

impl Troubles {
    /// Adds the troubles of a request that arrives at `at`, and forgets those that are over by `now`.
    pub(super) fn expect(&mut self, troubles: Vec<Trouble>, at: UnixMillis, now: UnixMillis) {
        self.0.retain(|window| window.to > now);
        self.0.extend(troubles.into_iter().map(|trouble| Window {
            from: after(at, trouble.from.0),
            to: trouble.to.map_or(UnixMillis::MAX, |to| after(at, to.0)),
            fault: trouble.is,
            on: trouble.on,
        }));
    }

    /// When the last of those that have an end is over.
    pub(super) fn over(&self) -> Option<UnixMillis> {
        self.0.iter().map(|window| window.to).filter(|to| *to != UnixMillis::MAX).max()
    }

    /// How a call fails at this moment, if it does.
    pub(super) fn fault(&self, operation: Option<Operation>, now: UnixMillis) -> Option<Fault> {
        let open = |window: &&Window| (window.from..window.to).contains(&now) && window.concerns(operation);
        self.0.iter().find(open).map(|window| window.fault)
    }

    /// When a time begins next in which a call that is under way breaks.
    pub(super) fn next_break(&self, operation: Operation, now: UnixMillis) -> Option<UnixMillis> {
        let concerns = |window: &&Window| {
            window.from > now && is_break(window.fault) && window.concerns(Some(operation))
        };
        self.0.iter().filter(concerns).map(|window| window.from).min()
    }
}

/// A moment so long after another.
pub(super) fn after(at: UnixMillis, delay: std::time::Duration) -> UnixMillis {
    at.saturating_add(UnixMillis::try_from(delay.as_millis()).unwrap_or(UnixMillis::MAX))
}

/// Whether calls that are under way when it begins do not survive it.
pub(super) fn is_break(fault: Fault) -> bool {
    matches!(fault, Fault::Down | Fault::Reset)
}

/// The stable name of a fault, as recordings write it.
pub(super) fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Down => "down",
        Fault::Error => "error",
        Fault::Silent => "silent",
        Fault::Reset => "reset",
        Fault::NotSent => "not_sent",
        Fault::Garbage => "garbage",
        Fault::Half => "half",
        Fault::AnswerLost => "answer_lost",
        Fault::OtherReceipt => "other_receipt",
    }
}

/// What Envoy says in place of a server that does not take its connection.
const REFUSED: &str = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: delayed connect error: Connection refused";
/// What Envoy says in place of a server that goes away with a call under way.
const CUT: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: connection termination";

/// What comes in place of an answer that the service never made; `None` when nothing ever does.
pub(super) fn instead(fault: Fault) -> Option<Answer> {
    let text = |status, body: &str, kind: &str| {
        Some(Answer::Response(sized(Response::new(status, body).header("content-type", kind))))
    };
    match fault {
        Fault::Down => text(503, REFUSED, "text/plain"),
        Fault::Error => text(500, "the service failed\n", "text/plain"),
        Fault::Garbage => text(200, "<!doctype html>\n<title>Welcome</title>\n", "text/html"),
        Fault::Reset => Some(Answer::Reset),
        Fault::Silent | Fault::NotSent | Fault::Half | Fault::AnswerLost | Fault::OtherReceipt => None,
    }
}

/// What comes of a call that was under way when the service went away.
pub(super) fn broken(fault: Fault) -> Answer {
    match fault {
        Fault::Down => Answer::Response(sized(Response::new(503, CUT).header("content-type", "text/plain"))),
        _ => Answer::Reset,
    }
}

/// What is left of an answer; `None` when nothing is.
pub(super) fn spoilt(response: Response, fault: Option<Fault>) -> Option<Answer> {
    match fault {
        None | Some(Fault::NotSent | Fault::OtherReceipt) => Some(Answer::Response(response)),
        Some(Fault::Half) => {
            let half = response.body.len() / 2;
            let mut response = response;
            response.body.truncate(half);
            response.headers.retain(|(name, _)| name != b"content-length");
            Some(Answer::Response(sized(response)))
        }
        Some(fault) => instead(fault),
    }
}

/// The response with the length of its body.
pub(super) fn sized(response: Response) -> Response {
    let length = response.body.len().to_string();
    response.header("content-length", length)
}
