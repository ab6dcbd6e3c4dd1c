//! A gate is shut: the question to people, and the wait for the service to take it.

use countersign_protocol::UnixMillis;
use countersign_protocol::approval::{AskAnswer, AskResult, Outcome, OutcomeEvent};
use countersign_protocol::request::{BreakGlass, Gate, Question};

use super::case::{Case, Left, Ticket};
use super::{
    Decision, Denial, Engine, Enquiry, Fate, Held, Journal, Judged, Moment, Next, NoAnswer, Permit, Reason,
    RequestFacts, Step, deny,
};
use crate::config::Mode;
use crate::dialect::Dialect;
use crate::digest::shown;
use crate::grpc::is_unary;
use crate::policy::{Required, ShutGate};

/// Waits for the service to take the question.
#[derive(Debug)]
pub struct Asking(Case);

/// Asks people, unless it is known that they could not answer. The hold ends at `until` when an earlier
/// question for the same request began it.
pub(super) fn ask(
    engine: &Engine,
    journal: &mut Journal,
    judged: &Judged<'_>,
    required: &Required,
    (facts, until): (RequestFacts, Option<UnixMillis>),
    at: Moment,
) -> Step {
    if !journal.has_room() {
        let denial =
            Denial::new(Reason::ServiceUnavailable, "too much waits for people now: try again later");
        return deny::judged(engine, journal, judged, denial, at.now);
    }
    let gates = match gates(engine, judged, required, &facts) {
        Ok(gates) => gates,
        Err(denial) => return deny::judged(engine, journal, judged, denial, at.now),
    };
    let digest = judged.digest(engine, &facts);
    let step = if engine.mode == Mode::Observe {
        let decision = Decision { enforced: false, ..Decision::new(Fate::NeedsApproval, None) };
        Step::new(Next::Continue(Permit::plain())).decided(decision)
    } else {
        let question = question(engine, judged, required, &gates, &facts);
        let case = Case {
            nonce: at.fresh,
            digest,
            involved: question.involved.clone(),
            gates: gates.clone(),
            until: until.unwrap_or(at.now.saturating_add(question.terms.hold_ms)),
            terms: question.terms.clone(),
            dialect: judged.dialect.clone(),
            facts,
        };
        Step::new(Next::Ask(Box::new(Enquiry { nonce: at.fresh, digest, question }), Asking(case)))
    };
    let members = judged
        .members()
        .with("digest", digest)
        .with("gates", &gates)
        .with("enforced", engine.mode == Mode::Enforce);
    step.audit(journal.held(at.now, "needs_approval", members))
}

/// The gates to be opened, with their groups resolved.
fn gates(
    engine: &Engine,
    judged: &Judged<'_>,
    required: &Required,
    facts: &RequestFacts,
) -> Result<Vec<Gate>, Denial> {
    // A gate can apply only where `Policies::gated` said so, and there the body was awaited.
    if facts.body.is_none() && !judged.reading.opens_tunnel() {
        return Err(Denial::new(Reason::PolicyError, "a gate is shut and the body was not read"));
    }
    if let Some(denial) = judged.reading.upgrade() {
        return Err(denial.clone());
    }
    if matches!(judged.dialect, Dialect::Grpc { .. }) && !facts.body.as_deref().is_some_and(is_unary) {
        return Err(Denial::new(Reason::StreamGated, "more or less than the one message of a unary call"));
    }
    if let Some(denial) = &judged.caller.unaccountable {
        return Err(denial.clone());
    }
    let unmapped = || Denial::new(Reason::PolicyError, "a gate's group is not mapped");
    required.gates.iter().map(|gate| resolve(engine, gate)).collect::<Option<_>>().ok_or_else(unmapped)
}

/// The gate as people are asked about it; nothing when a group of it is not mapped.
pub(super) fn resolve(engine: &Engine, gate: &ShutGate) -> Option<Gate> {
    let glass = |name: &String| Some(BreakGlass { group: engine.group(name)?, group_name: name.clone() });
    let break_glass = match &gate.break_glass {
        Some(name) => Some(glass(name)?),
        None => None,
    };
    Some(Gate {
        gate: gate.gate.clone(),
        group: engine.group(&gate.group)?,
        group_name: gate.group.clone(),
        quorum: gate.quorum,
        reason: gate.reason.clone(),
        channel: gate.channel.clone(),
        break_glass,
    })
}

fn question(
    engine: &Engine,
    judged: &Judged<'_>,
    required: &Required,
    gates: &[Gate],
    facts: &RequestFacts,
) -> Question {
    let mut terms = required.terms.clone();
    // Longer than this the client would not wait, and not read the pending answer either.
    terms.hold_ms = judged.dialect.longest_hold().map_or(terms.hold_ms, |longest| terms.hold_ms.min(longest));
    let (cedar, also) = judged.cedar();
    let tokens = engine.identities.credentials();
    Question {
        cedar,
        also,
        audience: engine.trust.audience.clone(),
        route: judged.target.name().to_owned(),
        involved: judged.caller.involved.clone(),
        gates: gates.to_vec(),
        terms,
        request: shown(
            facts,
            &judged.reading,
            facts.body.as_deref().unwrap_or_default(),
            &judged.loose,
            &judged.volatile(engine),
            &[judged.target.redacted(), &tokens].concat(),
        ),
        justification: judged.reading.justification.clone(),
    }
}

impl Asking {
    /// There is no room to hold the request: people are asked all the same, and unless they have answered
    /// already the pending answer comes at once.
    #[must_use]
    pub fn without_hold(mut self, enquiry: &mut Enquiry, now: UnixMillis) -> Self {
        enquiry.question.terms.hold_ms = 0;
        self.0.until = now;
        self
    }

    /// The service answered, or did not.
    pub fn on_reply(
        self,
        engine: &Engine,
        journal: &mut Journal,
        reply: Result<AskAnswer, NoAnswer>,
        at: Moment,
    ) -> Step {
        let Self(case) = self;
        match reply.map(|answer| answer.result) {
            Err(NoAnswer) => {
                let denial =
                    Denial::new(Reason::ServiceUnavailable, "nobody can be asked now: try again later");
                case.end(journal, None, &denial, at.now)
            }
            Ok(AskResult::Refused { code, detail }) => {
                let denial = Denial::new(Reason::AskRefused, format!("{code}: {detail}"));
                case.end(journal, None, &denial, at.now)
            }
            Ok(AskResult::Open { ticket, capability, answer_by, verdict }) => {
                let held = Held::new(case, Ticket { id: ticket, capability, answer_by });
                match verdict {
                    Some(verdict) => held.on_verdict(engine, journal, verdict, at),
                    None if held.until() <= at.now => held.on_deadline(engine, journal, at.now),
                    None => Step::new(Next::Wait(held)),
                }
            }
        }
    }

    /// The client left before the service took the question; see [`abandoned`] for when it does.
    pub fn on_client_left(self, journal: &mut Journal, now: UnixMillis) -> Left {
        self.0.client_left(journal, None, now)
    }
}

/// The service took a question whose client had left meanwhile: what to tell it.
#[must_use]
pub fn abandoned(answer: &AskAnswer) -> Option<Outcome> {
    match answer.result {
        AskResult::Open { ticket, .. } => {
            Some(Outcome { ticket, event: OutcomeEvent::ClientLeft { nonce: answer.nonce } })
        }
        AskResult::Refused { .. } => None,
    }
}
