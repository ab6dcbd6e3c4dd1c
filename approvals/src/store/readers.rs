//! Who may see a request: approvers of its gates, those in whose name it was sent, administrators and auditors.

use countersign_protocol::Token;
use countersign_protocol::person::Person;
use countersign_protocol::request::Question;

use super::answers::may_stop;
use super::tickets::Ticket;
use super::{StoreError, Tx};
use crate::people::{Member, Role};

/// Whether somebody may see a request: whoever may stop it, and auditors.
pub(crate) fn may_see(ticket: &Ticket, member: &Member) -> bool {
    may_stop(ticket, member) || member.has(&[Role::Auditor])
}

impl Tx<'_> {
    /// Writes down who may see it, so that lists find it without reading what everybody else asks.
    pub(super) async fn note_readers(
        &mut self,
        ticket: Token,
        question: &Question,
    ) -> Result<(), StoreError> {
        let glass = question.gates.iter().filter_map(|gate| gate.break_glass.as_ref());
        let groups = question.gates.iter().map(|gate| &gate.group).chain(glass.map(|glass| &glass.group));
        let groups = groups.map(|group| ("group", &group.issuer, &group.id));
        let people = question.involved.iter().flat_map(|one| &one.names);
        let people = people.map(|Person { issuer, subject }| ("person", issuer, subject));
        for (kind, issuer, id) in groups.chain(people) {
            sqlx::query(
                "INSERT INTO ticket_readers (ticket, kind, issuer, id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            )
            .bind(ticket.to_string())
            .bind(kind)
            .bind(issuer)
            .bind(id)
            .execute(&mut *self.inner)
            .await?;
        }
        Ok(())
    }
}
