//! A lane of evidence at the gateway: all lines that were made, and how many of them the service has acknowledged.

use countersign_protocol::{Hash, Token};
use serde_json::{Value, json};

use super::caller::Caller;
use crate::harness::record;

pub(crate) struct Lane {
    producer: Token,
    name: &'static str,
    lines: Vec<String>,
    acked: usize,
}

impl Lane {
    pub(crate) fn new(producer: Token, name: &'static str) -> Self {
        Self { producer, name, lines: Vec::new(), acked: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Makes a record and returns its hash.
    pub(crate) fn make(&mut self, kind: &str, members: Value) -> Hash {
        let prev = self.lines.last().map_or(Hash::ZERO, |line| Hash::of(line.as_bytes()));
        let line = record(self.producer, self.name, (self.lines.len() as u64, prev), kind, members);
        let hash = Hash::of(line.as_bytes());
        self.lines.push(line);
        hash
    }

    /// What a delivery has to carry.
    pub(crate) fn unacked(&self) -> &[String] {
        &self.lines[self.acked..]
    }

    /// Takes the acknowledgement out of a reply; it never goes back.
    pub(crate) fn ack(&mut self, reply: &Value) {
        let mine = |ack: &&Value| ack["producer"] == json!(self.producer) && ack["lane"] == self.name;
        if let Some(ack) = reply["acked"].as_array().unwrap().iter().find(mine) {
            let acked = usize::try_from(ack["seq"].as_u64().unwrap()).unwrap() + 1;
            assert!((self.acked..=self.lines.len()).contains(&acked), "{ack}");
            self.acked = acked;
        }
    }

    /// What is kept is what was made, and at least what was acknowledged.
    pub(crate) async fn check(&self, caller: &Caller, root: &str) {
        let path = format!("/v1/evidence?producer={}&lane={}", self.producer, self.name);
        let kept = caller.get(&path, root).await.unwrap();
        // One line of JSON is read as what it is, several are text.
        let kept = kept.as_str().map_or_else(|| kept.to_string(), str::to_owned);
        let kept: Vec<_> = kept.lines().collect();
        assert!((self.acked..=self.lines.len()).contains(&kept.len()), "{} of {}", kept.len(), self.acked);
        assert_eq!(kept, self.lines[..kept.len()]);
    }
}
