//! On whose behalf something is asked, and why a policy stops it: what a tired person has to see first.

use countersign_protocol::person::Role;
use countersign_protocol::request::Question;
use countersign_view::words::Named;

/// What stands below the sentence that says what is asked.
pub(super) struct Because {
    /// Whom the agent belongs to.
    pub(super) owners: Vec<String>,
    /// What the gates say for themselves.
    pub(super) reasons: Vec<String>,
}

impl Because {
    pub(super) fn of(question: &Question) -> Self {
        let owners = question.involved.iter().filter(|one| one.role == Role::Owner);
        let mut reasons: Vec<_> = question.gates.iter().filter_map(|gate| gate.reason.clone()).collect();
        reasons.dedup();
        Self { owners: owners.map(|one| Named::of(&one.entity).id).collect(), reasons }
    }
}
