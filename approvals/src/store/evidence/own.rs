//! The service's own evidence: what happens to tickets, as one producer that all replicas share.

use countersign_protocol::evidence::{Chain, Lane, Members};
use countersign_protocol::{Hash, Token};
use sqlx::Row as _;

use super::{OWN_KINDS, name};
use crate::random;
use crate::store::history::Entry;
use crate::store::tickets::parsed;
use crate::store::{StoreError, Tx};

/// All that it makes concerns requests that are held.
const LANE: Lane = Lane::Held;

impl Entry {
    /// What a record of it is called: never what a filter calls one of its own.
    fn kind(&self) -> String {
        format!("{OWN_KINDS}{}", self.event)
    }

    /// What a record of it says.
    pub(in crate::store) fn members(&self, ticket: Token) -> Members {
        let members = Members::default().with("ticket", ticket).with("person", self.person());
        members.with("code", &self.code).with("detail", &self.detail)
    }
}

impl Tx<'_> {
    /// Appends what happened to a ticket to the service's own lane. Writers take turns, so its end stays where it is
    /// until this transaction ends, at whichever replica; a transaction that is undone leaves no hole.
    pub(in crate::store) async fn make_record(
        &mut self,
        ticket: Token,
        entry: &Entry,
        members: &Members,
    ) -> Result<(), StoreError> {
        let mut chain = match self.chain.take() {
            Some(chain) => chain,
            None => self.own_chain().await?,
        };
        let record = chain.append(self.now, &entry.kind(), members);
        self.chain = Some(chain);
        if self.insert(&record, Some(ticket)).await? {
            Ok(())
        } else {
            Err(StoreError::Evidence(record.envelope.seq))
        }
    }

    /// Where the lane ends; begins it in a database that has none.
    async fn own_chain(&mut self) -> Result<Chain, StoreError> {
        let known = sqlx::query(
            "SELECT p.id, l.ends, e.hash FROM producers AS p
             JOIN lanes AS l ON l.producer = p.id AND l.lane = $1
             LEFT JOIN evidence AS e ON e.producer = l.producer AND e.lane = l.lane AND e.seq = l.ends - 1
             WHERE p.own = 1",
        )
        .bind(name(LANE))
        .fetch_optional(&mut *self.inner)
        .await?;
        let Some(known) = known else { return self.begin_chain().await };
        let seq: i64 = known.try_get("ends")?;
        let last: Option<String> = known.try_get("hash")?;
        // A last record that somebody took away is a break from here on.
        let prev = if last.is_some() { parsed(&known, "hash")? } else { Hash::ZERO };
        Ok(Chain { producer: parsed(&known, "id")?, lane: LANE, seq: seq.unsigned_abs(), prev })
    }

    async fn begin_chain(&mut self) -> Result<Chain, StoreError> {
        let chain = Chain::new(random::token()?, LANE);
        let id = chain.producer.to_string();
        sqlx::query("INSERT INTO producers (id, gateway, own) VALUES ($1, '', 1)")
            .bind(id.clone())
            .execute(&mut *self.inner)
            .await?;
        self.begin_lane(&id, LANE).await?;
        Ok(chain)
    }

    /// Says how far the lane reaches, once all of this transaction is in it.
    pub(in crate::store) async fn end_chain(&mut self) -> Result<(), StoreError> {
        let Some(chain) = self.chain.take() else { return Ok(()) };
        sqlx::query("UPDATE lanes SET next = $1, ends = $1 WHERE producer = $2 AND lane = $3")
            .bind(i64::try_from(chain.seq).unwrap_or(i64::MAX))
            .bind(chain.producer.to_string())
            .bind(name(chain.lane))
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}
