//! Lists of requests: a page at a time, of what one person may see, with all that a row shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use countersign_protocol::approval::State;
use countersign_protocol::request::{CedarRequest, ExactRequest, Question, Severity};
use countersign_protocol::{Token, UnixMillis};
use countersign_view::words::severity;
use serde::{Deserialize, Serialize};

use super::answers::Kept;
use super::readers::may_see;
use super::tickets::{MOST_ALSO, Ticket, state_name};
use super::{Store, StoreError, values};
use crate::people::{Member, Role};

/// Which requests a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All, the latest first.
    All,
    /// Those that wait for the reader's answer, what lapses first on top: of groups that they are in, not answered by
    /// them, and not theirs.
    Yours,
    /// Those that wait for answers of others, what lapses first on top.
    Others,
    /// Those in one state: open ones by when they lapse, others the latest first.
    In(State),
    /// Those that are over, the latest first.
    Closed,
}

impl Which {
    /// Whether what lapses first is on top, in which state, and whether it is for the reader to answer.
    fn open(self) -> Option<(State, Option<bool>)> {
        match self {
            Self::Yours => Some((State::Pending, Some(true))),
            Self::Others => Some((State::Pending, Some(false))),
            Self::In(state @ (State::Pending | State::Approved)) => Some((state, None)),
            Self::All | Self::In(_) | Self::Closed => None,
        }
    }
}

/// Behind which request a page begins: the number that the list is ordered by, and the request's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Place {
    pub(super) at: UnixMillis,
    pub(super) id: Token,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at, self.id)
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

/// A text that is no place in a list.
#[derive(Debug, thiserror::Error)]
#[error("this is no place in a list: take `next` of the page before")]
pub(crate) struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (at, id) = text.split_once('-').ok_or(NoPlace)?;
        Ok(Self { at: at.parse().map_err(|_| NoPlace)?, id: id.parse().map_err(|_| NoPlace)? })
    }
}

impl TryFrom<String> for Place {
    type Error = NoPlace;

    fn try_from(text: String) -> Result<Self, NoPlace> {
        text.parse()
    }
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Only requests of this severity.
    pub(crate) severity: Option<Severity>,
    /// Only requests with all of these words in who, for whom, what, to what, method or address.
    pub(crate) words: String,
}

impl Filter {
    /// Each word as a pattern of SQL, the rest `%`: everything.
    fn patterns(&self) -> [String; WORDS] {
        let words: String = self.words.chars().take(LONGEST_WORDS).collect();
        let words = words.to_lowercase();
        let mut words = words.split_whitespace().map(|word| {
            let plain = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            format!("%{plain}%")
        });
        std::array::from_fn(|_| words.next().unwrap_or_else(|| "%".into()))
    }
}

/// The most words that are looked for; more narrow no further.
const WORDS: usize = 4;
/// The most of what is looked for that counts, characters.
const LONGEST_WORDS: usize = 200;
/// The most that is kept of each thing that people look for, characters.
const SEARCHED: usize = 1000;

/// What people look for of a question, in lower case.
pub(super) fn searched(question: &Question) -> String {
    let CedarRequest { principal, action, resource, .. } = &question.cedar;
    let ExactRequest { method, authority, path, .. } = &question.request;
    let also = question.also.iter().take(MOST_ALSO);
    let also: Vec<_> = also.map(|one| format!("{} {}", one.action, one.resource)).collect();
    let involved: Vec<_> = question.involved.iter().map(|one| one.entity.as_str()).collect();
    let (url, also, involved) = (format!("{authority}{path}"), also.join(" "), involved.join(" "));
    let all = [principal, action, resource, method, &url, &also, &involved];
    all.map(|text| text.chars().take(SEARCHED).collect::<String>()).join(" ").to_lowercase()
}

/// A request in a list.
pub(crate) struct Listed {
    /// In outline.
    pub(crate) ticket: Ticket,
    pub(crate) answers: Vec<Kept>,
    /// Whether a caller waits for it at this moment.
    pub(crate) held: bool,
}

/// One page of a list.
pub(crate) struct Page {
    pub(crate) items: Vec<Listed>,
    /// Behind which request the next page begins, when there is more.
    pub(crate) next: Option<Place>,
}

/// Whether `$2`, `$3` may see it; `$1` is 1 for those who may see everything. Broader than [`may_see`] at most.
macro_rules! seen {
    () => {
        "($1 = 1 OR EXISTS (SELECT 1 FROM ticket_readers AS reader WHERE reader.ticket = outlines.id
             AND reader.kind = 'person' AND reader.issuer = $2 AND reader.id = $3)
         OR EXISTS (SELECT 1 FROM ticket_readers AS reader JOIN memberships AS place
             ON place.group_issuer = reader.issuer AND place.group_id = reader.id
             WHERE reader.ticket = outlines.id AND reader.kind = 'group' AND place.issuer = $2 AND place.subject = $3))"
    };
}

/// What a list is narrowed to: `$9` is a severity or nothing, the rest are patterns.
macro_rules! filtered {
    () => {
        " AND ($9 IS NULL OR severity = $9) AND search LIKE $10 ESCAPE '\\' AND search LIKE $11 ESCAPE '\\'
         AND search LIKE $12 ESCAPE '\\' AND search LIKE $13 ESCAPE '\\' "
    };
}

