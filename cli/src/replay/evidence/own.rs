//! Which evidence is a request's own: every request has exactly its records, and every record its request.

use countersign_host_test::Ended;
use countersign_host_test::approvals::Approvals;
use countersign_protocol::Hash;
use countersign_protocol::evidence::Lane;

use super::{Evidence, Kept, Place, Said};
use crate::replay::played::{Seen, Summary};

/// What of the evidence is a request's own.
#[derive(Debug, Default)]
pub(in crate::replay) struct Own {
    /// The record of what became of it.
    pub(in crate::replay) record: Option<Said>,
    /// What is not as it must be.
    pub(in crate::replay) broken: Vec<String>,
}

/// Whether a record says what became of a request.
pub(super) fn decides(said: &Said) -> bool {
    let kind = said.kind.as_str();
    matches!(kind, "allowed" | "denied" | "forwarded" | "pending" | "client_left") || is_observed(said)
}

fn is_observed(said: &Said) -> bool {
    said.kind == "needs_approval" && said.enforced == Some(false)
}

/// The kind of the record that belongs to a line of the access log.
fn kind(summary: &Summary) -> &str {
    if summary.decision == "countersigned" { "forwarded" } else { &summary.decision }
}

impl Evidence {
    /// Takes what is the own evidence of a request that is over; `digest` when people were to be asked about it.
    pub(in crate::replay) fn own(&mut self, seen: &Seen, digest: Option<Hash>, approvals: &Approvals) -> Own {
        let Some(summary) = &seen.summary else { return self.left(seen, digest) };
        let place = match summary.record {
            Some(place) => place,
            None => return Own::broken("its line in the access log names no evidence"),
        };
        let Some(said) = self.take(place) else {
            return Own::broken(
                "the evidence that its line in the access log names is not there, or another's",
            );
        };
        let mut broken = differing(summary, &said);
        if said.kind == "forwarded" && !self.is_claimed(&said, approvals) {
            broken.push("it went on by no claim of its own that the approval service granted".into());
        }
        if let (Some(digest), false) = (said.digest, is_observed(&said))
            && !self.ask(digest, place)
        {
            broken.push("there is no question of its own in its evidence".into());
        }
        if said.digest.is_none() {
            // One that lost its claim to another like it is judged anew, and may not be asked about then.
            if let Some(digest) = digest {
                self.of_digest.entry(digest).or_default().requests += 1;
                self.untaken(digest, "needs_approval").and_then(|place| self.take(place));
            }
            self.records.remove(&place);
            let taken_back = said.record.map(|seq| Place { seq, ..place });
            if taken_back.is_some_and(|place| self.records.remove(&place).is_none()) {
                broken.push("what its evidence takes back is not there".into());
            }
        }
        Own { record: Some(said), broken }
    }

    /// A client that left while people were asked leaves a record of that; before, nothing.
    fn left(&mut self, seen: &Seen, digest: Option<Hash>) -> Own {
        let asked = digest.filter(|_| matches!(seen.ended, Ended::Left));
        let found = asked.map(|digest| (digest, self.untaken(digest, "client_left")));
        match found {
            Some((digest, Some(place))) => {
                let record = self.take(place);
                let asked = self.ask(digest, place);
                let broken = (!asked).then(|| "there is no question of its own in its evidence".into());
                Own { record, broken: broken.into_iter().collect() }
            }
            Some((digest, None)) if self.untaken(digest, "needs_approval").is_some() => {
                Own::broken("its client left, and there is no record of that")
            }
            _ => {
                self.unheard += usize::from(matches!(seen.ended, Ended::Left));
                Own::default()
            }
        }
    }

    /// The record at a place, which is then nobody else's.
    fn take(&mut self, place: Place) -> Option<Said> {
        let kept = self.records.get_mut(&place).filter(|kept| !kept.taken)?;
        kept.taken = true;
        Some(kept.said.clone())
    }

    /// The first record of a kind about requests of a digest that is nobody's yet.
    fn untaken(&self, digest: Hash, kind: &str) -> Option<Place> {
        let group = self.of_digest.get(&digest)?;
        let is = |place: &&Place| {
            self.records.get(place).is_some_and(|kept| !kept.taken && kept.said.kind == kind)
        };
        group.places.iter().find(is).copied()
    }

