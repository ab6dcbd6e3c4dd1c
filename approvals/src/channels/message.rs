//! What is said about a request, whatever it is said through: who, what, why, until when, and what just happened.

pub(crate) mod exact;

use std::collections::BTreeMap;

use countersign_protocol::approval::State;
use countersign_protocol::person::Person;
use countersign_protocol::request::Severity;
use countersign_protocol::{Token, UnixMillis};
use countersign_view::words::{Named, lasting, role, severity};
use countersign_view::{Note, is_plain_host};

use super::text::line;
use crate::inbox::words::{event, utc};
use crate::store::answers::{Kept, counting, lacking, needed};
use crate::store::history::Entry;
use crate::store::outbox::Due;
use crate::store::tickets::Ticket;
use crate::store::{Store, StoreError};

/// The most of one text from outside in a summary, characters.
const LONGEST: usize = 300;
/// The most lines of one kind in a summary.
const MOST: usize = 5;

/// One message.
pub(crate) struct Message {
    /// Names it, the same each time that it is tried.
    pub(crate) id: Token,
    /// Which try this is, from 1 on.
    pub(crate) attempts: i64,
    pub(crate) at: UnixMillis,
    /// What happened.
    pub(crate) event: Entry,
    /// The request as it is now.
    pub(crate) ticket: Ticket,
    pub(crate) answers: Vec<Kept>,
    /// Whether its glass was broken and nobody has looked at it.
    pub(crate) review: bool,
    /// The request's page.
    pub(crate) link: String,
    names: BTreeMap<Person, String>,
}

/// Something to know about a request: what it is, which is ours, and what it says, which is not.
pub(crate) struct Fact {
    pub(crate) label: &'static str,
    pub(crate) text: String,
}

impl Message {
    /// `None` when the request is not there.
    pub(crate) async fn of(store: &Store, origin: &str, due: &Due) -> Result<Option<Self>, StoreError> {
        let (ticket, event) = (store.ticket(due.ticket).await?, store.event_of(due).await?);
        let Some((ticket, event)) = ticket.zip(event) else { return Ok(None) };
        let answers = store.answers(&ticket).await?;
        let people = answers.iter().map(|kept| kept.answer.person.clone()).chain(event.person()).collect();
        let review = store.review(due.ticket).await?.is_some_and(|review| review.closed.is_none());
        Ok(Some(Self {
            id: due.id,
            attempts: due.attempts,
            at: due.at,
            event,
            link: format!("{origin}/inbox/{}", ticket.id),
            names: store.names(people).await?,
            ticket,
            answers,
            review,
        }))
    }

    /// Who asks for what on what: untrusted, each on one line.
    pub(crate) fn asked(&self) -> [String; 3] {
        let cedar = &self.ticket.question.cedar;
        [&cedar.principal, &cedar.action, &cedar.resource].map(|entity| line(&Named::of(entity).id, 120))
    }

