//! Colour, where a person looks: never in a file or a pipe, nor against `NO_COLOR` (no-color.org).

use std::io::IsTerminal as _;

/// A line's mark and colour (ECMA-48, SGR).
#[derive(Debug, Clone, Copy)]
pub(super) enum Paint {
    /// Went on.
    Allowed,
    /// Did not.
    Denied,
    /// Waits for people.
    Held,
    /// A heading.
    Title,
}

impl Paint {
    /// `text`, marked, and coloured on a terminal.
    pub(super) fn on(self, text: &str) -> String {
        let (mark, code) = match self {
            Self::Allowed => ("\u{2713} ", "32"),
            Self::Denied => ("\u{2717} ", "31"),
            Self::Held => ("\u{23f8} ", "33"),
            Self::Title => ("", "1"),
        };
        if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
            format!("\x1b[{code}m{mark}{text}\x1b[0m")
        } else {
            format!("{mark}{text}")
        }
    }
}
