//! Claims: the one update that uses a grant up, and the signed receipt that says so.

use std::collections::{BTreeMap, BTreeSet};

use countersign_protocol::approval::{Claim, ClaimAnswer, ClaimBatch, ClaimReply, ClaimResult, State};
use countersign_protocol::grant::Receipt;
use countersign_protocol::{Hash, Token, UnixMillis};

use super::evidence::KeepError;
use super::log::Happened;
use super::service::Service;
use super::tickets::{Ticket, state_name};

/// How long a receipt counts, seconds: the request goes on at once or not at all.
const RECEIPT_SECONDS: i64 = 60;
/// How long a gateway has to say what became of a use, milliseconds.
const REPORT_WITHIN: UnixMillis = 5 * 60 * 1000;

/// The claims that won, by nonce.
#[derive(Debug, Default)]
pub(super) struct Claims {
    won: BTreeMap<Token, Won>,
    /// One record, one use.
    records: BTreeSet<Hash>,
    /// Whether receipts that are given now name another nonce than the claim's.
    pub(super) misnamed: bool,
}

#[derive(Debug)]
struct Won {
    claim: Claim,
    receipt: String,
    /// Until when the gateway is to say what became of it; nothing once it has, or once that is over.
    report_by: Option<UnixMillis>,
    forwarded: bool,
}

impl Claims {
    /// The ticket and the evidence record of the claim with this nonce.
    pub(super) fn won(&self, nonce: Token) -> Option<(Token, Hash)> {
        self.won.get(&nonce).map(|won| (won.claim.ticket, won.claim.record))
    }

    /// Forgets the uses of other tickets than these; gives those that were still to be reported.
    pub(super) fn retain(&mut self, kept: impl Fn(Token) -> bool) -> Vec<(Token, UnixMillis)> {
        let gone = self.won.extract_if(.., |_, won| !kept(won.claim.ticket));
        let mut awaited = Vec::new();
        for (nonce, won) in gone {
            self.records.remove(&won.claim.record);
            awaited.extend(won.report_by.map(|by| (nonce, by)));
        }
        awaited
    }
}

impl Service {
    /// Keeps the evidence that came with a batch of claims, then decides each claim.
    pub(super) fn claim(&mut self, batch: ClaimBatch) -> Result<ClaimReply, KeepError> {
        let acked = self.keep(batch.evidence)?;
        let items = batch.items.into_iter().map(|claim| {
            let nonce = claim.nonce;
            let about = claim.clone();
            let result = match self.claim_one(claim) {
                ClaimResult::Won { .. } if self.claims.misnamed => self.misname(about),
                result => result,
            };
            ClaimAnswer { nonce, result }
        });
        Ok(ClaimReply { acked, items: items.collect() })
    }

    fn claim_one(&mut self, claim: Claim) -> ClaimResult {
        // The same nonce is the same use and gets the same bytes; one that named another use gets nothing.
        if let Some(before) = self.claims.won.get(&claim.nonce) {
            return match before.claim == claim {
                true => ClaimResult::Won { receipt: before.receipt.clone() },
                false => self.lost(&claim),
            };
        }
        let evident = self.evidence.has(claim.record) && !self.claims.records.contains(&claim.record);
        if !evident || !self.use_up(&claim) {
            return self.lost(&claim);
        }
        let receipt = self.signer.receipt(&self.receipt(&claim));
        let report_by = self.now.saturating_add(REPORT_WITHIN);
        self.await_report(claim.nonce, report_by, true);
        self.claims.records.insert(claim.record);
        self.note(Happened::new(self.now, "claimed").to(claim.ticket));
        let won = Won { claim, receipt: receipt.clone(), report_by: Some(report_by), forwarded: false };
        self.claims.won.insert(won.claim.nonce, won);
        ClaimResult::Won { receipt }
    }

    /// What a service that was taken over could give for a claim: the receipt of one that nobody made.
    fn misname(&self, claim: Claim) -> ClaimResult {
        let mut nonce = claim.nonce;
        nonce.0.iter_mut().for_each(|byte| *byte = !*byte);
        ClaimResult::Won { receipt: self.signer.receipt(&self.receipt(&Claim { nonce, ..claim })) }
    }

    fn use_up(&mut self, claim: &Claim) -> bool {
        let now = self.now;
        let fits = |ticket: &Ticket| {
            ticket.digest == claim.digest
                && ticket.jti == Some(claim.jti)
                && ticket.state == State::Approved
                && ticket.used < ticket.uses
        };
        let use_up = |ticket: &mut Ticket| {
            if !fits(ticket) {
                return false;
            }
            ticket.used += 1;
            if ticket.used == ticket.uses {
                ticket.settle(State::Consumed, now);
            }
            true
        };
        self.change(claim.ticket, use_up).unwrap_or(false)
    }

    fn lost(&mut self, claim: &Claim) -> ClaimResult {
        let state = self.tickets.get(&claim.ticket).map_or(State::Unknown, |ticket| ticket.state);
        self.note(Happened::new(self.now, "lost").to(claim.ticket).code(state_name(state)));
        ClaimResult::Lost { state }
    }

    fn receipt(&self, claim: &Claim) -> Receipt {
        let iat = self.now.div_euclid(1000);
        Receipt {
            iss: self.signer.issuer.clone(),
            aud: self.audience.clone(),
            iat,
            exp: iat + RECEIPT_SECONDS,
            jti: claim.jti,
            ticket: claim.ticket,
            digest: claim.digest,
            nonce: claim.nonce,
            record: claim.record,
        }
    }

    /// The request of a claim went on. Saying so again changes nothing.
    pub(super) fn forwarded(&mut self, ticket: Token, nonce: Token, status: Option<u16>) {
        let unsaid = |won: &&mut Won| won.claim.ticket == ticket && !won.forwarded;
        let Some(won) = self.claims.won.get_mut(&nonce).filter(unsaid) else { return };
        won.forwarded = true;
        if let Some(by) = won.report_by.take() {
            self.await_report(nonce, by, false);
        }
        let status = status.map_or("unknown".into(), |status| status.to_string());
        self.note(Happened::new(self.now, "forwarded").to(ticket).code(status));
    }

    /// Nobody said in time what became of a use. A later report still counts.
    pub(super) fn unreported(&mut self, nonce: Token) {
        let Some(won) = self.claims.won.get_mut(&nonce) else { return };
        won.report_by = None;
        let ticket = won.claim.ticket;
        self.note(Happened::new(self.now, "outcome_unknown").to(ticket));
    }
}
