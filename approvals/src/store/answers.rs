//! Answers: people approve, reject or flag; enough approvals become a signed grant in the same transaction.

use countersign_protocol::approval::State;
use countersign_protocol::grant::{Answer, Grant};
use countersign_protocol::person::Person;
use countersign_protocol::quorum::{Asked, Ineligible, eligible, missing};
use countersign_protocol::{Hash, Token, UnixMillis};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _, SqliteExecutor};

use super::history::Entry;
use super::tickets::{Ticket, find, json, parsed};
use super::{Store, StoreError, Tx};
use crate::directory::users::{ADMINS, Member};
use crate::random;
use crate::signer::Signer;

/// What somebody says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Yes.
    Approve,
    /// No, for good.
    Reject,
    /// Not without one more person looking at it.
    Flag,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Flag => "flag",
        }
    }
}

/// An answer that somebody gives.
pub(crate) struct Given {
    pub(crate) kind: Kind,
    pub(crate) reason: Option<String>,
    /// The hash of the question as it was shown to them.
    pub(crate) shown: Hash,
    /// How they proved who they are (RFC 8176).
    pub(crate) amr: Vec<String>,
}

/// An answer as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) kind: Kind,
    pub(crate) answer: Answer,
    pub(crate) reason: Option<String>,
    /// Why the gateway did not believe it.
    pub(crate) dropped: Option<String>,
}

/// Why an answer does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no such request")]
    Unknown,
    #[error("to reject or to flag needs a reason")]
    ReasonMissing,
    #[error("the request is not the one that was shown")]
    OtherShown,
    #[error("you have answered this request already")]
    AlreadyAnswered,
    #[error("the request is not open any more")]
    Closed(State),
    #[error("you may not answer this request: {0}")]
    Ineligible(Ineligible),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl FromRow<'_, SqliteRow> for Kept {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let kind: String = row.try_get("kind")?;
        let kind = match kind.as_str() {
            "approve" => Kind::Approve,
            "flag" => Kind::Flag,
            _ => Kind::Reject,
        };
        let answer = Answer {
            id: parsed(row, "id")?,
            person: Person { issuer: row.try_get("issuer")?, subject: row.try_get("subject")? },
            at: row.try_get("at")?,
            account_since: row.try_get("account_since")?,
            groups: json(row, "memberships")?,
            amr: json(row, "amr")?,
        };
        Ok(Self { kind, answer, reason: row.try_get("reason")?, dropped: row.try_get("dropped")? })
    }
}

/// All answers to a ticket, in order.
async fn answers(db: impl SqliteExecutor<'_>, ticket: Token) -> Result<Vec<Kept>, StoreError> {
    let query = sqlx::query_as("SELECT * FROM answers WHERE ticket = ? ORDER BY at, rowid");
    Ok(query.bind(ticket.to_string()).fetch_all(db).await?)
}

/// The answers that count: approvals, and who flagged.
pub(crate) fn counting(answers: &[Kept]) -> (Vec<Answer>, Vec<Person>) {
    let of = |kind: Kind| answers.iter().filter(move |kept| kept.kind == kind && kept.dropped.is_none());
    let approvals = of(Kind::Approve).map(|kept| kept.answer.clone()).collect();
    (approvals, of(Kind::Flag).map(|kept| kept.answer.person.clone()).collect())
}

/// How many approvers a ticket still lacks.
pub(crate) fn lacking(ticket: &Ticket, answers: &[Kept]) -> usize {
    let (approvals, flaggers) = counting(answers);
    missing(&ticket.question.gates, flaggers.len(), ticket.asked_at, &approvals)
}

/// How many approvers a ticket needs in all.
pub(crate) fn needed(ticket: &Ticket, answers: &[Kept]) -> usize {
    let quorum: usize = ticket.question.gates.iter().map(|gate| usize::from(gate.quorum)).sum();
    quorum + counting(answers).1.len()
}

