//! Which approvals still stand: a yes counts for as long as whoever gave it may give it.

use std::collections::BTreeMap;

use countersign_protocol::Token;
use countersign_protocol::approval::State;
use countersign_protocol::grant::{Answer, Membership};
use countersign_protocol::person::Person;
use countersign_protocol::quorum::eligible;

use super::{Kept, answers, asked};
use crate::people::Member;
use crate::store::accounts::members;
use crate::store::history::Entry;
use crate::store::tickets::Ticket;
use crate::store::{StoreError, Tx};

/// The code of an answer whose account was deleted, or deleted and made again.
const ACCOUNT_GONE: &str = "account_gone";

/// Holds the approvals of an open ticket against the accounts as they are now: narrows each to the groups
/// that its giver has kept, and drops those that would not be taken any more. A flag stays: to lose who
/// flagged must not make a gate weaker. What is signed already is left as it was signed.
pub(super) fn recheck(ticket: &Ticket, answers: &mut [Kept], members: &BTreeMap<Person, Member>) {
    if ticket.state != State::Pending {
        return;
    }
    for kept in answers.iter_mut().filter(|kept| kept.kind.is_yes() && kept.dropped.is_none()) {
        let Some(groups) = groups_kept(&kept.answer, members.get(&kept.answer.person)) else {
            kept.dropped = Some(ACCOUNT_GONE.into());
            continue;
        };
        kept.answer.groups = groups;
        kept.dropped = eligible(&kept.answer, asked(ticket)).err().map(|why| why.code());
    }
}

/// The groups that somebody was in when they answered and is in now, since the later of both times; `None`
/// when the account is not there any more.
fn groups_kept(answer: &Answer, member: Option<&Member>) -> Option<Vec<Membership>> {
    let now = member.filter(|member| member.created == answer.account_since)?;
    let kept = |was: &Membership| {
        let is = now.groups.iter().find(|is| is.group == was.group)?;
        Some(Membership { group: was.group.clone(), since: was.since.max(is.since) })
    };
    Some(answer.groups.iter().filter_map(kept).collect())
}

impl Tx<'_> {
    /// All answers to a ticket, in order; writes down which approvals have stopped to count, so that whoever
    /// gave one and may approve again can.
    pub(super) async fn standing(&mut self, ticket: &Ticket) -> Result<Vec<Kept>, StoreError> {
        let before = answers(&mut self.inner, ticket.id).await?;
        let mut after = before.clone();
        let givers = before.iter().map(|kept| kept.answer.person.clone()).collect();
        let members = members(&mut self.inner, &self.store.issuer, &givers).await?;
        recheck(ticket, &mut after, &members);
        for (was, is) in before.iter().zip(&after) {
            if let (None, Some(code)) = (&was.dropped, &is.dropped) {
                self.drop_answer(ticket.id, &is.answer, code).await?;
            }
        }
        Ok(after)
    }

    /// Writes down that an approval counts no more, and why.
    pub(in crate::store) async fn drop_answer(
        &mut self,
        ticket: Token,
        answer: &Answer,
        code: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE answers SET dropped = $1 WHERE id = $2")
            .bind(code)
            .bind(answer.id.to_string())
            .execute(&mut *self.inner)
            .await?;
        self.record(ticket, Entry::event("dropped").by(&answer.person).code(code)).await
    }
}
