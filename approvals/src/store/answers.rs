//! Answers as they are kept, and what they amount to.

pub(crate) mod giving;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use countersign_protocol::Token;
use countersign_protocol::grant::Answer;
use countersign_protocol::person::Person;
use countersign_protocol::quorum::{Asked, missing};
use countersign_protocol::request::Gate;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, FromRow, Row as _};

use super::accounts::members;
use super::tickets::{Ticket, json, parsed};
use super::{Store, StoreError, values};
use crate::people::{Member, Role};

/// What somebody says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Yes.
    Approve,
    /// Yes, alone, to what takes others as well; the reason says why.
    BreakGlass,
    /// No, for good.
    Reject,
    /// Not without one more person looking at it.
    Flag,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::BreakGlass => "break_glass",
            Self::Reject => "reject",
            Self::Flag => "flag",
        }
    }

    /// Whether it is a yes, with others or alone.
    pub(crate) fn is_yes(self) -> bool {
        matches!(self, Self::Approve | Self::BreakGlass)
    }

    /// As it is kept and told: broken glass is an `approve` that is marked.
    pub(crate) fn marked(self) -> (&'static str, bool) {
        match self {
            Self::BreakGlass => (Self::Approve.name(), true),
            kind => (kind.name(), false),
        }
    }

    fn of_marked(kind: &str, break_glass: bool) -> Self {
        match (kind, break_glass) {
            ("approve", true) => Self::BreakGlass,
            ("approve", false) => Self::Approve,
            ("flag", _) => Self::Flag,
            _ => Self::Reject,
        }
    }
}

/// How much less somebody says yes to than was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Narrowed {
    pub(crate) uses: Option<i64>,
    pub(crate) use_within_ms: Option<i64>,
}

/// An answer as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) kind: Kind,
    pub(crate) answer: Answer,
    pub(crate) reason: Option<String>,
    pub(crate) narrowed: Narrowed,
    /// Why it does not count: the gateway did not believe it, or its giver may not give it any more.
    pub(crate) dropped: Option<String>,
    /// A passkey's assertion over it, JSON.
    pub(crate) assertion: Option<String>,
}

impl FromRow<'_, AnyRow> for Kept {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let kind: String = row.try_get("kind")?;
        let kind = Kind::of_marked(&kind, row.try_get::<i64, _>("break_glass")? != 0);
        let reason: Option<String> = row.try_get("reason")?;
        let answer = Answer {
            id: parsed(row, "id")?,
            person: Person { issuer: row.try_get("issuer")?, subject: row.try_get("subject")? },
            at: row.try_get("at")?,
            account_since: row.try_get("account_since")?,
            groups: json(row, "memberships")?,
            amr: json(row, "amr")?,
            break_glass: (kind == Kind::BreakGlass).then(|| reason.clone().unwrap_or_default()),
        };
        let narrowed = Narrowed { uses: row.try_get("uses")?, use_within_ms: row.try_get("use_within")? };
        let (dropped, assertion) = (row.try_get("dropped")?, row.try_get("assertion")?);
        Ok(Self { kind, answer, reason, narrowed, dropped, assertion })
    }
}

/// All answers to a ticket, in order.
pub(super) async fn answers(db: &mut AnyConnection, ticket: Token) -> Result<Vec<Kept>, StoreError> {
    let query = sqlx::query_as("SELECT * FROM answers WHERE ticket = $1 ORDER BY at, id");
    Ok(query.bind(ticket.to_string()).fetch_all(&mut *db).await?)
}

/// What that person has said, where it counts.
pub(crate) fn own<'a>(answers: &'a [Kept], person: &Person) -> Option<&'a Kept> {
    answers.iter().find(|kept| kept.dropped.is_none() && kept.answer.person == *person)
}

/// The answers that count: approvals, and who flagged.
pub(crate) fn counting(answers: &[Kept]) -> (Vec<Answer>, Vec<Person>) {
    let counting = || answers.iter().filter(|kept| kept.dropped.is_none());
    let approvals = counting().filter(|kept| kept.kind.is_yes()).map(|kept| kept.answer.clone());
    let flags = counting().filter(|kept| kept.kind == Kind::Flag);
    (approvals.collect(), flags.map(|kept| kept.answer.person.clone()).collect())
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
    let person = &member.person;
    ticket.question.gates.iter().any(|gate| opens(gate, member))
        || ticket.question.involved.iter().any(|one| one.names.contains(person))
        || member.has(&[Role::Admin])
}

/// Whether somebody is in a group that may open a gate, alone or with others.
pub(crate) fn opens(gate: &Gate, member: &Member) -> bool {
    let glass = gate.break_glass.as_ref().map(|glass| &glass.group);
    std::iter::once(&gate.group).chain(glass).any(|group| member.is_in(group))
}

/// How often and for how long, milliseconds, the approvals that count together may be used: as often and as long as
/// whoever allows the least.
pub(crate) fn allowed(ticket: &Ticket, answers: &[Kept]) -> (i64, i64) {
    let terms = &ticket.question.terms;
    let counting = answers.iter().filter(|kept| kept.kind.is_yes() && kept.dropped.is_none());
    counting.fold((i64::from(terms.uses), terms.use_within_ms), |(uses, within), kept| {
        let Narrowed { uses: fewer, use_within_ms: shorter } = kept.narrowed;
        (fewer.map_or(uses, |fewer| fewer.min(uses)), shorter.map_or(within, |shorter| shorter.min(within)))
    })
}

impl Store {
    /// All answers to a ticket, in order, each as it counts among the accounts that there are now.
    pub(crate) async fn answers(&self, ticket: &Ticket) -> Result<Vec<Kept>, StoreError> {
        let mut answers = self.answers_to(std::slice::from_ref(ticket)).await?;
        Ok(answers.remove(&ticket.id).unwrap_or_default())
    }

    /// The same for several tickets; those that nobody has answered are left out.
    pub(crate) async fn answers_to(
        &self,
        tickets: &[Ticket],
    ) -> Result<BTreeMap<Token, Vec<Kept>>, StoreError> {
        if tickets.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = format!(
            "SELECT * FROM answers WHERE ticket IN (VALUES {}) ORDER BY at, id",
            values(tickets.len(), 1)
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for ticket in tickets {
            query = query.bind(ticket.id.to_string());
        }
        let mut db = self.reader.acquire().await?;
        let mut answers: BTreeMap<Token, Vec<Kept>> = BTreeMap::new();
        for row in query.fetch_all(&mut *db).await? {
            answers.entry(parsed(&row, "ticket")?).or_default().push(Kept::from_row(&row)?);
        }
        let givers: BTreeSet<_> = answers.values().flatten().map(|kept| kept.answer.person.clone()).collect();
        let members = members(&mut db, &self.issuer, &givers).await?;
        for ticket in tickets {
            if let Some(answers) = answers.get_mut(&ticket.id) {
                standing::recheck(ticket, answers, &members);
            }
        }
        Ok(answers)
    }
}
