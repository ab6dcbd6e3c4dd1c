//! Asking: a question becomes a ticket, or joins the one that is open for the same request.

mod limited;

use std::collections::BTreeSet;

use countersign_protocol::approval::{AskAnswer, AskReply, AskResult, State};
use countersign_protocol::grant::Answer;
use countersign_protocol::quorum::{Asked, eligible, missing};
use countersign_protocol::request::{Gate, Question, Terms};
use countersign_protocol::{Hash, Token};
use countersign_view::words::severity;
use countersign_view::{VERSION, View};

use super::evidence::KeepError;
use super::gateways::Gateway;
use super::history::Entry;
use super::lists::searched;
use super::tickets::{Ticket, find, outline};
use super::{Store, StoreError, Tx};
use crate::people::Member;
use crate::random;

/// The longest times that a policy may ask for, milliseconds: what the gateway loads must also be asked.
const LONGEST: i64 = 366 * 24 * 60 * 60 * 1000;

/// The most gates of one question.
const MOST_GATES: usize = 64;
/// The most approvers that one gate may need.
const MOST_APPROVERS: u8 = 16;

/// One question as it came, its bytes kept.
pub(crate) struct Ask {
    pub(crate) nonce: Token,
    pub(crate) waiter: Token,
    pub(crate) digest: Hash,
    pub(crate) raw: String,
}

impl Store {
    /// Asks a batch, and keeps the evidence that came with it.
    pub(crate) async fn ask(
        &self,
        gateway: &Gateway,
        evidence: Vec<String>,
        items: Vec<Ask>,
    ) -> Result<AskReply, KeepError> {
        // What is long to read and to render is not done while others wait to write.
        let items = tokio::task::spawn_blocking(|| items.into_iter().map(read).collect::<Vec<_>>());
        let items = items.await.map_err(StoreError::from)?;
        let mut tx = self.write().await?;
        let acked = tx.keep(gateway, evidence).await?;
        let mut answers = Vec::with_capacity(items.len());
        for (nonce, item) in items {
            let asked = match item {
                Ok(read) => tx.ask(gateway, read).await?,
                Err(refusal) => Err(refusal),
            };
            let result = match asked {
                Ok(ticket) => opened(&ticket),
                Err(Refusal(code, detail)) => AskResult::Refused { code: code.into(), detail },
            };
            answers.push(AskAnswer { nonce, result });
        }
        tx.commit().await?;
        Ok(AskReply { acked, items: answers })
    }
}

/// A question that was read and rendered.
struct Read {
    ask: Ask,
    question: Question,
    /// SHA-256 of what people are shown.
    shown: Hash,
}

fn read(ask: Ask) -> (Token, Result<Read, Refusal>) {
    let read = match serde_json::from_str::<Question>(&ask.raw) {
        Ok(question) => in_range(&question).and_then(|()| writable(&question, &ask.raw)).map(|()| question),
        Err(error) => Err(Refusal("malformed_question", error.to_string())),
    };
    let read = read.map(|question| {
        let shown = View::of(&question, ask.raw.as_bytes()).hash();
        (question, shown)
    });
    (ask.nonce, read.map(|(question, shown)| Read { ask, question, shown }))
}

