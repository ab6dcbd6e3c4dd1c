//! What came of configuring a filter, and what filters log.

use std::fmt;

/// How a filter took its configuration, and what it said meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
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

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("the filter accepts its configuration"),
            Self::Refused => f.write_str("the filter refuses its configuration"),
            Self::Trapped(why) => write!(f, "the filter traps in {why}"),
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        let grave = self.log.iter().filter(|line| line.level >= Level::Error);
        grave.into_iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl std::error::Error for Trial {}

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
