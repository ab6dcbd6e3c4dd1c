//! Claims: the one atomic update that uses a grant up, and the signed receipt that says so.

pub(crate) mod uses;

use countersign_protocol::approval::{Claim, ClaimAnswer, ClaimReply, ClaimResult, State};
use countersign_protocol::grant::Receipt;
use countersign_protocol::{Hash, Token};
use sqlx::Row as _;

use super::evidence::KeepError;
use super::gateways::Gateway;
use super::history::Entry;
use super::tickets::{parsed, state_named};
use super::{Store, StoreError, Tx};
use crate::signer::Signer;
use uses::REPORT_WITHIN;

/// How long a receipt counts, seconds: the request goes on at once or not at all.
const RECEIPT_SECONDS: i64 = 60;

impl Store {
    /// Keeps the evidence that came with a batch of claims, then decides each claim.
    pub(crate) async fn claim(
        &self,
        gateway: &Gateway,
        evidence: Vec<String>,
        items: &[Claim],
        signer: &Signer,
    ) -> Result<ClaimReply, KeepError> {
        let mut tx = self.write().await?;
        let acked = tx.keep(gateway, evidence).await?;
        let mut answers = Vec::with_capacity(items.len());
        for claim in items {
            let result = tx.claim(gateway, claim, signer).await?;
            answers.push(ClaimAnswer { nonce: claim.nonce, result });
        }
        tx.commit().await?;
        Ok(ClaimReply { acked, items: answers })
    }
}

impl Tx<'_> {
    async fn claim(
        &mut self,
        gateway: &Gateway,
        claim: &Claim,
        signer: &Signer,
    ) -> Result<ClaimResult, StoreError> {
        if let Some(result) = self.claimed_before(gateway, claim).await? {
            return Ok(result);
        }
        let evident = self.has_record(gateway, claim.record).await? && !self.record_used(claim).await?;
        if !evident || !self.use_up(gateway, claim).await? {
            return self.lost(gateway, claim).await;
        }
        let receipt = signer.receipt(&self.receipt(gateway, claim, signer))?;
        sqlx::query(
            "INSERT INTO claims (audience, nonce, ticket, jti, digest, record, receipt, at, report_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&gateway.audience)
        .bind(claim.nonce.to_string())
        .bind(claim.ticket.to_string())
        .bind(claim.jti.to_string())
        .bind(claim.digest.to_string())
        .bind(claim.record.to_string())
        .bind(&receipt)
        .bind(self.now)
        .bind(self.now + REPORT_WITHIN)
        .execute(&mut *self.inner)
        .await?;
        self.record(claim.ticket, Entry::event("claimed").detail(Some(gateway.name.clone()))).await?;
        Ok(ClaimResult::Won { receipt })
    }

    /// The same nonce is the same use and gets the same bytes; a nonce that named another use gets nothing.
    async fn claimed_before(
        &mut self,
        gateway: &Gateway,
        claim: &Claim,
    ) -> Result<Option<ClaimResult>, StoreError> {
        let prior = sqlx::query(
            "SELECT receipt, ticket, jti, digest, record FROM claims WHERE audience = $1 AND nonce = $2",
        )
        .bind(&gateway.audience)
        .bind(claim.nonce.to_string())
        .fetch_optional(&mut *self.inner)
        .await?;
        let Some(prior) = prior else { return Ok(None) };
        let same = parsed::<Token>(&prior, "ticket")? == claim.ticket
            && parsed::<Token>(&prior, "jti")? == claim.jti
            && parsed::<Hash>(&prior, "digest")? == claim.digest
            && parsed::<Hash>(&prior, "record")? == claim.record;
        if same {
            return Ok(Some(ClaimResult::Won { receipt: prior.try_get("receipt")? }));
        }
        self.lost(gateway, claim).await.map(Some)
    }

    async fn record_used(&mut self, claim: &Claim) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar("SELECT count(*) FROM claims WHERE record = $1");
        let used: i64 = query.bind(claim.record.to_string()).fetch_one(&mut *self.inner).await?;
        Ok(used > 0)
    }

    /// The claim itself. All that must hold is in this one statement, the time by the database's clock.
    async fn use_up(&mut self, gateway: &Gateway, claim: &Claim) -> Result<bool, StoreError> {
        let updated = sqlx::query(
            "UPDATE tickets SET used = used + 1,
                 settled_at = CASE WHEN used + 1 = uses THEN $1 ELSE settled_at END,
                 state = CASE WHEN used + 1 = uses THEN 'consumed' ELSE state END
             WHERE id = $2 AND audience = $3 AND digest = $4 AND jti = $5 AND state = 'approved' AND used < uses
             AND use_by > (SELECT now FROM clock)",
        )
        .bind(self.now)
        .bind(claim.ticket.to_string())
        .bind(&gateway.audience)
        .bind(claim.digest.to_string())
        .bind(claim.jti.to_string())
        .execute(&mut *self.inner)
        .await?;
        Ok(updated.rows_affected() == 1)
    }

    /// Where the ticket stands, if the gateway may know.
    async fn lost(&mut self, gateway: &Gateway, claim: &Claim) -> Result<ClaimResult, StoreError> {
        let state: Option<String> =
            sqlx::query_scalar("SELECT state_now FROM current WHERE id = $1 AND audience = $2")
                .bind(claim.ticket.to_string())
                .bind(&gateway.audience)
                .fetch_optional(&mut *self.inner)
                .await?;
        let Some(state) = state else { return Ok(ClaimResult::Lost { state: State::Unknown }) };
        // Who tries with other bytes, or again, leaves a trace.
        let code = if state == "approved" { "other_claim".to_owned() } else { format!("already_{state}") };
        let entry = Entry::event("claim_refused").detail(Some(gateway.name.clone())).code(code);
        self.record(claim.ticket, entry).await?;
        Ok(ClaimResult::Lost { state: state_named(&state) })
    }

    fn receipt(&self, gateway: &Gateway, claim: &Claim, signer: &Signer) -> Receipt {
        let iat = self.now / 1000;
        Receipt {
            iss: signer.issuer().into(),
            aud: gateway.audience.clone(),
            iat,
            exp: iat + RECEIPT_SECONDS,
            jti: claim.jti,
            ticket: claim.ticket,
            digest: claim.digest,
            nonce: claim.nonce,
            record: claim.record,
        }
    }
}
