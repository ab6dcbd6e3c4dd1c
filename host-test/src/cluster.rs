//! Other servers that a filter calls: what it sends them, and what comes back.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Ordered header or trailer fields as bytes; names in lower case.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Time since the Unix epoch, by the gateway's virtual clock.
pub type Time = Duration;

/// A call in flight, among all of a gateway's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What a filter sends (`proxy_http_call`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Header fields, `:method`, `:path` and `:authority` among them.
    pub headers: Fields,
    /// The body.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Fields,
    /// How long the gateway waits for the answer.
    pub timeout: Duration,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A whole response.
    Response(Response),
    /// The connection breaks: the filter sees no header fields at all.
    Reset,
}

/// A response, of a server or of the gateway in its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// Header fields, `:status` first.
    pub headers: Fields,
    /// The body.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Fields,
}

/// Whether the gateway sends a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It does; the answer comes later.
    Taken,
    /// It does not, and tells the filter at once (`InternalFailure`).
    Refused,
}

/// A server behind the gateway that a filter may call. It has no clock of its own: it is told the time, and says
/// when it wants to be asked again. A call that it does not answer within the call's time ends as Envoy ends it,
/// with 504.
pub trait Cluster {
    /// A call arrives.
    fn call(&mut self, id: CallId, call: &Call, now: Time) -> Sent;

    /// When it has something to say next, if nobody calls before.
    fn due(&self) -> Option<Time>;

    /// What it has to say by now, in order. It is asked after every call and whenever it is due.
    fn answers(&mut self, now: Time) -> Vec<(CallId, Answer)>;

    /// Nobody waits for the answer to this call any more.
    fn forget(&mut self, _id: CallId) {}
}

impl Call {
    /// The first value of a header field.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        find(&self.headers, name)
    }
}

impl Response {
    /// A response with this status and body, and no other header fields.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![(b":status".to_vec(), status.to_string().into_bytes())];
        Self { headers, body: body.into(), trailers: Fields::new() }
    }

    /// The same with one more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_ascii_lowercase().into_bytes(), value.into()));
        self
    }

    /// `:status`, or 0 when there is none that is a number.
    #[must_use]
    pub fn status(&self) -> u16 {
        let status =
            find(&self.headers, ":status").and_then(|value| str::from_utf8(value).ok()?.parse().ok());
        status.unwrap_or(0)
    }
}

pub(crate) fn find<'a>(fields: &'a Fields, name: &str) -> Option<&'a [u8]> {
    fields.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| value.as_slice())
}

/// A server that somebody else looks at as well.
impl<C: Cluster> Cluster for Rc<RefCell<C>> {
    fn call(&mut self, id: CallId, call: &Call, now: Time) -> Sent {
        self.borrow_mut().call(id, call, now)
    }

    fn due(&self) -> Option<Time> {
        self.borrow().due()
    }

    fn answers(&mut self, now: Time) -> Vec<(CallId, Answer)> {
        self.borrow_mut().answers(now)
    }

    fn forget(&mut self, id: CallId) {
        self.borrow_mut().forget(id);
    }
}
