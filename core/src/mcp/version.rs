//! The protocol versions that are understood, and which one a request speaks.

/// A revision of the protocol, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// The first with Streamable HTTP, and the only one with batches.
    March2025,
    June2025,
    November2025,
    /// Without sessions: each request says its version, and headers mirror the body.
    July2026,
}

impl Version {
    pub(crate) const ALL: [Self; 4] = [Self::March2025, Self::June2025, Self::November2025, Self::July2026];

    /// As it is written in the header and in messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::March2025 => "2025-03-26",
            Self::June2025 => "2025-06-18",
            Self::November2025 => "2025-11-25",
            Self::July2026 => "2026-07-28",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }

    /// Whether an array of messages is a message.
    pub(crate) fn has_batches(self) -> bool {
        self == Self::March2025
    }

    /// Whether each request says its version itself, and headers must mirror it.
    pub(crate) fn is_stateless(self) -> bool {
        self >= Self::July2026
    }

    /// Whether an error may be without an id (schema `JSONRPCErrorResponse`); before, it is `null` as JSON-RPC 2.0
    /// section 5 says.
    pub(crate) fn may_omit_id(self) -> bool {
        self >= Self::November2025
    }
}
