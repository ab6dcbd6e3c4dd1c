//! What came of configuring a filter.

use std::fmt;

/// How a filter took its configuration, and what it said meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it would serve.
    pub verdict: Verdict,
    /// Its log, in the order in which it was written.
    pub log: Vec<LogLine>,
}

/// How a filter took its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Envoy would serve with it.
    Accepted,
    /// `proxy_on_vm_start` or `proxy_on_configure` said no: Envoy would not start.
    Refused,
    /// It trapped, or used more instructions or memory than it may: which callback, and why.
    Trapped(String),
}

/// One line that a filter logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How grave it is.
    pub level: Level,
    /// The text; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// The levels of `proxy_log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 0.
    Trace,
    /// 1.
    Debug,
    /// 2; standard output too.
    Info,
    /// 3.
    Warn,
    /// 4; standard error too.
    Error,
    /// 5; a panic of a Rust filter.
    Critical,
}

impl Level {
    pub(crate) fn of(number: u64) -> Option<Self> {
        let levels = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical];
        levels.get(usize::try_from(number).ok()?).copied()
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", format!("{:?}", self.level).to_lowercase(), self.text)
    }
}