/// What a ticket asks of those who answer.
pub(crate) fn asked(ticket: &Ticket) -> Asked<'_> {
    Asked {
        involved: &ticket.question.involved,
        gates: &ticket.question.gates,
        severity: ticket.question.terms.severity,
        asked_at: ticket.asked_at,
    }
}

/// Whether somebody may stop a request: approvers of a gate, those in whose name it was sent, and admins.
/// To stop something needs no second factor and no distance.
pub(crate) fn may_stop(ticket: &Ticket, member: &Member) -> bool {
    let person = member.person();
    ticket.question.gates.iter().any(|gate| member.is_in(&gate.group))
        || ticket.question.involved.iter().any(|one| one.names.contains(&person))
        || member.runs(&[ADMINS])
}

impl Store {
    /// All answers to a ticket, in order.
    pub(crate) async fn answers(&self, ticket: Token) -> Result<Vec<Kept>, StoreError> {
        answers(&self.reader, ticket).await
    }

    /// Takes an answer. The same one again changes nothing; a refused one is kept in the history.
    pub(crate) async fn answer(
        &self,
        id: Token,
        member: &Member,
        given: Given,
        signer: &Signer,
    ) -> Result<(), Refused> {
        let mut tx = self.write().await?;
        let taken = tx.answer(id, member, &given, signer).await;
        match &taken {
            Err(Refused::Unknown | Refused::ReasonMissing | Refused::Store(_)) => return taken,
            Err(refused) => {
                let code = crate::api::problem::code(refused);
                let entry = Entry::event("refused").by(&member.person()).code(code);
                tx.record(id, entry.detail(Some(given.kind.name().into()))).await?;
            }
            Ok(()) => {}
        }
        tx.commit().await?;
        taken
    }

    /// Takes a yes back before it is used.
    pub(crate) async fn revoke(&self, id: Token, member: &Member, reason: &str) -> Result<(), Refused> {
        let mut tx = self.write().await?;
        let ticket = find(&mut *tx.inner, id).await?.ok_or(Refused::Unknown)?;
        if !may_stop(&ticket, member) {
            return Err(Refused::Ineligible(Ineligible::NotInGroup));
        }
        if !tx.settle(&ticket, State::Approved, "revoked", Some(reason)).await? {
            return Err(Refused::Closed(ticket.state));
        }
        let entry = Entry::event("revoked").by(&member.person()).detail(Some(reason.into()));
        tx.record(id, entry).await?;
        tx.tell(id).await?;
        Ok(tx.commit().await?)
    }
}