    /// Takes the question that came before the record at this place.
    fn ask(&mut self, digest: Hash, end: Place) -> bool {
        if let Some(group) = self.of_digest.get_mut(&digest) {
            group.requests += 1;
        }
        let before =
            |place: &Place| place.producer == end.producer && place.lane == end.lane && place.seq < end.seq;
        let places = self.of_digest.get(&digest).map(|group| group.places.clone()).unwrap_or_default();
        let question = places.into_iter().filter(before).find(|place| {
            let kept = self.records.get(place);
            kept.is_some_and(|kept| !kept.taken && kept.said.kind == "needs_approval")
        });
        question.and_then(|place| self.take(place)).is_some()
    }

    /// Whether a request went on by a claim that is in evidence before it, that the service granted, and by which
    /// nothing else went on.
    fn is_claimed(&mut self, forwarded: &Said, approvals: &Approvals) -> bool {
        let (Some(digest), Some(nonce), Some(hash)) = (forwarded.digest, forwarded.nonce, forwarded.claim)
        else {
            return false;
        };
        let group = self.of_digest.get(&digest);
        let claim = group.into_iter().flat_map(|group| &group.places).copied().find(|place| {
            self.records.get(place).is_some_and(|Kept { said, hash: own, taken, .. }| {
                let same = (said.nonce, said.ticket, said.producer)
                    == (Some(nonce), forwarded.ticket, forwarded.producer);
                said.kind == "claim" && *own == hash && !taken && same && said.seq < forwarded.seq
            })
        });
        let granted = approvals.won(nonce) == forwarded.ticket.map(|ticket| (ticket, hash));
        claim.and_then(|place| self.take(place)).is_some() && granted
    }

    /// All that is about no request, at the end.
    pub(in crate::replay) fn rest(&mut self) -> Vec<String> {
        let rest = std::mem::take(&mut self.records).into_values().collect();
        self.spare(rest)
    }

    /// What of records that are forgotten was about no request. One that lost its claim to another like it asks
    /// again, so a second question needs a second request; and a client that left while an allow was being kept has
    /// nothing else in evidence.
    pub(super) fn spare(&mut self, gone: Vec<Kept>) -> Vec<String> {
        let mut spare = Vec::new();
        for Kept { said, .. } in gone.into_iter().filter(|kept| !kept.taken) {
            let twins =
                said.digest.and_then(|digest| self.of_digest.get(&digest)).map_or(0, |group| group.requests);
            let kept = said.kind == "allowed" && said.lane == Lane::Held && self.unheard > 0;
            let excused = kept || (said.kind == "needs_approval" && twins > 1);
            self.unheard -= usize::from(kept);
            if !excused && (decides(&said) || said.kind == "needs_approval") {
                let Place { producer, seq, .. } = said.place();
                spare.push(format!(
                    "record {seq} of producer `{producer}`, `{}`, is about no request",
                    said.kind
                ));
            }
        }
        spare
    }
}

impl Own {
    fn broken(what: &str) -> Self {
        Self { record: None, broken: vec![what.into()] }
    }
}

/// Where the line of the access log and the record say something else.
fn differing(summary: &Summary, said: &Said) -> Vec<String> {
    let none = || "none".to_owned();
    let pairs = [
        ("what became of it", kind(summary).to_owned(), said.kind.clone()),
        (
            "the reason",
            summary.reason.clone().filter(|_| summary.decision == "denied").unwrap_or_else(none),
            said.reason.clone().unwrap_or_else(none),
        ),
        (
            "the ticket",
            summary.ticket.map_or_else(none, |ticket| ticket.to_string()),
            said.ticket.map_or_else(none, |ticket| ticket.to_string()),
        ),
        ("carried out", summary.enforced.to_string(), said.enforced.unwrap_or(true).to_string()),
    ];
    let differ = pairs.into_iter().filter(|(_, line, record)| line != record);
    differ
        .map(|(what, line, record)| format!("{what}: `{line}` in the access log, `{record}` in its evidence"))
        .collect()
}
