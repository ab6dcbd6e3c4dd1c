//! Giving answers: people approve, reject or flag; enough approvals become a signed grant in the same transaction.

use countersign_protocol::approval::State;
use countersign_protocol::evidence::Members;
use countersign_protocol::grant::{Answer, Grant};
use countersign_protocol::quorum::{Ineligible, eligible};
use countersign_protocol::{Hash, Token, UnixMillis};
use serde_json::value::RawValue;

use super::{Kept, Kind, Narrowed, allowed, asked, counting, lacking, may_stop, own};
use crate::code::Code;
use crate::people::{Member, PASSKEY};
use crate::random;
use crate::reason::Reason;
use crate::signer::Signer;
use crate::store::history::Entry;
use crate::store::tickets::{Ticket, find, state_name};
use crate::store::{Store, StoreError, Tx};

/// An answer that somebody gives.
pub(crate) struct Given {
    pub(crate) kind: Kind,
    pub(crate) reason: Option<Reason>,
    /// The hash of the question as it was shown to them.
    pub(crate) shown: Hash,
    /// How they proved who they are (RFC 8176).
    pub(crate) amr: Vec<String>,
    /// To how much less they say yes than was asked for.
    pub(crate) narrowed: Narrowed,
    /// A passkey's assertion over this very answer, JSON.
    pub(crate) assertion: Option<String>,
}

/// Why an answer does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no such request")]
    Unknown,
    #[error("this needs a reason")]
    NoReason,
    #[error("only a yes can be for less, for 1 to as many uses and 1 second to as long as was asked for")]
    BadTerms,
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

impl Refused {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Unknown => Code::NotFound,
            Self::NoReason => Code::BadReason,
            Self::BadTerms => Code::BadTerms,
            Self::OtherShown => Code::OtherShown,
            Self::AlreadyAnswered => Code::AlreadyAnswered,
            Self::Closed(state) => already(*state),
            Self::Ineligible(why) => barred(*why),
            Self::Store(_) => Code::Internal,
        }
    }
}

fn already(state: State) -> Code {
    match state {
        State::Pending => Code::AlreadyPending,
        State::Approved => Code::AlreadyApproved,
        State::Consumed => Code::AlreadyConsumed,
        State::Rejected => Code::AlreadyRejected,
        State::Expired => Code::AlreadyExpired,
        State::Revoked => Code::AlreadyRevoked,
        State::Cancelled => Code::AlreadyCancelled,
        State::Unknown => Code::AlreadyUnknown,
    }
}

