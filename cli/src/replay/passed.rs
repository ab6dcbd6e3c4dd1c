//! What must hold of a request that went on: the upstream got what was sent, and not before it was permitted.

use countersign_core::reading::to_strip;
use countersign_host_test::{Ended, Fields, Forwarded};

use super::{Played, request};

/// What does not hold of what the upstream got.
pub(super) fn broken(played: &Played, forwarded: &Forwarded) -> Vec<String> {
    let broken = [early(played, forwarded), changed(played, forwarded)];
    broken.into_iter().flatten().chain(fields(played, forwarded)).collect()
}

/// The first byte of it did not go on before the record of its permission was made. That there is one, and what it
/// permits, is a matter of its evidence.
fn early(played: &Played, forwarded: &Forwarded) -> Option<String> {
    let permitted = played.own.as_ref()?.ts;
    let at = i64::try_from(forwarded.at.as_millis()).unwrap_or(i64::MAX);
    (at < permitted)
        .then(|| format!("it went on {} ms before it was permitted", permitted.saturating_sub(at)))
}

/// What went on of a body is what came.
fn changed(played: &Played, forwarded: &Forwarded) -> Option<String> {
    let sent = played.entry.request.body.as_ref().map(|body| body.0.as_slice()).unwrap_or_default();
    let whole = matches!(played.seen.ended, Ended::Upstream);
    let same = if whole { sent == forwarded.body } else { sent.starts_with(&forwarded.body) };
    (!same).then(|| "the upstream got another body than was sent".into())
}

/// Header fields without the gateway's own. Among pseudo-headers there is no order where they are no fields (HTTP/1.1).
fn theirs(played: &Played, mut fields: Fields) -> Fields {
    fields.retain(|(name, _)| !played.added.iter().any(|added| added.as_bytes() == name));
    let pseudo = |name: &[u8]| name.starts_with(b":");
    if !played.added.is_empty() {
        fields.sort_by(|(one, _), (other, _)| match (pseudo(one), pseudo(other)) {
            (true, true) => one.cmp(other),
            (one, other) => other.cmp(&one),
        });
    }
    fields
}

/// Header fields and trailers went on as they came, in order, but for those that no client may send.
fn fields(played: &Played, forwarded: &Forwarded) -> Vec<String> {
    let sent = request::headers(&played.entry, played.number);
    let (stripped, kept): (Fields, Fields) = sent.into_iter().partition(|(name, _)| to_strip(name));
    let (kept, came) = (theirs(played, kept), theirs(played, forwarded.headers.clone()));
    let passed = |(name, _): &&(Vec<u8>, Vec<u8>)| came.iter().any(|(other, _)| other == name);
    if let Some((name, _)) = stripped.iter().find(passed) {
        return vec![format!("the upstream got `{}`, which no client may send", name.escape_ascii())];
    }
    let mut broken = Vec::new();
    if kept != came {
        broken.push("the upstream got other header fields than were sent".into());
    }
    if forwarded.complete && request::trailers(&played.entry) != forwarded.trailers {
        broken.push("the upstream got other trailers than were sent".into());
    }
    broken
}
