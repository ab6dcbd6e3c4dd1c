//! Outcomes: what became of tickets at the gateway. Saying the same twice changes nothing.

use countersign_protocol::approval::{Ack, Outcome, OutcomeEvent, Remedy};
use countersign_protocol::{Token, UnixMillis};

use super::answers::answers;
use super::evidence::KeepError;
use super::gateways::Gateway;
use super::history::Entry;
use super::{Store, StoreError, Tx};

/// How long a ticket outlives the last client that waited for it, milliseconds.
const ABANDONED_AFTER: UnixMillis = 2 * 60 * 1000;

/// A grant that a gateway does not believe.
struct Disbelief<'a> {
    jti: Token,
    code: &'a str,
    answers: &'a [Token],
    remedy: Remedy,
}

impl Store {
    /// Takes a batch of outcomes, and keeps the evidence that came with it.
    pub(crate) async fn outcomes(
        &self,
        gateway: &Gateway,
        evidence: Vec<String>,
        items: &[Outcome],
    ) -> Result<Vec<Ack>, KeepError> {
        let mut tx = self.write().await?;
        let acked = tx.keep(gateway, evidence).await?;
        for outcome in items {
            tx.outcome(gateway, outcome).await?;
        }
        tx.commit().await?;
        Ok(acked)
    }
}

impl Tx<'_> {
    /// What is said about a ticket of another audience is not heard.
    async fn outcome(&mut self, gateway: &Gateway, outcome: &Outcome) -> Result<(), StoreError> {
        match &outcome.event {
            OutcomeEvent::Forwarded { nonce, status } => {
                self.forwarded(gateway, outcome.ticket, *nonce, *status).await
            }
            OutcomeEvent::GrantRefused { jti, code, answers, remedy } => {
                let disbelief = Disbelief { jti: *jti, code, answers, remedy: *remedy };
                self.disbelieved(gateway, outcome.ticket, disbelief).await
            }
            OutcomeEvent::ClientLeft { nonce } => self.left(gateway, outcome.ticket, *nonce).await,
        }
    }

    async fn forwarded(
        &mut self,
        gateway: &Gateway,
        ticket: Token,
        nonce: Token,
        status: Option<u16>,
    ) -> Result<(), StoreError> {
        let noted = sqlx::query(
            "UPDATE claims SET forwarded_at = $1, status = $2, report_by = NULL
             WHERE audience = $3 AND nonce = $4 AND ticket = $5 AND forwarded_at IS NULL",
        )
        .bind(self.now)
        .bind(status.map(i64::from))
        .bind(&gateway.audience)
        .bind(nonce.to_string())
        .bind(ticket.to_string())
        .execute(&mut *self.inner)
        .await?;
        if noted.rows_affected() == 1 {
            let status = status.map_or("unknown".into(), |status| status.to_string());
            self.record(ticket, Entry::event("forwarded").code(status)).await?;
        }
        Ok(())
    }

    async fn disbelieved(
        &mut self,
        gateway: &Gateway,
        ticket: Token,
        disbelief: Disbelief<'_>,
    ) -> Result<(), StoreError> {
        // A ticket that is open again has no grant and no deadline but the one to answer.
        let sql = match disbelief.remedy {
            Remedy::Reopen => {
                "UPDATE tickets SET state = 'pending', settled_at = NULL, jti = NULL, grant_jws = NULL, use_by = NULL
                 WHERE id = $1 AND audience = $2 AND jti = $3 AND state = 'approved' AND $4 > 0"
            }
            Remedy::Revoke => {
                "UPDATE tickets SET state = 'revoked', settled_at = $4
                 WHERE id = $1 AND audience = $2 AND jti = $3 AND state = 'approved'"
            }
        };
        let changed = sqlx::query(sql)
            .bind(ticket.to_string())
            .bind(&gateway.audience)
            .bind(disbelief.jti.to_string())
            .bind(self.now)
            .execute(&mut *self.inner)
            .await?;
        if changed.rows_affected() == 0 {
            return Ok(());
        }
        let event = match disbelief.remedy {
            Remedy::Reopen => {
                self.drop_answers(ticket, &disbelief).await?;
                "reopened"
            }
            Remedy::Revoke => "revoked",
        };
        self.record(ticket, Entry::event(event).code(disbelief.code)).await?;
        self.tell(ticket).await
    }

    /// Drops the answers that do not count; all of them when the gateway names none.
    async fn drop_answers(&mut self, ticket: Token, disbelief: &Disbelief<'_>) -> Result<(), StoreError> {
        let named = |id: &Token| disbelief.answers.is_empty() || disbelief.answers.contains(id);
        for kept in answers(&mut self.inner, ticket).await? {
            if kept.kind.is_yes() && kept.dropped.is_none() && named(&kept.answer.id) {
                self.drop_answer(ticket, &kept.answer, disbelief.code).await?;
            }
        }
        Ok(())
    }

    async fn left(&mut self, gateway: &Gateway, ticket: Token, nonce: Token) -> Result<(), StoreError> {
        let waiter: Option<Option<String>> = sqlx::query_scalar(
            "UPDATE asks SET left_at = $1 WHERE gateway = $2 AND nonce = $3 AND ticket = $4 AND left_at IS NULL
             RETURNING waiter",
        )
        .bind(self.now)
        .bind(&gateway.name)
        .bind(nonce.to_string())
        .bind(ticket.to_string())
        .fetch_optional(&mut *self.inner)
        .await?;
        let Some(waiter) = waiter else { return Ok(()) };
        sqlx::query(
            "UPDATE attachments SET left_at = $1 WHERE ticket = $2 AND waiter = $3 AND left_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM asks
                 WHERE ticket = $2 AND waiter = $3 AND left_at IS NULL AND held_until > $1)",
        )
        .bind(self.now)
        .bind(ticket.to_string())
        .bind(waiter)
        .execute(&mut *self.inner)
        .await?;
        self.record(ticket, Entry::event("client_left").detail(Some(gateway.name.clone()))).await?;
        // A hold that is over holds nobody: that client was told to come back, and coming back clears this.
        sqlx::query(
            "UPDATE tickets SET cancel_at = $1 + $2 WHERE id = $3 AND state = 'pending' AND cancel_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM attachments
                 WHERE ticket = $3 AND left_at IS NULL AND held_until > $1)",
        )
        .bind(self.now)
        .bind(ABANDONED_AFTER)
        .bind(ticket.to_string())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