    /// Where the request stands, in our own words.
    pub(crate) fn standing(&self) -> &'static str {
        match self.ticket.state {
            _ if self.review => "Glass was broken: somebody else has to look at it",
            State::Pending if self.event.event == "escalated" => "Approval still needed",
            State::Pending if self.flags() > 0 => "Approval needed, and one more because it was flagged",
            State::Pending => "Approval needed",
            State::Approved => "Approved, not used up yet",
            State::Consumed => "Approved and used",
            State::Rejected => "Rejected",
            State::Expired => "Expired",
            State::Revoked => "Approval taken back",
            State::Cancelled => "Cancelled: nobody waits for it any more",
            State::Unknown => "Unknown",
        }
    }

    /// What just happened, for channels that say each thing once.
    pub(crate) fn news(&self) -> &'static str {
        match self.event.event.as_str() {
            "asked" => "Approval needed",
            "escalated" => "Approval still needed",
            "flag" => "Flagged: approval by one more needed",
            "broke_glass" => "Glass was broken",
            "reviewed" => "Broken glass was looked at",
            "reject" => "Rejected",
            "reopened" => "Approval needed again",
            "approved" => "Approved",
            "revoked" => "Approval taken back",
            "expired" => "Expired",
            "cancelled" => "Cancelled",
            _ => self.standing(),
        }
    }

    /// Who did it and what they said, where somebody did.
    pub(crate) fn happened(&self) -> Option<String> {
        let who = self.called(&self.event.person()?);
        let what = event(&self.event.event, self.event.detail.as_deref());
        let said = self.event.detail.as_deref().map(|said| format!(": {}", line(said, LONGEST)));
        Some(format!("{who} {what}{}", said.unwrap_or_default()))
    }

    /// All answers that count, each on one line.
    pub(crate) fn said(&self) -> Vec<String> {
        let counting = self.answers.iter().filter(|kept| kept.dropped.is_none());
        let one = |kept: &Kept| {
            let what = if kept.answer.break_glass.is_some() { "broke_glass" } else { kept.kind.name() };
            let said = kept.reason.as_deref().map(|said| format!(": {}", line(said, LONGEST)));
            let what = event(what, None);
            format!("{} {what}{}", self.called(&kept.answer.person), said.unwrap_or_default())
        };
        counting.map(one).collect()
    }

    /// What is to know about it.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let question = &self.ticket.question;
        let request = &question.request;
        let fact = |label, text| Fact { label, text };
        let target = format!("{} {}://{}{}", request.method, request.scheme, request.authority, request.path);
        let mut facts = vec![fact("Request", line(&target, LONGEST))];
        facts.push(fact("Audience", line(&self.ticket.audience, 60)));
        if !is_plain_host(&request.authority) {
            facts.push(fact("Careful", Note::ForeignHost.says().to_owned()));
        }
        let why = question.gates.iter().map(|gate| {
            let reason = gate.reason.as_deref().unwrap_or("a policy asks for an approval");
            format!("{} ({} of {})", line(reason, LONGEST), gate.quorum, line(&gate.group_name, 60))
        });
        facts.extend(few(why.collect()).into_iter().map(|text| fact("Why it is stopped", text)));
        let behind = question.involved.iter().map(|one| {
            let who = line(&Named::of(&one.entity).id, 120);
            format!("{who} {}", role(one.role))
        });
        facts.extend(few(behind.collect()).into_iter().map(|text| fact("Who is behind it", text)));
        let also = question
            .also
            .iter()
            .map(|other| line(&format!("{} on {}", other.action, other.resource), LONGEST));
        facts.extend(few(also.collect()).into_iter().map(|text| fact("In the same request", text)));
        let says = question.justification.as_deref().map(|text| line(text, LONGEST));
        facts.extend(says.map(|text| fact("The caller says", text)));
        facts.push(fact("Terms", self.terms()));
        facts
    }

    fn terms(&self) -> String {
        let (ticket, terms) = (&self.ticket, &self.ticket.question.terms);
        let uses = if terms.uses == 1 { "use" } else { "uses" };
        let counts =
            format!("a yes counts for {} {uses} within {}", terms.uses, lasting(terms.use_within_ms));
        let until = format!("answer by {}", utc(ticket.answer_by));
        format!("{} severity; {until}; {counts}", severity(terms.severity))
    }

    /// How many of how many approvals there are.
    pub(crate) fn have(&self) -> (usize, usize) {
        let need = needed(&self.ticket, &self.answers);
        (need.saturating_sub(lacking(&self.ticket, &self.answers)), need)
    }

    fn flags(&self) -> usize {
        counting(&self.answers).1.len()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.ticket.state == State::Pending
    }

    fn called(&self, person: &Person) -> String {
        // Apart, so that no name is so long that nobody sees whose it is.
        let subject = line(&person.subject, 60);
        let name = self.names.get(person).filter(|name| **name != person.subject);
        name.map_or_else(|| subject.clone(), |name| format!("{} ({subject})", line(name, 60)))
    }
}

/// Whether a yes may be a click in a chat: all that is bound stands in the message, and no second factor is needed.
pub(crate) fn fits_a_click(ticket: &Ticket) -> bool {
    ticket.question.terms.severity != Severity::High && exact::short(ticket).is_ok()
}

/// The first of them, and how many more there are.
fn few(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("and {more} more"));
    }
    lines
}
