//! How much is asked of people at most: what is above is refused at the moment of asking, with a reason.

use std::time::Duration;

/// The most requests for approval, and how long a rejection is remembered.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open at a time, in all.
    pub open: u32,
    /// Open at a time, of one audience: one gateway that asks too much must not keep out the others.
    pub open_per_audience: u32,
    /// Open at a time, of one principal of one audience.
    pub open_per_principal: u32,
    /// Open at a time, at one gate of one audience.
    pub open_per_gate: u32,
    /// Asked anew within a minute, by one principal of one audience; the same request again joins and counts not.
    pub asked_per_minute: u32,
    /// How long a gateway's poll waits at most; below what proxies take for a dead connection.
    pub longest_poll: Duration,
    /// How long the same request is answered with the rejection that it got, without asking people again.
    pub rejection_holds: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open: 10_000,
            open_per_audience: 5_000,
            open_per_principal: 100,
            open_per_gate: 1_000,
            asked_per_minute: 60,
            longest_poll: Duration::from_secs(25),
            rejection_holds: Duration::from_secs(60),
        }
    }
}