/// Why a question is not asked: a stable code, and a sentence for the caller.
struct Refusal(&'static str, String);

fn refusal(code: &'static str, detail: &str) -> Refusal {
    Refusal(code, detail.into())
}

fn opened(ticket: &Ticket) -> AskResult {
    AskResult::Open {
        ticket: ticket.id,
        capability: ticket.capability,
        answer_by: ticket.answer_by,
        verdict: (ticket.state != State::Pending).then(|| ticket.verdict()),
    }
}

impl Tx<'_> {
    async fn ask(&mut self, gateway: &Gateway, read: Read) -> Result<Result<Ticket, Refusal>, StoreError> {
        let Read { ask, question, shown } = read;
        if !question.audience.is_empty() && question.audience != gateway.audience {
            let detail = format!("this gateway is known for the audience `{}`", gateway.audience);
            return Ok(Err(Refusal("other_audience", detail)));
        }
        let ask = Ask { waiter: self.waiter(ask.waiter, gateway).await?, ..ask };
        let ticket = match self.already_asked(gateway, &ask).await? {
            Some(ticket) if ticket.digest != ask.digest => {
                return Ok(Err(refusal("nonce_reused", "the nonce named another question before")));
            }
            Some(ticket) => ticket,
            None => match self.join_or_open(gateway, &ask, &question, shown).await? {
                Ok(ticket) => ticket,
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        self.attach(ticket.id, ask.waiter, self.now + question.terms.hold_ms).await?;
        Ok(Ok(ticket))
    }

    async fn already_asked(&mut self, gateway: &Gateway, ask: &Ask) -> Result<Option<Ticket>, StoreError> {
        let query = sqlx::query_as(
            "SELECT * FROM current WHERE id = (SELECT ticket FROM asks WHERE gateway = $1 AND nonce = $2)",
        );
        Ok(query.bind(&gateway.name).bind(ask.nonce.to_string()).fetch_optional(&mut *self.inner).await?)
    }

    async fn join_or_open(
        &mut self,
        gateway: &Gateway,
        ask: &Ask,
        question: &Question,
        shown: Hash,
    ) -> Result<Result<Ticket, Refusal>, StoreError> {
        let open = match self.open_ticket(gateway, ask, question).await? {
            Some(ticket) if asks_others(&ticket.question, question) => {
                self.close_outdated(&ticket).await?;
                None
            }
            open => open,
        };
        let open = match open {
            None => self.just_rejected(gateway, ask, question).await?,
            open => open,
        };
        let (id, event) = match open {
            Some(ticket) => (ticket.id, "joined"),
            // Limits first: they cost less than to look at everybody.
            None => match self.limited(gateway, question).await? {
                Some(refusal) => return Ok(Err(refusal)),
                None if !self.could_pass(question).await? => {
                    let detail = "not enough people may approve this, so it would never pass";
                    return Ok(Err(refusal("nobody_can_approve", detail)));
                }
                None => (self.open(gateway, ask, question, shown).await?, "asked"),
            },
        };
        sqlx::query(
            "INSERT INTO asks (gateway, nonce, ticket, at, waiter, held_until) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&gateway.name)
        .bind(ask.nonce.to_string())
        .bind(id.to_string())
        .bind(self.now)
        .bind(ask.waiter.to_string())
        .bind(self.now + question.terms.hold_ms)
        .execute(&mut *self.inner)
        .await?;
        self.record(id, Entry::event(event).detail(Some(gateway.name.clone()))).await?;
        let ticket = find(&mut self.inner, id).await?;
        Ok(ticket.ok_or_else(|| refusal("ticket_lost", "the ticket is gone")))
    }

    /// The ticket that is open for the same request of the same principal.
    async fn open_ticket(
        &mut self,
        gateway: &Gateway,
        ask: &Ask,
        question: &Question,
    ) -> Result<Option<Ticket>, StoreError> {
        let query = sqlx::query_as(
            "SELECT * FROM current WHERE audience = $1 AND principal = $2 AND digest = $3
             AND state IN ('pending', 'approved')",
        );
        let query = query.bind(&gateway.audience).bind(&question.cedar.principal);
        Ok(query.bind(ask.digest.to_string()).fetch_optional(&mut *self.inner).await?)
    }

    /// The ticket of the same request that people have rejected lately: they are not asked again so soon.
    async fn just_rejected(
        &mut self,
        gateway: &Gateway,
        ask: &Ask,
        question: &Question,
    ) -> Result<Option<Ticket>, StoreError> {
        let holds = i64::try_from(self.store.limits.rejection_holds.as_millis()).unwrap_or(i64::MAX);
        let query = sqlx::query_as(
            "SELECT * FROM current WHERE audience = $1 AND principal = $2 AND digest = $3
             AND state = 'rejected' AND settled_at > $4 ORDER BY settled_at DESC LIMIT 1",
        );
        let query =
            query.bind(&gateway.audience).bind(&question.cedar.principal).bind(ask.digest.to_string());
        let query = query.bind(self.now.saturating_sub(holds));
        let rejected: Option<Ticket> = query.fetch_optional(&mut *self.inner).await?;
        Ok(rejected.filter(|ticket| !asks_others(&ticket.question, question)))
    }

    /// Closes a ticket that other people were asked about than would be now.
    async fn close_outdated(&mut self, ticket: &Ticket) -> Result<(), StoreError> {
        let (from, to) = match ticket.state {
            State::Approved => (State::Approved, "revoked"),
            _ => (State::Pending, "cancelled"),
        };
        if self.settle(ticket, from, to, None).await? {
            self.record(ticket.id, Entry::event(to).code("group_changed")).await?;
            self.tell(ticket.id).await?;
        }
        Ok(())
    }

    /// Whether the people there are could fill all slots if all of them said yes.
    async fn could_pass(&mut self, question: &Question) -> Result<bool, StoreError> {
        let glass = question.gates.iter().filter_map(|gate| gate.break_glass.as_ref());
        let glass = glass.map(|glass| glass.group.clone());
        let groups = question.gates.iter().map(|gate| gate.group.clone()).chain(glass).collect();
        let members = self.members_of(&groups).await?;
        let (now, severity) = (self.now, question.terms.severity);
        let asked = Asked { involved: &question.involved, gates: &question.gates, severity, asked_at: now };
        let best = |member: &Member, glass: Option<String>| {
            let answer = member.answer(Token([0; 16]), now, member.factors_for(now));
            Answer { break_glass: glass, ..answer }
        };
        // Somebody who breaks glass and somebody who does not are two answers of one person here: it is one or the
        // other that is enough.
        let alone = members.iter().map(|member| best(member, Some("to see whether it could pass".into())));
        let together = members.iter().map(|member| best(member, None));
        let answers = together.chain(alone).filter(|answer| eligible(answer, asked).is_ok());
        Ok(missing(&question.gates, 0, now, &answers.collect::<Vec<_>>()) == 0)
    }

    async fn open(
        &mut self,
        gateway: &Gateway,
        ask: &Ask,
        question: &Question,
        shown: Hash,
    ) -> Result<Token, StoreError> {
        let id = random::token()?;
        let terms = &question.terms;
        sqlx::query(
            "INSERT INTO tickets (id, capability, audience, principal, digest, question, outline, shown,
                 asked_at, answer_by, use_within, uses, severity, action, search, rendering)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(id.to_string())
        .bind(random::token()?.to_string())
        .bind(&gateway.audience)
        .bind(&question.cedar.principal)
        .bind(ask.digest.to_string())
        .bind(&ask.raw)
        .bind(outline(question)?)
        .bind(shown.to_string())
        .bind(self.now)
        .bind(self.now + terms.expires_ms)
        .bind(terms.use_within_ms)
        .bind(i64::from(terms.uses))
        .bind(severity(terms.severity))
        .bind(&question.cedar.action)
        .bind(searched(question))
        .bind(i64::from(VERSION))
        .execute(&mut *self.inner)
        .await?;
        self.note_gates(id, gateway, question).await?;
        self.note_readers(id, question).await?;
        Ok(id)
    }

    /// At which gates it waits.
    async fn note_gates(
        &mut self,
        id: Token,
        gateway: &Gateway,
        question: &Question,
    ) -> Result<(), StoreError> {
        let gates: BTreeSet<_> = question.gates.iter().map(|gate| &gate.gate.id).collect();
        for gate in gates {
            sqlx::query("INSERT INTO open_gates (audience, gate, ticket) VALUES ($1, $2, $3)")
                .bind(&gateway.audience)
                .bind(gate)
                .bind(id.to_string())
                .execute(&mut *self.inner)
                .await?;
        }
        Ok(())
    }
}

/// Whether a gate that both questions name is for another group in each: the group's name means other people since.
/// Gates that only one of them has are the gateway's to judge.
fn asks_others(known: &Question, asked: &Question) -> bool {
    known.gates.iter().any(|known| {
        let others = |asked: &Gate| asked.group != known.group || asked.break_glass != known.break_glass;
        asked.gates.iter().any(|asked| asked.gate.id == known.gate.id && others(asked))
    })
}

/// Refuses what a database does not take: a part of it would fail the whole batch. PostgreSQL keeps no U+0000, and
/// reads no JSON with half of a surrogate pair in it, not even where nobody looks.
fn writable(question: &Question, raw: &str) -> Result<(), Refusal> {
    let groups = question.gates.iter().flat_map(|gate| [&gate.gate.id, &gate.group.issuer, &gate.group.id]);
    let people =
        question.involved.iter().flat_map(|one| &one.names).flat_map(|one| [&one.issuer, &one.subject]);
    let glass = question.gates.iter().filter_map(|gate| gate.break_glass.as_ref());
    let glass = glass.flat_map(|glass| [&glass.group.issuer, &glass.group.id]);
    let cedar = [&question.cedar.principal, &question.cedar.action];
    let mut words = groups.chain(people).chain(glass).chain(cedar).map(String::as_str);
    if words.any(|word| word.contains('\0')) || searched(question).contains('\0') {
        return Err(refusal("malformed_question", "names, paths and hosts hold no U+0000"));
    }
    match serde_json::from_str::<serde_json::Value>(raw) {
        Ok(_) => Ok(()),
        Err(error) => Err(Refusal("malformed_question", error.to_string())),
    }
}

/// Refuses what no policy can have asked for.
fn in_range(question: &Question) -> Result<(), Refusal> {
    let Terms { hold_ms, expires_ms, use_within_ms, uses, .. } = question.terms;
    let times = (0..=LONGEST).contains(&hold_ms)
        && (1..=LONGEST).contains(&expires_ms)
        && (1..=LONGEST).contains(&use_within_ms);
    let gates = (1..=MOST_GATES).contains(&question.gates.len())
        && question.gates.iter().all(|gate| (1..=MOST_APPROVERS).contains(&gate.quorum));
    if times && gates && uses > 0 {
        return Ok(());
    }
    Err(refusal(
        "terms_out_of_range",
        "a question needs 1 to 64 gates, quorums of 1 to 16, a use and times of at most 366 days",
    ))
}
