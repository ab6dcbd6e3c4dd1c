//! How times, parts and severities are said to people.

use countersign_protocol::person::Role;
use countersign_protocol::request::Severity;

/// The name of a Cedar entity, taken apart: `Agent::"deployer"` is a `deployer` of type `Agent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its id, as Cedar escapes it.
    pub id: String,
    /// Its type; empty where the text names no entity.
    pub kind: String,
}

impl Named {
    /// Takes it apart; what is no entity is all id.
    #[must_use]
    pub fn of(entity: &str) -> Self {
        let parts = entity.split_once("::\"").and_then(|(kind, id)| Some((kind, id.strip_suffix('"')?)));
        match parts {
            Some((kind, id)) if !id.is_empty() => Self { id: id.into(), kind: kind.into() },
            _ => Self { id: entity.into(), kind: String::new() },
        }
    }
}

/// How much time that is, milliseconds, in at most two units.
#[must_use]
pub fn left(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match () {
        () if days > 0 => format!("{days} d {hours} h"),
        () if hours > 0 => format!("{hours} h {minutes} min"),
        () if minutes > 0 => format!("{minutes} min {rest} s"),
        () => format!("{rest} s"),
    }
}

/// How long something lasts: as [`left`], without a unit that is nothing.
#[must_use]
pub fn lasting(ms: i64) -> String {
    let text = left(ms);
    text.split_once(" 0 ").map_or(text.clone(), |(whole, _)| whole.to_owned())
}

/// The part that somebody has in a request.
#[must_use]
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Requester => "sent it",
        Role::Agent => "sent it, a program",
        Role::Owner => "owns the agent",
        Role::Delegate => "is in the delegation chain",
    }
}

/// How bad it is if it goes wrong.
#[must_use]
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_taken_apart() {
        let named = |id: &str, kind: &str| Named { id: id.into(), kind: kind.into() };
        assert_eq!(Named::of("Agent::\"deployer\""), named("deployer", "Agent"));
        assert_eq!(Named::of("Deploy::Action::\"create\""), named("create", "Deploy::Action"));
        assert_eq!(Named::of("A::\"x::\\\"y\""), named("x::\\\"y", "A"));
        assert_eq!(Named::of("no entity"), named("no entity", ""));
    }

    #[test]
    fn time_left_has_two_units() {
        let said: Vec<_> = [-5, 59_999, 60_000, 3_600_000, 90_000_000].into_iter().map(left).collect();
        assert_eq!(said, ["0 s", "59 s", "1 min 0 s", "1 h 0 min", "1 d 1 h"]);
        assert_eq!([lasting(600_000), lasting(90_000)], ["10 min", "1 min 30 s"]);
    }
}
