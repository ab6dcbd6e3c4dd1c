//! What stands in a request's way, and what would have to differ for it not to.

use countersign_protocol::recording::Decision;
use serde::Serialize;

use super::{Explainer, Explanation};
use crate::policy::{Account, Came, Change, Role, Verdict};

/// How many permits are named when nothing permits a request.
const NEAREST: usize = 3;

/// A policy that would have to come out otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Its `@id`.
    pub policy: String,
    /// What is wrong with it.
    pub kind: ObstacleKind,
    /// What it takes; nothing when it could not be evaluated.
    pub takes: Option<Change>,
}

/// How a policy stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObstacleKind {
    /// A forbid or a gate could not be evaluated.
    Fails,
    /// It forbids.
    Forbids,
    /// It asks people.
    Gate,
    /// It could permit, and does not. One such permit is enough.
    DoesNotPermit,
}

/// All that stands in the way, and what is decided without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacles {
    /// In the order in which they would have to go: of permits one, of all others all.
    pub obstacles: Vec<Obstacle>,
    /// What would be decided if these came out otherwise, and every other policy as it does. A request for which
    /// they do may change others, too: explain that one.
    pub then: Decision,
}

impl Explainer {
    /// What stands in the way of what was explained. What policy was never asked about has no obstacles here.
    #[must_use]
    pub fn obstacles(&self, explanation: &Explanation) -> Option<Obstacles> {
        let verdict = &explanation.ruling.as_ref()?.verdict;
        let playing = |part: fn(&Role) -> bool| {
            explanation.accounts.iter().filter(move |account| self.plays(account, part))
        };
        let gates: Vec<_> =
            playing(|role| matches!(role, Role::Gate(_))).filter(|gate| gate.came == Came::True).collect();
        if let Verdict::NeedsApproval(_) = verdict {
            let obstacles = gates.into_iter().map(|gate| obstacle(gate, ObstacleKind::Gate)).collect();
            return Some(Obstacles { obstacles, then: Decision::Allow });
        }
        let failing = playing(|role| *role != Role::Permit)
            .filter(|account| matches!(account.came, Came::Failed(_)))
            .map(|account| obstacle(account, ObstacleKind::Fails));
        let forbidding = playing(|role| *role == Role::Forbid)
            .filter(|account| account.came == Came::True)
            .map(|account| obstacle(account, ObstacleKind::Forbids));
        let mut obstacles: Vec<_> = failing.chain(forbidding).collect();
        let permits: Vec<_> = playing(|role| *role == Role::Permit).collect();
        if !permits.iter().any(|permit| permit.came == Came::True) {
            obstacles.extend(nearest(permits));
        }
        let then = if gates.is_empty() { Decision::Allow } else { Decision::Ask };
        (!obstacles.is_empty()).then_some(Obstacles { obstacles, then })
    }
}

fn obstacle(account: &Account, kind: ObstacleKind) -> Obstacle {
    let takes = match kind {
        ObstacleKind::Fails => None,
        ObstacleKind::DoesNotPermit => account.to_hold(),
        ObstacleKind::Forbids | ObstacleKind::Gate => account.to_fall(),
    };
    Obstacle { policy: account.policy.clone(), kind, takes }
}

/// The permits that lack the least. Those whose scope does not match are about something else, and named only
/// when there are no others.
fn nearest(permits: Vec<&Account>) -> impl Iterator<Item = Obstacle> {
    let ranked = permits.into_iter().map(|permit| (permit, obstacle(permit, ObstacleKind::DoesNotPermit)));
    let mut ranked: Vec<_> = ranked.collect();
    let matched = ranked.iter().any(|(permit, _)| permit.candidate);
    ranked.retain(|(permit, _)| permit.candidate || !matched);
    ranked.sort_by_key(|(permit, obstacle)| {
        (obstacle.takes.as_ref().map(Change::size).unwrap_or_default(), permit.policy.clone())
    });
    ranked.into_iter().take(NEAREST).map(|(_, obstacle)| obstacle)
}
