//! What happened before a request: others of its principal, the last like it that was approved, one's own answers.

use countersign_protocol::Token;
use sqlx::FromRow as _;

use super::answers::Kept;
use super::lists::{Listed, NEWEST, Place};
use super::readers::may_see;
use super::tickets::{Ticket, parsed};
use super::{Store, StoreError};
use crate::people::Member;

/// How many other requests of a principal to show.
const LATELY: i64 = 5;
/// How many earlier requests to look at for some that the reader may see.
const LOOKED_AT: i64 = 20;
/// How many to look at for one that is like another: where all calls of tools are one action, most do something else.
const COMPARED: i64 = 200;

/// An answer of one's own, and what it was to.
pub(crate) struct Decision {
    pub(crate) kept: Kept,
    pub(crate) listed: Listed,
}

impl Store {
    /// The latest other requests of the same principal that somebody may see, in outline.
    pub(crate) async fn lately(&self, ticket: &Ticket, member: &Member) -> Result<Vec<Ticket>, StoreError> {
        let query = sqlx::query_as(
            "SELECT * FROM outlines WHERE audience = $1 AND principal = $2 AND id <> $3
             ORDER BY asked_at DESC LIMIT $4",
        );
        let query = query.bind(&ticket.audience).bind(&ticket.principal).bind(ticket.id.to_string());
        let mut others: Vec<Ticket> = query.bind(LOOKED_AT).fetch_all(&self.reader).await?;
        others.retain(|other| may_see(other, member));
        others.truncate(usize::try_from(LATELY).unwrap_or(usize::MAX));
        Ok(others)
    }

    /// The last request before this one that did the same and was approved, of those that somebody may see: one to the
    /// same resource where there is one, and of the same principal.
    pub(crate) async fn last_like(
        &self,
        ticket: &Ticket,
        member: &Member,
    ) -> Result<Option<Ticket>, StoreError> {
        let query = sqlx::query_as(
            "SELECT * FROM outlines WHERE audience = $1 AND action = $2 AND id <> $3 AND asked_at <= $4
             AND approved = 1 ORDER BY settled_at DESC LIMIT $5",
        );
        let query = query.bind(&ticket.audience).bind(&ticket.question.cedar.action);
        let query = query.bind(ticket.id.to_string()).bind(ticket.asked_at);
        let mut others: Vec<Ticket> = query.bind(COMPARED).fetch_all(&self.reader).await?;
        others.retain(|other| may_see(other, member));
        let resource = |ticket: &Ticket| ticket.question.cedar.resource.clone();
        let like =
            |other: &&Ticket| (resource(other) == resource(ticket), other.principal == ticket.principal);
        // Of several that are as like, the last is taken: it stands first.
        match others.iter().rev().max_by_key(like) {
            Some(last) => self.ticket(last.id).await,
            None => Ok(None),
        }
    }

    /// What somebody answered, the latest first, at most `most` behind a place in the list; and where it goes on.
    pub(crate) async fn decisions(
        &self,
        member: &Member,
        after: Option<Place>,
        most: u32,
    ) -> Result<(Vec<Decision>, Option<Place>), StoreError> {
        let after = after.unwrap_or(NEWEST);
        let rows = sqlx::query(
            "SELECT * FROM answers WHERE issuer = $1 AND subject = $2 AND (at, id) < ($3, $4)
             ORDER BY at DESC, id DESC LIMIT $5",
        )
        .bind(&member.person.issuer)
        .bind(&member.person.subject)
        .bind(after.at)
        .bind(after.id.to_string())
        .bind(i64::from(most) + 1)
        .fetch_all(&self.reader)
        .await?;
        let given: Result<Vec<(Token, Kept)>, sqlx::Error> =
            rows.iter().map(|row| Ok((parsed(row, "ticket")?, Kept::from_row(row)?))).collect();
        let mut given = given?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let more = given.len() > most;
        given.truncate(most);
        let next =
            given.last().filter(|_| more).map(|(_, kept)| Place { at: kept.answer.at, id: kept.answer.id });
        let ids: Vec<_> = given.iter().map(|(ticket, _)| *ticket).collect();
        let mut tickets = self.outlines(&ids).await?;
        // Whoever has left a group does not see any more what it is asked, not even what they answered.
        tickets.retain(|_, ticket| may_see(ticket, member));
        let mut decisions = Vec::with_capacity(given.len());
        let with_ticket = |(ticket, kept)| Some((tickets.get(&ticket)?.clone(), kept));
        let (tickets, given): (Vec<_>, Vec<_>) = given.into_iter().filter_map(with_ticket).unzip();
        for (listed, kept) in self.listed(tickets).await?.into_iter().zip(given) {
            decisions.push(Decision { kept, listed });
        }
        Ok((decisions, next))
    }
}
