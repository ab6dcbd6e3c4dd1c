//! Whether one more question may be asked of people.

use countersign_protocol::request::Question;

use super::Refusal;
use crate::store::gateways::Gateway;
use crate::store::{StoreError, Tx};

/// Over how long the rate of asking is counted, milliseconds.
const MINUTE: i64 = 60_000;

impl Tx<'_> {
    /// Why people are not asked this now, if they are not.
    pub(super) async fn limited(
        &mut self,
        gateway: &Gateway,
        question: &Question,
    ) -> Result<Option<Refusal>, StoreError> {
        if self.asked_lately(gateway, question).await? >= i64::from(self.store.limits.asked_per_minute) {
            let detail = "this principal asked too often within the last minute";
            return Ok(Some(Refusal("asked_too_often", detail.into())));
        }
        let most = self.too_many(gateway, question).await?;
        let detail = |most| format!("too many requests are open {most}: people have to answer some first");
        Ok(most.map(|most| Refusal("too_many_open", detail(most))))
    }

    async fn asked_lately(&mut self, gateway: &Gateway, question: &Question) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT count(*) FROM tickets WHERE audience = $1 AND principal = $2 AND asked_at > $3",
        );
        let query = query.bind(&gateway.audience).bind(&question.cedar.principal).bind(self.now - MINUTE);
        Ok(query.fetch_one(&mut *self.inner).await?)
    }

    /// Where too many are open, if anywhere. No part can be over its limit while the whole is below it, so only the
    /// whole is counted as a rule.
    async fn too_many(
        &mut self,
        gateway: &Gateway,
        question: &Question,
    ) -> Result<Option<&'static str>, StoreError> {
        let limits = self.store.limits;
        let all: i64 = sqlx::query_scalar("SELECT count FROM open_count").fetch_one(&mut *self.inner).await?;
        let over = |count: i64, most: u32| count >= i64::from(most);
        if over(all, limits.open) {
            return Ok(Some("in all"));
        }
        if over(all, limits.open_per_principal)
            && over(self.open_of_principal(gateway, question).await?, limits.open_per_principal)
        {
            return Ok(Some("of this principal"));
        }
        if over(all, limits.open_per_gate) {
            for gate in &question.gates {
                if over(self.open_at(gateway, &gate.gate.id).await?, limits.open_per_gate) {
                    return Ok(Some("at one of its gates"));
                }
            }
        }
        if over(all, limits.open_per_audience)
            && over(self.open_of_audience(gateway).await?, limits.open_per_audience)
        {
            return Ok(Some("of this audience"));
        }
        Ok(None)
    }

    async fn open_of_principal(&mut self, gateway: &Gateway, question: &Question) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT count(*) FROM tickets
             WHERE audience = $1 AND principal = $2 AND state IN ('pending', 'approved')",
        );
        let query = query.bind(&gateway.audience).bind(&question.cedar.principal);
        Ok(query.fetch_one(&mut *self.inner).await?)
    }

    async fn open_of_audience(&mut self, gateway: &Gateway) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT count(*) FROM tickets WHERE audience = $1 AND state IN ('pending', 'approved')",
        );
        Ok(query.bind(&gateway.audience).fetch_one(&mut *self.inner).await?)
    }

    async fn open_at(&mut self, gateway: &Gateway, gate: &str) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar("SELECT count(*) FROM open_gates WHERE audience = $1 AND gate = $2");
        Ok(query.bind(&gateway.audience).bind(gate).fetch_one(&mut *self.inner).await?)
    }
}
