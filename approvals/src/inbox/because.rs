//! On whose behalf something is asked, what else comes with it, and why a policy stops it: what a tired person has to
//! see first.

use countersign_protocol::person::Role;
use countersign_protocol::request::Question;
use countersign_view::words::Named;

use super::words;
use crate::store::tickets::MOST_ALSO;

/// The most of what else a request does that is named.
const NAMED: usize = 3;
/// The most of a name, characters: all of it stands below.
const LONGEST: usize = 200;

/// What stands below the sentence that says what is asked.
pub(super) struct Because {
    /// Whom the agent belongs to.
    pub(super) owners: Vec<String>,
    /// What else the same request does, and to what.
    pub(super) also: Vec<(String, String)>,
    /// What is not named of that, in words.
    pub(super) more: Option<String>,
    /// What the gates say for themselves.
    pub(super) reasons: Vec<String>,
}

impl Because {
    pub(super) fn of(question: &Question) -> Self {
        let owners = question.involved.iter().filter(|one| one.role == Role::Owner);
        let mut reasons: Vec<_> = question.gates.iter().filter_map(|gate| gate.reason.clone()).collect();
        reasons.dedup();
        let also = question.also.iter().take(NAMED);
        let named = |entity: &str| words::cut(&Named::of(entity).id, LONGEST);
        Self {
            owners: owners.map(|one| Named::of(&one.entity).id).collect(),
            also: also.map(|one| (named(&one.action), named(&one.resource))).collect(),
            more: more(question.also.len().saturating_sub(NAMED)),
            reasons,
        }
    }
}

/// How many more there are; a list knows of so many only.
fn more(count: usize) -> Option<String> {
    let least = if count + NAMED >= MOST_ALSO { "at least " } else { "" };
    (count > 0).then(|| format!("{least}{count} more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_counted() {
        assert_eq!(more(0), None);
        assert_eq!(more(1).as_deref(), Some("1 more"));
        assert_eq!(more(MOST_ALSO - NAMED).as_deref(), Some("at least 97 more"));
    }
}