fn barred(why: Ineligible) -> Code {
    match why {
        Ineligible::SelfApproval => Code::SelfApproval,
        Ineligible::NotComparable => Code::NotComparable,
        Ineligible::AccountTooYoung => Code::AccountTooYoung,
        Ineligible::BreakGlassNeedsReason => Code::GlassNeedsReason,
        Ineligible::SecondFactorMissing => Code::SecondFactorMissing,
        Ineligible::NotInGroup => Code::NotInGroup,
    }
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Given {
    /// What the evidence says of it: the answer as a grant has it, what was answered, and the proof.
    fn members(&self, ticket: &Ticket, answer: &Answer, members: Members) -> Result<Members, StoreError> {
        let assertion: Option<&RawValue> = self.assertion.as_deref().map(serde_json::from_str).transpose()?;
        let members = members.with("digest", ticket.digest).with("shown", self.shown).with("answer", answer);
        let Narrowed { uses, use_within_ms } = self.narrowed;
        let members = members.with("uses", uses).with("use_within_ms", use_within_ms);
        Ok(members.with("assertion", assertion))
    }
}

impl Store {
    /// Writes down that somebody tried to answer and was refused before the answer itself was looked at.
    pub(crate) async fn note_refusal(
        &self,
        id: Token,
        member: &Member,
        code: Code,
        what: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.refuse(id, member, code, what).await?;
        tx.commit().await
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
        tx.conclude(id, member, given.kind.name(), taken).await
    }

    /// Takes a yes back before it is used.
    pub(crate) async fn revoke(&self, id: Token, member: &Member, reason: &Reason) -> Result<(), Refused> {
        let mut tx = self.write().await?;
        let taken = tx.revoke(id, member, reason).await;
        tx.conclude(id, member, "revoke", taken).await
    }
}

impl Tx<'_> {
    /// Keeps what came of an attempt, or that it was refused.
    async fn conclude(
        mut self,
        id: Token,
        member: &Member,
        what: &str,
        taken: Result<(), Refused>,
    ) -> Result<(), Refused> {
        match &taken {
            Err(Refused::Unknown | Refused::Store(_)) => return taken,
            Err(refused) => self.refuse(id, member, refused.code(), what).await?,
            Ok(()) => {}
        }
        self.commit().await?;
        taken
    }

    async fn refuse(&mut self, id: Token, member: &Member, code: Code, what: &str) -> Result<(), StoreError> {
        let entry = Entry::event("refused").by(&member.person).code(code.name());
        self.record(id, entry.detail(Some(what.into()))).await
    }

    /// The version of the rendering that answers to the ticket name: with another one nobody finds what they were to.
    async fn rendering(&mut self, id: Token) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar("SELECT rendering FROM tickets WHERE id = $1");
        Ok(query.bind(id.to_string()).fetch_one(&mut *self.inner).await?)
    }

    async fn revoke(&mut self, id: Token, member: &Member, reason: &Reason) -> Result<(), Refused> {
        let ticket = find(&mut self.inner, id).await?.ok_or(Refused::Unknown)?;
        if !may_stop(&ticket, member) {
            return Err(Refused::Ineligible(Ineligible::NotInGroup));
        }
        if !self.settle(&ticket, State::Approved, "revoked", Some(reason.as_str())).await? {
            return Err(Refused::Closed(ticket.state));
        }
        let entry = Entry::event("revoked").by(&member.person).detail(Some(reason.as_str().into()));
        self.record(id, entry).await?;
        Ok(self.tell(id).await?)
    }

    async fn answer(
        &mut self,
        id: Token,
        member: &Member,
        given: &Given,
        signer: &Signer,
    ) -> Result<(), Refused> {
        let ticket = find(&mut self.inner, id).await?.ok_or(Refused::Unknown)?;
        let id_of_it = random::token().map_err(StoreError::from)?;
        let alone = given.kind == Kind::BreakGlass;
        let reason = given.reason.as_ref().map(|reason| reason.as_str().to_owned());
        let break_glass = alone.then(|| reason.clone().unwrap_or_default());
        let mut amr = member.amr_for(&given.amr, ticket.asked_at);
        amr.extend(given.assertion.as_ref().map(|_| PASSKEY.to_owned()));
        let answer = Answer { break_glass, ..member.answer(id_of_it, self.now, amr) };
        let before = self.standing(&ticket).await?;
        let standing = own(&before, &answer.person);
        check(&ticket, member, given, &answer, standing)?;
        match standing {
            // What somebody approved with others they may still open alone.
            Some(kept) if goes_further(kept, given) => self.drop_answer(id, &kept.answer, "replaced").await?,
            Some(_) => return Ok(()),
            None => {}
        }
        self.keep_answer(id, given, &answer).await?;
        let event = if alone { "broke_glass" } else { given.kind.name() };
        let entry = Entry::event(event).by(&answer.person).detail(reason.clone());
        let members = entry.members(id).with("rendering", self.rendering(id).await?);
        let members = given.members(&ticket, &answer, members)?;
        self.record_as(id, entry, members).await?;
        if alone {
            // Whatever becomes of the request: somebody has tried.
            self.open_review(&ticket, &answer.person).await?;
        }
        match given.kind {
            Kind::Approve | Kind::BreakGlass => self.approve_if_enough(&ticket, signer).await?,
            Kind::Reject => {
                self.settle(&ticket, State::Pending, "rejected", reason.as_deref()).await?;
                self.tell(id).await?;
            }
            Kind::Flag => {}
        }
        Ok(())
    }

    async fn keep_answer(&mut self, ticket: Token, given: &Given, answer: &Answer) -> Result<(), StoreError> {
        let (kind, break_glass) = given.kind.marked();
        sqlx::query(
            "INSERT INTO answers (id, ticket, kind, issuer, subject, at, reason, shown, account_since,
                 memberships, amr, break_glass, uses, use_within, assertion)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        )
        .bind(answer.id.to_string())
        .bind(ticket.to_string())
        .bind(kind)
        .bind(&answer.person.issuer)
        .bind(&answer.person.subject)
        .bind(answer.at)
        .bind(given.reason.as_ref().map(|reason| reason.as_str().to_owned()))
        .bind(given.shown.to_string())
        .bind(answer.account_since)
        .bind(serde_json::to_string(&answer.groups)?)
        .bind(serde_json::to_string(&answer.amr)?)
        .bind(i64::from(break_glass))
        .bind(given.narrowed.uses)
        .bind(given.narrowed.use_within_ms)
        .bind(&given.assertion)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    async fn approve_if_enough(&mut self, ticket: &Ticket, signer: &Signer) -> Result<(), StoreError> {
        let answers = self.standing(ticket).await?;
        if lacking(ticket, &answers) > 0 {
            return Ok(());
        }
        let (uses, within) = allowed(ticket, &answers);
        let grant = grant(ticket, &answers, self.now, (uses, self.now + within), signer)?;
        let approved = sqlx::query(
            "UPDATE tickets SET state = 'approved', settled_at = $1, use_by = $2, jti = $3, grant_jws = $4,
                 cancel_at = NULL, uses = CASE WHEN used + $6 < $7 THEN used + $6 ELSE $7 END
             WHERE id = $5 AND state = 'pending' AND lapses_at > $1",
        )
        .bind(self.now)
        .bind(self.now + within)
        .bind(grant.jti.to_string())
        .bind(signer.grant(&grant)?)
        .bind(ticket.id.to_string())
        .bind(uses)
        .bind(i64::from(ticket.question.terms.uses))
        .execute(&mut *self.inner)
        .await?;
        if approved.rows_affected() == 1 {
            self.record(ticket.id, Entry::event("approved")).await?;
            for breaker in grant.answers.iter().filter(|answer| answer.break_glass.is_some()) {
                self.open_review(ticket, &breaker.person).await?;
            }
            self.tell(ticket.id).await?;
        }
        Ok(())
    }

    /// Closes a ticket that is in state `from`; `false` when it is not.
    pub(in crate::store) async fn settle(
        &mut self,
        ticket: &Ticket,
        from: State,
        to: &'static str,
        reason: Option<&str>,
    ) -> Result<bool, StoreError> {
        let settled = sqlx::query(
            "UPDATE tickets SET state = $1, settled_at = $2, reason = $3
             WHERE id = $4 AND state = $5 AND lapses_at > $2",
        )
        .bind(to)
        .bind(self.now)
        .bind(reason)
        .bind(ticket.id.to_string())
        .bind(state_name(from))
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
    standing: Option<&Kept>,
) -> Result<(), Refused> {
    if given.reason.is_none() && given.kind != Kind::Approve {
        return Err(Refused::NoReason);
    }
    in_terms(ticket, given)?;
    if given.shown != ticket.shown {
        return Err(Refused::OtherShown);
    }
    match standing {
        Some(kept) if goes_further(kept, given) => {}
        Some(kept) if kept.kind == given.kind || kept.kind.is_yes() && given.kind.is_yes() => return Ok(()),
        Some(_) => return Err(Refused::AlreadyAnswered),
        None => {}
    }
    if given.kind.is_yes() {
        eligible(answer, asked(ticket)).map_err(Refused::Ineligible)?;
    } else if !may_stop(ticket, member) {
        return Err(Refused::Ineligible(Ineligible::NotInGroup));
    }
    if ticket.state == State::Pending { Ok(()) } else { Err(Refused::Closed(ticket.state)) }
}

/// Whether a yes opens alone what a yes before it opened with others.
fn goes_further(kept: &Kept, given: &Given) -> bool {
    given.kind == Kind::BreakGlass && kept.kind == Kind::Approve
}

fn in_terms(ticket: &Ticket, given: &Given) -> Result<(), Refused> {
    let (terms, Narrowed { uses, use_within_ms }) = (&ticket.question.terms, given.narrowed);
    let fits = uses.is_none_or(|uses| (1..=i64::from(terms.uses)).contains(&uses))
        && use_within_ms
            .is_none_or(|within| (1000.min(terms.use_within_ms)..=terms.use_within_ms).contains(&within));
    let plain = uses.is_none() && use_within_ms.is_none();
    if fits && (plain || given.kind.is_yes()) { Ok(()) } else { Err(Refused::BadTerms) }
}

fn grant(
    ticket: &Ticket,
    answers: &[Kept],
    now: UnixMillis,
    (uses, use_by): (i64, UnixMillis),
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
        uses: u32::try_from(uses).unwrap_or(0),
        gates: ticket.question.gates.iter().map(|gate| gate.gate.clone()).collect(),
        answers,
        flaggers,
    })
}
