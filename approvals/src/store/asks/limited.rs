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
        let limits = self.store.limits;
        let (all, of_audience, own, lately): (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM tickets WHERE lapses_at IS NOT NULL),
                 (SELECT count(*) FROM tickets WHERE audience = $1 AND state IN ('pending', 'approved')),
                 (SELECT count(*) FROM tickets
                      WHERE audience = $1 AND principal = $2 AND state IN ('pending', 'approved')),
                 (SELECT count(*) FROM tickets WHERE audience = $1 AND principal = $2 AND asked_at > $3)",
        )
        .bind(&gateway.audience)
        .bind(&question.cedar.principal)
        .bind(self.now - MINUTE)
        .fetch_one(&mut *self.inner)
        .await?;
        let over = |count: i64, most: u32| count >= i64::from(most);
        let most = match () {
            () if over(all, limits.open) => "requests are open in all",
            () if over(of_audience, limits.open_per_audience) => "requests are open of this audience",
            () if over(own, limits.open_per_principal) => "requests of this principal are open",
            () if over(lately, limits.asked_per_minute) => {
                let detail = "this principal asked too often within the last minute";
                return Ok(Some(Refusal("asked_too_often", detail.into())));
            }
            () if over(all, limits.open_per_gate) && self.full_gate(gateway, question).await? => {
                "requests are open at one of its gates"
            }
            () => return Ok(None),
        };
        Ok(Some(Refusal("too_many_open", format!("too many {most}: people have to answer some first"))))
    }

    /// Asked only where there are so many that one could be.
    async fn full_gate(&mut self, gateway: &Gateway, question: &Question) -> Result<bool, StoreError> {
        for gate in &question.gates {
            let open: i64 =
                sqlx::query_scalar("SELECT count(*) FROM open_gates WHERE audience = $1 AND gate = $2")
                    .bind(&gateway.audience)
                    .bind(&gate.gate.id)
                    .fetch_one(&mut *self.inner)
                    .await?;
            if open >= i64::from(self.store.limits.open_per_gate) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
