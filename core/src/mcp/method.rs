//! Which method of which version is which action of policy. What is not here is denied.

use super::Version;

/// What a message wants, in the terms of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Call the tool `params.name`.
    Call,
    /// Read or watch the resource `params.uri`.
    Read,
    /// Get the prompt `params.name`.
    Get,
    /// See what there is.
    List,
    /// Have a reference completed.
    Complete,
    /// Follow a task that an earlier request became.
    Task,
    /// Keep the conversation going.
    Connect,
}

impl Verb {
    pub(crate) const ALL: [Self; 7] =
        [Self::Call, Self::Read, Self::Get, Self::List, Self::Complete, Self::Task, Self::Connect];

    /// The id of its action.
    pub(crate) const fn action(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Read => "read",
            Self::Get => "get",
            Self::List => "list",
            Self::Complete => "complete",
            Self::Task => "task",
            Self::Connect => "connect",
        }
    }

    /// Where in a message the name of what it is about stands.
    pub(crate) const fn names(self) -> Option<&'static str> {
        match self {
            Self::Call | Self::Get => Some("name"),
            Self::Read => Some("uri"),
            _ => None,
        }
    }
}

/// What the method of a message means, if the version has it: of a request, or of a notification.
pub(crate) fn verb(method: &str, version: Version, is_request: bool) -> Option<Verb> {
    use Version::{July2026, March2025, November2025};
    let (verb, first, last) = match (method, is_request) {
        ("tools/call", true) => (Verb::Call, March2025, July2026),
        ("resources/read", true) => (Verb::Read, March2025, July2026),
        ("resources/subscribe" | "resources/unsubscribe", true) => (Verb::Read, March2025, November2025),
        ("prompts/get", true) => (Verb::Get, March2025, July2026),
        ("tools/list" | "resources/list" | "resources/templates/list" | "prompts/list", true) => {
            (Verb::List, March2025, July2026)
        }
        ("completion/complete", true) => (Verb::Complete, March2025, July2026),
        // Tasks are an extension from 2026-07-28 on (SEP-2663).
        ("tasks/get" | "tasks/cancel", true) => (Verb::Task, November2025, July2026),
        ("tasks/result" | "tasks/list", true) => (Verb::Task, November2025, November2025),
        ("tasks/update", true) => (Verb::Task, July2026, July2026),
        ("initialize" | "ping" | "logging/setLevel", true) => (Verb::Connect, March2025, November2025),
        ("server/discover" | "subscriptions/listen", true) => (Verb::Connect, July2026, July2026),
        ("notifications/cancelled", false) => (Verb::Connect, March2025, July2026),
        (
            "notifications/initialized" | "notifications/progress" | "notifications/roots/list_changed",
            false,
        ) => (Verb::Connect, March2025, November2025),
        ("notifications/tasks/status", false) => (Verb::Connect, November2025, November2025),
        _ => return None,
    };
    (first..=last).contains(&version).then_some(verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_known_only_to_the_versions_that_have_it() {
        let known =
            |method, is_request| Version::ALL.map(|version| verb(method, version, is_request).is_some());
        let cases = [
            ("tools/call", true, [true, true, true, true]),
            // Sent as a notification it would be called all the same by a server that does not look.
            ("tools/call", false, [false; 4]),
            ("initialize", true, [true, true, true, false]),
            ("server/discover", true, [false, false, false, true]),
            ("tasks/result", true, [false, false, true, false]),
            ("notifications/initialized", false, [true, true, true, false]),
            ("notifications/cancelled", false, [true; 4]),
            ("elicitation/create", true, [false; 4]),
        ];
        for (method, is_request, expected) in cases {
            assert_eq!(known(method, is_request), expected, "{method}");
        }
    }
}