impl Tx<'_> {
    async fn answer(
        &mut self,
        id: Token,
        member: &Member,
        given: &Given,
        signer: &Signer,
    ) -> Result<(), Refused> {
        let ticket = find(&mut *self.inner, id).await?.ok_or(Refused::Unknown)?;
        let answer = member.answer(random::token().map_err(StoreError::from)?, self.now, given.amr.clone());
        let before = answers(&mut *self.inner, id).await?;
        let standing =
            before.iter().find(|kept| kept.dropped.is_none() && kept.answer.person == answer.person);
        check(&ticket, member, given, &answer, standing.map(|kept| kept.kind))?;
        if standing.is_some() {
            return Ok(());
        }
        self.keep_answer(id, given, &answer).await?;
        let entry = Entry::event(given.kind.name()).by(&answer.person).detail(given.reason.clone());
        self.record(id, entry).await?;
        match given.kind {
            Kind::Approve => self.approve_if_enough(&ticket, signer).await?,
            Kind::Reject => {
                self.settle(&ticket, State::Pending, "rejected", given.reason.as_deref()).await?;
                self.tell(id).await?;
            }
            Kind::Flag => {}
        }
        Ok(())
    }

    async fn keep_answer(&mut self, ticket: Token, given: &Given, answer: &Answer) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO answers (id, ticket, kind, issuer, subject, at, reason, shown, account_since,
                 memberships, amr) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(answer.id.to_string())
        .bind(ticket.to_string())
        .bind(given.kind.name())
        .bind(&answer.person.issuer)
        .bind(&answer.person.subject)
        .bind(answer.at)
        .bind(&given.reason)
        .bind(given.shown.to_string())
        .bind(answer.account_since)
        .bind(serde_json::to_string(&answer.groups)?)
        .bind(serde_json::to_string(&answer.amr)?)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    async fn approve_if_enough(&mut self, ticket: &Ticket, signer: &Signer) -> Result<(), StoreError> {
        let answers = answers(&mut *self.inner, ticket.id).await?;
        if lacking(ticket, &answers) > 0 {
            return Ok(());
        }
        let use_by = self.now + ticket.question.terms.use_within_ms;
        let grant = grant(ticket, &answers, self.now, use_by, signer)?;
        let approved = sqlx::query(
            "UPDATE tickets SET state = 'approved', settled_at = ?1, use_by = ?2, jti = ?3, grant_jws = ?4,
                 cancel_at = NULL WHERE id = ?5 AND state = 'pending' AND lapses_at > ?1",
        )
        .bind(self.now)
        .bind(use_by)
        .bind(grant.jti.to_string())
        .bind(signer.grant(&grant)?)
        .bind(ticket.id.to_string())
        .execute(&mut *self.inner)
        .await?;
        if approved.rows_affected() == 1 {
            self.record(ticket.id, Entry::event("approved")).await?;
            self.tell(ticket.id).await?;
        }
        Ok(())
    }

    /// Closes a ticket that is in state `from`; `false` when it is not.
    async fn settle(
        &mut self,
        ticket: &Ticket,
        from: State,
        to: &'static str,
        reason: Option<&str>,
    ) -> Result<bool, StoreError> {
        let settled = sqlx::query(
            "UPDATE tickets SET state = ?1, settled_at = ?2, reason = ?3
             WHERE id = ?4 AND state = ?5 AND lapses_at > ?2",
        )
        .bind(to)
        .bind(self.now)
        .bind(reason)
        .bind(ticket.id.to_string())
        .bind(super::tickets::state_name(from))
        .execute(&mut *self.inner)
        .await?;
        Ok(settled.rows_affected() == 1)
    }
}

/// Whether an answer may be taken, given the answer of the same person that stands already.
fn check(
    ticket: &Ticket,
    member: &Member,
    given: &Given,
    answer: &Answer,
    standing: Option<Kind>,
) -> Result<(), Refused> {
    let reason = given.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty());
    if given.kind != Kind::Approve && !reason {
        return Err(Refused::ReasonMissing);
    }
    if given.shown != ticket.shown {
        return Err(Refused::OtherShown);
    }
    match standing {
        Some(kind) if kind == given.kind => return Ok(()),
        Some(_) => return Err(Refused::AlreadyAnswered),
        None => {}
    }
    if given.kind == Kind::Approve {
        eligible(answer, asked(ticket)).map_err(Refused::Ineligible)?;
    } else if !may_stop(ticket, member) {
        return Err(Refused::Ineligible(Ineligible::NotInGroup));
    }
    if ticket.state == State::Pending { Ok(()) } else { Err(Refused::Closed(ticket.state)) }
}

fn grant(
    ticket: &Ticket,
    answers: &[Kept],
    now: UnixMillis,
    use_by: UnixMillis,
    signer: &Signer,
) -> Result<Grant, StoreError> {
    let (answers, flaggers) = counting(answers);
    Ok(Grant {
        iss: signer.issuer().into(),
        aud: ticket.audience.clone(),
        iat: now / 1000,
        nbf: now / 1000,
        exp: use_by / 1000,
        jti: random::token()?,
        ticket: ticket.id,
        digest: ticket.digest,
        asked_at: ticket.asked_at,
        uses: u32::try_from(ticket.uses).unwrap_or(0),
        gates: ticket.question.gates.iter().map(|gate| gate.gate.clone()).collect(),
        answers,
        flaggers,
    })
}
