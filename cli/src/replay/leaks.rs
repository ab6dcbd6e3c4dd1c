//! What the filter must not give away: values that were scrubbed out of header fields that it always redacts.
//!
//! The rule: a pseudonym (`scrubbed-…`, see `docs/recordings.md`) that is a value, or in a value, of a field that the
//! filter redacts (`countersign_core::digest::is_secret`, and those of the route) goes to the upstream and nowhere
//! else: not into an answer, a log line, evidence or a question to people. One that is also where people see it, such
//! as in the path, is no secret of that field any more.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use countersign_core::digest::is_secret;
use countersign_core::explain::First;
use countersign_host_test::{Answer, Call, CallId, Cluster, Fields, Sent, Time};
use countersign_protocol::UnixMillis;
use countersign_protocol::recording::{Bytes, Entry};
use countersign_protocol::request::Shown;

/// What every pseudonym begins with.
const MARK: &[u8] = b"scrubbed-";

/// The hexadecimal digits after it.
const DIGITS: usize = 32;

/// Pseudonyms, each with when a request with it came last.
type Pseudonyms = BTreeMap<Vec<u8>, UnixMillis>;

/// The pseudonyms of the requests that are played, and where they were seen.
#[derive(Debug, Default)]
pub(super) struct Leaks {
    hidden: Pseudonyms,
    shown: Pseudonyms,
    found: BTreeSet<String>,
}

/// A server whose calls are looked at.
pub(super) struct Watched<C> {
    server: C,
    leaks: Rc<RefCell<Leaks>>,
}

impl<C> Watched<C> {
    pub(super) fn new(server: C, leaks: Rc<RefCell<Leaks>>) -> Self {
        Self { server, leaks }
    }
}

impl<C: Cluster> Cluster for Watched<C> {
    fn call(&mut self, id: CallId, call: &Call, now: Time) -> Sent {
        self.leaks.borrow_mut().look_at_call(call);
        self.server.call(id, call, now)
    }

    fn due(&self) -> Option<Time> {
        self.server.due()
    }

    fn answers(&mut self, now: Time) -> Vec<(CallId, Answer)> {
        self.server.answers(now)
    }

    fn forget(&mut self, id: CallId) {
        self.server.forget(id);
    }
}

impl Leaks {
    /// Takes note of an entry that comes now.
    pub(super) fn expect(&mut self, entry: &Entry, first: Option<&First>) {
        let redacted = redacted(first);
        let secret = |name: &str| is_secret(&name.to_ascii_lowercase(), &redacted);
        let fields = || entry.request.headers.iter().chain(&entry.request.trailers);
        let mut note = |secret: bool, bytes: &[u8]| {
            let known = if secret { &mut self.hidden } else { &mut self.shown };
            pseudonyms(bytes).for_each(|one| _ = known.insert(one.to_vec(), entry.ts));
        };
        fields().for_each(|(name, value)| note(secret(name), &value.0));
        let body = entry.request.body.iter().map(|Bytes(body)| body.as_slice());
        body.for_each(|body| note(false, body));
        entry.peer.uri_san.iter().for_each(|uri| note(false, uri.as_bytes()));
        if !entry.claims.is_empty() {
            note(false, serde_json::to_string(&entry.claims).unwrap_or_default().as_bytes());
        }
    }

    /// Looks at something that the filter sent to `place`, and keeps what it gave away.
    pub(super) fn look(&mut self, place: &str, bytes: &[u8]) {
        if let Some(what) = self.gives_away(place, bytes) {
            self.found.insert(what);
        }
    }

    /// Looks at a call to another server.
    fn look_at_call(&mut self, call: &Call) {
        let path = call.header(":path").unwrap_or_default();
        let place = format!("a call of `{}`", path.escape_ascii());
        self.look(&place, &call.body);
        self.look_at_fields(&place, &call.headers);
    }

    fn look_at_fields(&mut self, place: &str, fields: &Fields) {
        fields.iter().for_each(|(_, value)| self.look(place, value));
    }

    /// What an answer gives away.
    pub(super) fn in_answer(&self, headers: &Fields, body: &[u8]) -> Option<String> {
        let values = headers.iter().map(|(_, value)| value.as_slice()).chain([body]);
        values.into_iter().find_map(|value| self.gives_away("the answer", value))
    }

    fn gives_away(&self, place: &str, bytes: &[u8]) -> Option<String> {
        if self.hidden.is_empty() {
            return None;
        }
        let one =
            pseudonyms(bytes).find(|one| self.hidden.contains_key(*one) && !self.shown.contains_key(*one))?;
        Some(format!(
            "{place} gives away `{}`, which was scrubbed out of a field that is redacted",
            one.escape_ascii()
        ))
    }

    /// What was given away since this was last asked.
    pub(super) fn take(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.found)
    }

    /// Forgets the pseudonyms of requests that came before a moment.
    pub(super) fn forget(&mut self, before: UnixMillis) {
        self.hidden.retain(|_, at| *at >= before);
        self.shown.retain(|_, at| *at >= before);
    }
}

/// The fields that a route adds to those that are always redacted.
fn redacted(first: Option<&First>) -> Vec<String> {
    let request = first.and_then(|first| first.question.as_ref()).map(|enquiry| &enquiry.question.request);
    let fields = request.into_iter().flat_map(|request| request.headers.iter().chain(&request.trailers));
    let hidden = fields.filter(|field| matches!(field.value, Shown::Redacted { .. }));
    hidden.map(|field| field.name.clone()).collect()
}

/// All pseudonyms in some bytes.
fn pseudonyms(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let at = rest.windows(MARK.len()).position(|window| window == MARK)?;
            let one = rest.get(at..)?;
            rest = one.get(MARK.len()..)?;
            let whole = one.get(..MARK.len() + DIGITS);
            if let Some(whole) = whole.filter(|_| rest.iter().take(DIGITS).all(u8::is_ascii_hexdigit)) {
                return Some(whole);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &str) -> Entry {
        let line =
            format!(r#"{{"v":1,"id":"a","ts":5,"fidelity":"client","request":{{"headers":[{fields}]}}}}"#);
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn what_was_scrubbed_out_of_a_redacted_field_is_nowhere_else() {
        let (secret, path) =
            ("scrubbed-".to_owned() + &"a".repeat(32), "scrubbed-".to_owned() + &"b".repeat(32));
        let mut leaks = Leaks::default();
        let fields = format!(r#"["Cookie","s={secret}; t={path}"],[":path","/?t={path}"]"#);
        leaks.expect(&entry(&fields), None);
        leaks.look("a log line", format!("scrubbed-x {path}").as_bytes());
        assert!(leaks.take().is_empty(), "people see the path");
        leaks.look("a log line", format!("scrubbed-{secret}").as_bytes());
        let expected =
            format!("a log line gives away `{secret}`, which was scrubbed out of a field that is redacted");
        assert_eq!(leaks.take(), BTreeSet::from([expected]));
        leaks.forget(6);
        leaks.look("a log line", secret.as_bytes());
        assert!(leaks.take().is_empty());
    }
}
