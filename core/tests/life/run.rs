//! One request driven to its end through whatever the approval service says, and whether people said yes.
//!
//! The fuzz target `decide` runs it too (`fuzz/targets`).

use countersign_core::facts::RequestFacts;
use countersign_core::life::{Asking, AwaitingBody, Claiming, Enquiry, Held, Next, NoAnswer, Step};
use countersign_protocol::approval::{AskAnswer, AskResult, Claim, ClaimAnswer, ClaimResult, State};
use countersign_protocol::grant::Grant;
use countersign_protocol::{Hash, Token};

use crate::fixture::{World, approved, open, signed, verdict, won};

/// What may happen to a gated request; `Honest` alone is what a good service does at that point.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    Honest,
    NoAnswer,
    Refused,
    ForgedGrant,
    GrantForAnother,
    Garbage,
    OtherState(State),
    ForgedReceipt,
    Lost(State),
    Time(i64),
}

/// Whether people said yes and the service counted the use, for the question that is open now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Yes {
    granted: bool,
    receipted: bool,
}

impl Yes {
    /// Both, so that the request may go on.
    pub(crate) fn is_whole(&self) -> bool {
        self.granted && self.receipted
    }
}

/// What came of one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    /// All evidence.
    pub(crate) lines: Vec<String>,
    /// The step at which it ended, or at which events did, as it is shown.
    pub(crate) last: String,
    /// Whether it went on.
    pub(crate) on: bool,
    /// What people and service said last.
    pub(crate) yes: Yes,
}

/// One run: the world, the question that is open and the grant that was last given, forged or not.
struct Run {
    world: World,
    yes: Yes,
    question: Option<Enquiry>,
    grant: Option<Grant>,
    /// Body and trailers, when they come after the headers.
    late: Option<(Vec<u8>, Fields)>,
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Runs one request through `events` in `world`.
pub(crate) fn run(world: World, facts: RequestFacts, events: &[Event]) -> Ran {
    let mut run = Run { world, yes: Yes::default(), question: None, grant: None, late: None };
    let step = run.world.decide(facts);
    run.go(step, events)
}

/// As [`run`], but the gateway shows body and trailers only when they are asked for.
pub(crate) fn run_late(world: World, mut facts: RequestFacts, events: &[Event]) -> Ran {
    let late = Some((facts.body.take().unwrap_or_default(), std::mem::take(&mut facts.trailers)));
    let mut run = Run { world, yes: Yes::default(), question: None, grant: None, late };
    let step = run.world.decide(facts);
    run.go(step, events)
}

impl Run {
    fn go(mut self, mut step: Step, events: &[Event]) -> Ran {
        let mut lines = Vec::new();
        let mut events = events.iter();
        loop {
            lines.extend(step.audit.iter().map(|record| record.line.clone()));
            step = match step.next {
                Next::NeedBody(awaiting) => self.read(awaiting),
                Next::Keep(keeping) => keeping.on_kept(),
                next => {
                    let over = matches!(next, Next::Continue(_) | Next::Reply(_));
                    let Some(event) = events.next().filter(|_| !over) else {
                        let on = matches!(next, Next::Continue(_));
                        return Ran { lines, last: format!("{next:?}"), on, yes: self.yes };
                    };
                    self.answer(next, *event)
                }
            };
        }
    }

    fn answer(&mut self, next: Next, event: Event) -> Step {
        if let Event::Time(passed) = event {
            self.world.now += passed;
        }
        match next {
            Next::Ask(enquiry, asking) => self.asked(*enquiry, asking, event),
            Next::Wait(held) => self.waited(held, event),
            Next::Claim(claim, _, claiming) => self.claimed(&claim, *claiming, event),
            next => panic!("no event answers {next:?}"),
        }
    }

    fn read(&mut self, awaiting: AwaitingBody) -> Step {
        let (body, trailers) = self.late.take().expect("the body was there, or is asked for once");
        let at = self.world.at();
        awaiting.on_body(&self.world.engine, &mut self.world.journal, body, trailers, at)
    }

    fn asked(&mut self, enquiry: Enquiry, asking: Asking, event: Event) -> Step {
        self.yes = Yes::default();
        let result = match event {
            Event::NoAnswer | Event::Garbage => Err(NoAnswer),
            Event::Refused => Ok(AskResult::Refused { code: "no".into(), detail: "no".into() }),
            _ => Ok(open(None)),
        };
        let answer = result.map(|result| AskAnswer { nonce: enquiry.nonce, result });
        self.question = Some(enquiry);
        let at = self.world.at();
        asking.on_reply(&self.world.engine, &mut self.world.journal, answer, at)
    }

    fn waited(&mut self, held: Held, event: Event) -> Step {
        let enquiry = self.question.clone().unwrap();
        let mut good = self.world.grant(&enquiry, &["bo"]);
        if matches!(event, Event::GrantForAnother) {
            good.digest = Hash::of(b"another");
        }
        let honest = matches!(event, Event::Honest | Event::GrantForAnother);
        let token = if honest { signed(&good) } else { "forged".into() };
        self.yes.granted = matches!(event, Event::Honest);
        self.grant = Some(good);
        match event {
            Event::OtherState(state) => self.world.verdict(held, verdict(&enquiry, state)),
            _ => self.world.verdict(held, approved(&enquiry, &token)),
        }
    }

    fn claimed(&mut self, claim: &Claim, claiming: Claiming, event: Event) -> Step {
        let mut receipt = self.world.receipt(&self.grant.clone().unwrap(), claim);
        let answer = match event {
            Event::Honest => Ok(won(claim, &receipt)),
            Event::ForgedReceipt => {
                receipt.nonce = Token([0; 16]);
                Ok(won(claim, &receipt))
            }
            Event::Lost(state) => Ok(ClaimAnswer { nonce: claim.nonce, result: ClaimResult::Lost { state } }),
            _ => Err(NoAnswer),
        };
        self.yes.receipted = matches!(event, Event::Honest);
        let at = self.world.at();
        claiming.on_reply(&self.world.engine, &mut self.world.journal, answer, at)
    }
}
