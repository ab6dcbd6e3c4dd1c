//! What has to happen before a held request goes on.

use super::Mutant;

const CLAIMING: &str = "core/src/life/claiming.rs";
const HELD: &str = "core/src/life/held.rs";

/// Rules as of when people were asked.
const AS_OF_THEN: &str = "still_open(engine, &self.held.case, \
    self.held.case.until.saturating_sub(self.held.case.terms.hold_ms))";

pub(super) const ALL: [Mutant; 10] = [
    Mutant {
        name: "no-claim",
        removes: "goes on with a grant that is not claimed",
        file: HELD,
        old: "Step::new(Next::Claim(claim, at.now, Box::new(claiming))).audit(record)",
        new: "{
            let _ = claiming;
            let used = super::permit::Used { ticket: claim.ticket, nonce: claim.nonce };
            let decision = super::Decision::new(super::Fate::Countersigned, Some(claim.ticket));
            Step::new(Next::Continue(super::Permit::countersigned(used, None))).decided(decision).audit(record)
        }",
    },
    Mutant {
        name: "no-ruling-before-the-claim",
        removes: "claims though policy has come to forbid it during the hold",
        file: HELD,
        old: "still_open(engine, &self.case, at.now)",
        new: "still_open(engine, &self.case, self.case.until.saturating_sub(self.case.terms.hold_ms))",
    },
    Mutant {
        name: "no-ruling-after-the-claim",
        removes: "goes on though policy has come to forbid it during the claim",
        file: CLAIMING,
        old: "still_open(engine, &self.held.case, now)",
        new: AS_OF_THEN,
    },
    Mutant {
        name: "unasked",
        removes: "goes on when nobody can be asked",
        file: "core/src/life/asking.rs",
        old: "let denial =
                    Denial::new(Reason::ServiceUnavailable, \"nobody can be asked now: try again later\");
                case.end(journal, None, &denial, at.now)",
        new: "Step::new(Next::Continue(Permit::plain())).decided(Decision::new(Fate::Allowed, None))",
    },
    Mutant {
        name: "unanswered-claim",
        removes: "goes on when the claim is not answered",
        file: CLAIMING,
        old: "self.again(journal, at.now)",
        new: "self.on_won(engine, journal, at.now)",
    },
    Mutant {
        name: "end-of-hold",
        removes: "goes on when the hold ends without an answer",
        file: HELD,
        old: "self.case.pending(engine, journal, self.ticket, now)",
        new: "{
            let _ = (engine, journal, now);
            let decision = super::Decision::new(super::Fate::Allowed, Some(self.ticket.id));
            Step::new(Next::Continue(super::Permit::plain())).decided(decision)
        }",
    },
    Mutant {
        name: "unsynced-allow",
        removes: "does not wait until an allow with `@audit(\"sync\")` is on record",
        file: "core/src/life.rs",
        old: "judged.ruling.sync_audit && engine.mode == Mode::Enforce",
        new: "false",
    },
    Mutant {
        name: "upgrades",
        removes: "lets a request upgrade where a gate applies",
        file: "core/src/reading/headers.rs",
        old: "Rule::Upgrades.refuse_if(wanted, relaxed, \"`upgrade` where a gate applies\")",
        new: "{ let _ = wanted; Ok(()) }",
    },
    Mutant {
        name: "unaccountable",
        removes: "asks people about a caller whose owner nobody knows",
        file: "core/src/life/asking.rs",
        old: "&judged.caller.unaccountable",
        new: "&None::<Denial>",
    },
    Mutant {
        name: "claim-without-record",
        removes: "sends a claim without the record of it",
        file: "plugin/src/worker.rs",
        old: "self.outbox.keep(step.audit)",
        new: "self.outbox.keep(match &step.next {
            Next::Claim(..) => Vec::new(),
            _ => step.audit,
        })",
    },
];
