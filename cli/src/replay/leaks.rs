//! What the filter must not give away: values that `countersign record` scrubbed, known by their pseudonyms.
//!
//! The rules for a pseudonym (`scrubbed-…`, see `docs/recordings.md`):
//! - One in the value of a field that the filter redacts (`countersign_core::digest::is_secret`, and those of the route)
//!   goes to the upstream and nowhere else: not into an answer, a log, evidence or a question to people.
//! - One that stands anywhere else, such as in the path or the body, goes besides to where the exact request is shown:
//!   into the question to people, its evidence, and the answer to who sent it. It goes into no log and no metric.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use countersign_core::digest::is_secret;
use countersign_host_test::{Answer, Call, CallId, Cluster, Fields, Response, Sent, Time};
use countersign_protocol::UnixMillis;
use countersign_protocol::recording::{Bytes, Entry};

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
    /// Takes note of an entry that comes now; `redacted` names the fields that are redacted besides the fixed list, and is
    /// asked where it matters.
    pub(super) fn expect(&mut self, entry: &Entry, redacted: impl FnOnce() -> Vec<String>) {
        let mut note = |secret: bool, one: &[u8]| {
            let known = if secret { &mut self.hidden } else { &mut self.shown };
            known.insert(one.to_vec(), entry.ts);
        };
        let fields = entry.request.headers.iter().chain(&entry.request.trailers);
        let fields = fields
            .flat_map(|(name, value)| pseudonyms(&value.0).map(move |one| (name.to_ascii_lowercase(), one)));
        let fields: Vec<_> = fields.collect();
        let doubtful = fields.iter().any(|(name, _)| !is_secret(name, &[]));
        let redacted = if doubtful { redacted() } else { Vec::new() };
        fields.iter().for_each(|(name, one)| note(is_secret(name, &redacted), one));
        let mut show = |bytes: &[u8]| pseudonyms(bytes).for_each(|one| note(false, one));
        entry.request.body.iter().for_each(|Bytes(body)| show(body));
        entry.peer.uri_san.iter().for_each(|uri| show(uri.as_bytes()));
        if !entry.claims.is_empty() {
            show(serde_json::to_string(&entry.claims).unwrap_or_default().as_bytes());
        }
    }

    /// Looks at something that the filter left in `place`, a log or the name of a metric, and keeps what it gave away.
    pub(super) fn look_at_log(&mut self, place: &str, bytes: &[u8]) {
        self.found.extend(self.gives_away(place, bytes).or_else(|| self.tells(place, bytes)));
    }

    /// Looks at a call to another server, and keeps what it gave away.
    pub(super) fn look_at_call(&mut self, call: &Call) {
        let path = call.header(":path").unwrap_or_default();
        let place = format!("a call of `{}`", path.escape_ascii());
        let parts = parts(&call.headers, &call.body, &call.trailers);
        let found: Vec<_> = parts.filter_map(|part| self.gives_away(&place, part)).collect();
        self.found.extend(found);
    }

    /// What an answer gives away.
    pub(super) fn in_answer(&self, answer: &Response) -> Option<String> {
        let mut parts = parts(&answer.headers, &answer.body, &answer.trailers);
        parts.find_map(|part| self.gives_away("the answer", part))
    }

    /// What was in a redacted field and nowhere that people see.
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

    /// What was anywhere else in a request.
    fn tells(&self, place: &str, bytes: &[u8]) -> Option<String> {
        if self.shown.is_empty() {
            return None;
        }
        let one = pseudonyms(bytes).find(|one| self.shown.contains_key(*one))?;
        Some(format!("{place} gives away `{}`, which was scrubbed out of a request", one.escape_ascii()))
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

/// All bytes of a message.
fn parts<'a>(headers: &'a Fields, body: &'a [u8], trailers: &'a Fields) -> impl Iterator<Item = &'a [u8]> {
    let fields = headers.iter().chain(trailers);
    fields.flat_map(|(name, value)| [name.as_slice(), value]).chain([body])
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
        leaks.expect(&entry(&fields), Vec::new);
        leaks.look_at_call(&call(&[&path, "", ""]));
        assert!(leaks.take().is_empty(), "people see the path");
        let gone = format!("gives away `{secret}`, which was scrubbed out of a field that is redacted");
        let doubled = format!("scrubbed-{secret}");
        for parts in [[&doubled, "", ""], ["", &doubled, ""], ["", "", &doubled]] {
            leaks.look_at_call(&call(&parts));
            assert_eq!(leaks.take(), BTreeSet::from([format!("a call of `` {gone}")]), "{parts:?}");
            let Call { headers, body, trailers, .. } = call(&parts);
            let answer = Response { headers, body, trailers };
            assert_eq!(leaks.in_answer(&answer), Some(format!("the answer {gone}")), "{parts:?}");
        }
        leaks.forget(6);
        leaks.look_at_call(&call(&[&secret, "", ""]));
        assert!(leaks.take().is_empty());
    }

    #[test]
    fn nothing_that_was_scrubbed_is_in_a_log() {
        let one = "scrubbed-".to_owned() + &"c".repeat(32);
        for fields in [format!(r#"[":path","/?t={one}"]"#), format!(r#"["x-note","{one}"]"#)] {
            let mut leaks = Leaks::default();
            leaks.expect(&entry(&fields), Vec::new);
            assert_eq!(leaks.in_answer(&Response::new(400, one.as_str())), None, "who sent it may be told");
            leaks.look_at_log("a log line", one.as_bytes());
            let expected = format!("a log line gives away `{one}`, which was scrubbed out of a request");
            assert_eq!(leaks.take(), BTreeSet::from([expected]));
        }
    }

    #[test]
    fn a_field_that_the_route_redacts_is_a_secret() {
        let one = "scrubbed-".to_owned() + &"d".repeat(32);
        let mut leaks = Leaks::default();
        leaks.expect(&entry(&format!(r#"["X-Partner","{one}"]"#)), || vec!["x-partner".into()]);
        assert!(leaks.in_answer(&Response::new(400, one.as_str())).is_some());
        let mut asked = false;
        leaks.expect(&entry(r#"["x-partner","plain"]"#), || {
            asked = true;
            Vec::new()
        });
        assert!(!asked, "nothing was scrubbed");
    }

    /// With these bytes in a header field, the body and a trailer field.
    fn call([header, body, trailer]: &[&str; 3]) -> Call {
        let fields = |value: &str| vec![(b"x".to_vec(), value.as_bytes().to_vec())];
        let (headers, trailers) = (fields(header), fields(trailer));
        Call { headers, body: body.as_bytes().to_vec(), trailers, timeout: Time::ZERO }
    }
}
