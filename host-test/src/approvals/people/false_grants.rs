//! What a service that was taken over could say: yes without people, without enough of them or by the wrong ones,
//! another's yes, or one that has lapsed.
//!
//! The service itself believes it: a claim of such a grant wins, so that only the filter's own checks stop it.

use countersign_protocol::approval::State;
use countersign_protocol::grant::{Answer, Grant};
use countersign_protocol::person::Person;
use countersign_protocol::quorum::eligible;
use countersign_protocol::recording::{Act, Doing};
use countersign_protocol::{Hash, Token};

use super::{Refused, name};
use crate::approvals::log::Happened;
use crate::approvals::service::Service;
use crate::approvals::tickets::Ticket;

impl Service {
    /// Gives a grant in which all is as it should be, but one thing.
    pub(super) fn give_false(&mut self, id: Token, act: &Act, answer: Answer) -> Result<(), Refused> {
        let jti = self.fresh();
        let Some(ticket) = self.tickets.get(&id) else { return Ok(()) };
        if ticket.state != State::Pending {
            return Err(Refused::Closed(ticket.state));
        }
        let by = answer.person.clone();
        let flaggers = ticket.counting().1;
        let answers = match act.what {
            Doing::Alone => vec![answer],
            _ => enough(ticket, &answer, &flaggers),
        };
        let grant = self.grant(ticket, jti, answers, flaggers);
        let (jti, jws) = match act.what {
            Doing::Forge => (jti, self.signer.forged(&grant)),
            Doing::Late => (jti, self.signer.grant(&lapsed(ticket, grant))),
            Doing::Alone => (jti, self.signer.grant(&grant)),
            Doing::Elsewhere => {
                let aud = format!("not-{}", grant.aud);
                (jti, self.signer.grant(&Grant { aud, ..grant }))
            }
            _ => self.replayed(ticket, grant),
        };
        self.note(Happened::new(self.now, "false_grant").to(id).by(&by).code(name(act.what)));
        self.approve(id, jti, jws);
        Ok(())
    }

    /// The last yes to another request; made up for the occasion when there was none, and then only the digest
    /// shows it.
    fn replayed(&self, ticket: &Ticket, grant: Grant) -> (Token, String) {
        let other = |signed: &&super::Signed| signed.ticket != ticket.id && signed.digest != ticket.digest;
        if let Some(signed) = self.grants.iter().rev().find(other) {
            return (signed.jti, signed.jws.clone());
        }
        let made_up = Grant { digest: Hash::of(&ticket.digest.0), ..grant };
        (made_up.jti, self.signer.grant(&made_up))
    }
}

/// The same grant, as old as it can be: it lapsed a second ago.
fn lapsed(ticket: &Ticket, grant: Grant) -> Grant {
    let exp = grant.iat - 1;
    let iat = exp - ticket.question.terms.use_within_ms.div_euclid(1000);
    Grant { iat, nbf: iat, exp, ..grant }
}

/// As many answers as it takes, the first one `like` it was given, the others by people of other names.
fn enough(ticket: &Ticket, like: &Answer, flaggers: &[Person]) -> Vec<Answer> {
    let needed =
        ticket.question.gates.iter().map(|gate| usize::from(gate.quorum)).sum::<usize>() + flaggers.len();
    let numbered = |number: usize| {
        let mut answer = like.clone();
        if number > 1 {
            answer.person.subject = format!("{}-{number}", like.person.subject);
            let name = format!("{}-{number}", like.id);
            let hash = Hash::of(name.as_bytes());
            answer.id.0.iter_mut().zip(hash.0).for_each(|(to, from)| *to = from);
        }
        answer
    };
    // Some of the names may be those of people who have a part in the request.
    let tried = 2 * needed + 16;
    let fits =
        |answer: &Answer| eligible(answer, ticket.asked()).is_ok() && !flaggers.contains(&answer.person);
    (1..=tried).map(numbered).filter(fits).take(needed).collect()
}
