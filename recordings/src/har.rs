//! HAR 1.2, as Chromium, Firefox, Safari and mitmproxy export it.

mod body;

use std::io::BufRead;

use countersign_protocol::recording::{Fidelity, Request, lost};
use serde_json::Value;

use crate::draft::{Broken, Draft, Found, Piece};
use crate::elements::Elements;
use crate::head::Head;
use crate::time;

/// The entries of a HAR, one in memory at a time.
pub(crate) struct Har<R: BufRead> {
    elements: Elements<R>,
    place: u64,
}

impl<R: BufRead> Har<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { elements: Elements::new(input, &[&["log"], &["entries"]], &["creator"]), place: 0 }
    }

    fn tool(&self) -> Option<String> {
        let creator = self.elements.kept.get("creator")?;
        let name = creator.get("name")?.as_str()?;
        let version = creator.get("version").and_then(Value::as_str).unwrap_or_default();
        Some(format!("{name} {version}").trim_end().to_owned())
    }

    fn signed(&self, mut draft: Draft) -> Draft {
        draft.tool = self.tool();
        // Chromium calls itself so, and gives the fields that were sent sorted, those of the page after them.
        if draft.tool.as_ref().is_some_and(|tool| tool.starts_with("WebInspector")) {
            draft.lose(lost::HEADER_ORDER);
        }
        draft
    }
}

impl<R: BufRead> Iterator for Har<R> {
    type Item = Result<Piece, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = match self.elements.next() {
            Ok(entry) => entry?,
            Err(Broken::Wrong(message)) => {
                return Some(Err(Broken::Wrong(format!("after {} entries: {message}", self.place))));
            }
            Err(error) => return Some(Err(error)),
        };
        let place = self.place;
        self.place += 1;
        let found = match draft(&entry) {
            Ok(draft) => Found::Request(Box::new(self.signed(draft))),
            Err(why) => Found::Nothing(why),
        };
        Some(Ok(Piece { place, found }))
    }
}

/// The text at a JSON pointer.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn draft(entry: &Value) -> Result<Draft, String> {
    if let Some(why) = not_on_the_wire(entry) {
        return Err(why.into());
    }
    let request = entry.get("request").ok_or("it has no request")?;
    let mut fields = pairs(request, "headers");
    let cookies = pairs(request, "cookies");
    let without = !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("cookie"));
    let rebuilt = without && !cookies.is_empty();
    if rebuilt {
        let cookies: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        fields.push(("cookie".into(), cookies.join("; ")));
    }
    let head = Head::new(text(request, "/method"), text(request, "/url"), fields)?;
    let mut draft = Draft::new(Fidelity::Client, Request { headers: head.fields, ..Request::default() });
    draft.lost = head.lost;
    if rebuilt {
        draft.lose(lost::HEADER_BYTES);
        draft.lose(lost::HEADER_ORDER);
    }
    let (time, exact) = time::iso(text(entry, "/startedDateTime")).unzip();
    draft.at(time, exact.unwrap_or(false));
    draft.lose(lost::PEER);
    body::take(&mut draft, request);
    Ok(draft)
}

/// Why no gateway saw it, if none did.
fn not_on_the_wire(entry: &Value) -> Option<&'static str> {
    let status = entry.pointer("/response/status").and_then(Value::as_i64);
    let messages = entry.get("_webSocketMessages").is_some();
    let resource = text(entry, "/_resourceType");
    let cached = entry.get("_fromCache").is_some_and(|from| !from.is_null() && from != false);
    if status == Some(101) || messages || resource == "websocket" {
        return Some("a WebSocket");
    }
    if cached {
        return Some("answered from a cache");
    }
    if entry.get("_fetchedViaServiceWorker") == Some(&Value::Bool(true)) {
        return Some("answered by a service worker");
    }
    // Browsers write no version where nothing was sent; proxies do, because they have seen the request.
    let unsent = status == Some(0) && text(entry, "/request/httpVersion").is_empty();
    unsent.then_some("it failed (status 0) and may never have been sent")
}

/// `[{"name": …, "value": …}]`; members of other shapes are passed over.
fn pairs(value: &Value, member: &str) -> Vec<(String, String)> {
    let all = value.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let pair = |pair: &Value| {
        let value = match pair.get("value") {
            Some(Value::String(value)) => value.clone(),
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        Some((pair.get("name")?.as_str()?.to_owned(), value))
    };
    all.iter().filter_map(pair).collect()
}