/// Open requests in state `$4`, `$8` saying whether the reader is to answer them.
const OPEN: &str = concat!(
    "SELECT * FROM outlines WHERE lapses_at IS NOT NULL AND state = $4 AND lapses_at > now
         AND (lapses_at, id) > ($5, $6) AND ",
    seen!(),
    " AND ($8 IS NULL OR $8 = CASE WHEN
             EXISTS (SELECT 1 FROM ticket_readers AS reader JOIN memberships AS place
                 ON place.group_issuer = reader.issuer AND place.group_id = reader.id
                 WHERE reader.ticket = outlines.id AND reader.kind = 'group'
                 AND place.issuer = $2 AND place.subject = $3)
             AND NOT EXISTS (SELECT 1 FROM ticket_readers AS reader WHERE reader.ticket = outlines.id
                 AND reader.kind = 'person' AND reader.issuer = $2 AND reader.id = $3)
             AND NOT EXISTS (SELECT 1 FROM answers WHERE answers.ticket = outlines.id
                 AND answers.issuer = $2 AND answers.subject = $3 AND answers.dropped IS NULL)
         THEN 1 ELSE 0 END)",
    filtered!(),
    "ORDER BY lapses_at, id LIMIT $7"
);

/// Requests of any age: in state `$4` where there is one, only those that are over where `$8` is 1.
const BY_AGE: &str = concat!(
    "SELECT * FROM outlines WHERE ($4 IS NULL OR state_now = $4) AND (asked_at, id) < ($5, $6)
         AND ($8 = 0 OR state_now NOT IN ('pending', 'approved')) AND ",
    seen!(),
    filtered!(),
    "ORDER BY asked_at DESC, id DESC LIMIT $7"
);

/// Where lists by age begin: before this is every request.
pub(super) const NEWEST: Place = Place { at: i64::MAX, id: Token([0xff; 16]) };
/// Where lists by deadline begin.
const FIRST: Place = Place { at: 0, id: Token([0; 16]) };

impl Store {
    /// The next requests of a list behind a place in it, at most `most`.
    pub(crate) async fn list(
        &self,
        member: &Member,
        which: Which,
        filter: &Filter,
        (after, most): (Option<Place>, u32),
    ) -> Result<Page, StoreError> {
        let open = which.open();
        let after = after.unwrap_or(if open.is_some() { FIRST } else { NEWEST });
        let (sql, state, flag) = match (open, which) {
            (Some((state, yours)), _) => (OPEN, Some(state), yours.map(i64::from)),
            (None, Which::In(state)) => (BY_AGE, Some(state), Some(0)),
            (None, which) => (BY_AGE, None, Some(i64::from(which == Which::Closed))),
        };
        let all = member.has(&[Role::Admin, Role::Auditor]);
        let query = sqlx::query_as(sql).bind(i64::from(all));
        let query = query.bind(&member.person.issuer).bind(&member.person.subject);
        let query = query.bind(state.map(state_name)).bind(after.at).bind(after.id.to_string());
        let mut query = query.bind(i64::from(most) + 1).bind(flag).bind(filter.severity.map(severity));
        for pattern in filter.patterns() {
            query = query.bind(pattern);
        }
        let mut tickets: Vec<Ticket> = query.fetch_all(&self.reader).await?;
        let more = tickets.len() > usize::try_from(most).unwrap_or(usize::MAX);
        tickets.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        let place = |ticket: &Ticket| {
            let at = if open.is_some() { ticket.lapses_at.unwrap_or_default() } else { ticket.asked_at };
            Place { at, id: ticket.id }
        };
        let next = tickets.last().filter(|_| more).map(place);
        tickets.retain(|ticket| may_see(ticket, member));
        Ok(Page { items: self.listed(tickets).await?, next })
    }

    /// Tickets with what a row shows of each.
    pub(super) async fn listed(&self, tickets: Vec<Ticket>) -> Result<Vec<Listed>, StoreError> {
        let answers = self.answers_to(&tickets).await?;
        let held = self.held(&tickets).await?;
        let listed = |ticket: Ticket| Listed {
            answers: answers.get(&ticket.id).cloned().unwrap_or_default(),
            held: held.contains(&ticket.id),
            ticket,
        };
        Ok(tickets.into_iter().map(listed).collect())
    }

    /// The tickets of these ids, in outline.
    pub(crate) async fn outlines(&self, ids: &[Token]) -> Result<BTreeMap<Token, Ticket>, StoreError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = format!("SELECT * FROM outlines WHERE id IN (VALUES {})", values(ids.len(), 1));
        let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql));
        for id in ids {
            query = query.bind(id.to_string());
        }
        let tickets: Vec<Ticket> = query.fetch_all(&self.reader).await?;
        Ok(tickets.into_iter().map(|ticket| (ticket.id, ticket)).collect())
    }

    /// Those of the tickets that a caller waits for.
    async fn held(&self, tickets: &[Ticket]) -> Result<BTreeSet<Token>, StoreError> {
        let open = tickets.iter().filter(|ticket| ticket.lapses_at.is_some()).collect::<Vec<_>>();
        if open.is_empty() {
            return Ok(BTreeSet::new());
        }
        let sql = format!(
            "SELECT DISTINCT ticket FROM attachments, clock WHERE left_at IS NULL AND held_until > now
             AND ticket IN (VALUES {})",
            values(open.len(), 1)
        );
        let mut query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql));
        for ticket in open {
            query = query.bind(ticket.id.to_string());
        }
        let held: Vec<String> = query.fetch_all(&self.reader).await?;
        Ok(held.into_iter().filter_map(|id| id.parse().ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_it_is_read() {
        let place = Place { at: 1_700_000_000_000, id: Token([7; 16]) };
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        for bad in ["", "1", "-", "x-07", "1-07", "1700000000000-zz"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
