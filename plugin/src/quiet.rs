//! Lines of the log that may come again and again: the first at once, then one a minute with a count.

use countersign_protocol::UnixMillis;

/// How long a line is not said again, milliseconds.
const SILENCE: i64 = 60_000;

/// Whether one kind of line is due.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quiet {
    said_at: Option<UnixMillis>,
    unsaid: u64,
}

impl Quiet {
    pub(crate) const NEW: Self = Self { said_at: None, unsaid: 0 };

    /// It happened again: gives how often since the last line, this time included, when a line is due.
    pub(crate) fn again(&mut self, now: UnixMillis) -> Option<u64> {
        self.unsaid = self.unsaid.saturating_add(1);
        // A clock that was set back does not silence it.
        let recent = |at: UnixMillis| (0..SILENCE).contains(&now.saturating_sub(at));
        if self.said_at.is_some_and(recent) {
            return None;
        }
        self.said_at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_then_one_a_minute() {
        let mut quiet = Quiet::NEW;
        let said: Vec<_> = (0..200).filter_map(|second| quiet.again(second * 1_000)).collect();
        assert_eq!(said, [1, 60, 60, 60]);
        assert_eq!(quiet.again(0), Some(20));
    }
}
