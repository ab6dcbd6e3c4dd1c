//! What the figures should be, and whether they are.

use serde::Serialize;

use super::{Figures, routes};

/// A goal, held against what was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Goal {
    pub(super) what: &'static str,
    /// What it should be.
    pub(super) goal: String,
    /// What it is.
    pub(super) measured: String,
    pub(super) met: bool,
}

/// 10 policies against the empty filter.
const FLOOR: f64 = 0.75;
/// 10,000 policies against 10.
const MANY: f64 = 0.8;
/// Bytes of the filter.
const SIZE: u64 = 2_000_000;
/// Seconds until it is ready.
const START: f64 = 1.5;

/// 5,000 routes against 50: reading a request and finding its route.
const ROUTES: f64 = 1.25;

/// Requests a second that are replayed on one processor, without and with a body.
const REPLAYED: [(&str, f64); 2] =
    [("headers only", 50_000.0), ("JSON body of 2 KB, read by a route", 20_000.0)];
/// Seconds until the first decision of a replay, when the filter was compiled before.
const REPLAY_START: f64 = 0.15;

/// Milliseconds until a page of the inbox is painted, and from a key to what it does: below 100 ms a key
/// seems immediate, and a wait of a second breaks no thought.
const PAINT: f64 = 1000.0;
const KEY: f64 = 100.0;

/// All goals that `figures` can be held against.
pub(super) fn all(figures: &Figures) -> Vec<Goal> {
    let rate = |name: &str| figures.speed.iter().find(|speed| speed.name == name);
    let ten = rate("10 policies");
    let floor = ten.and_then(|speed| speed.of_floor.as_ref());
    let many = ten.zip(rate("10,000 policies")).and_then(|(ten, many)| many.rate.over(&ten.rate));
    let start = figures.cost.iter().find(|cost| cost.name == "10 policies").map(|cost| &cost.start);
    let held = &figures.held;
    let goals = [
        floor.map(|ratio| at_least("10 policies against the floor", ratio.median, FLOOR)),
        many.map(|ratio| at_least("10,000 policies against 10", ratio.median, MANY)),
        Some(goal(
            "size of the filter",
            "≤ 2 MB".into(),
            format!("{} KB", figures.sizes.filter / 1000),
            figures.sizes.filter <= SIZE,
        )),
        start.map(|start| {
            goal(
                "start, one worker, 10 policies",
                format!("≤ {START} s"),
                format!("{:.2} s", start.median),
                start.median <= START,
            )
        }),
        Some(goal(
            "held at once on one worker, all released, none lost",
            held.sent.to_string(),
            format!("{} held, {} released", held.held_at_once, held.released),
            held.released == held.sent && usize::try_from(held.held_at_once) == Ok(held.sent),
        )),
    ];
    let grown = routes::growth(&figures.routes).map(|ratio| {
        let (most, measured) = (format!("≤ {ROUTES}"), format!("{ratio:.2}"));
        goal("a lookup among 5,000 routes against one among 50", most, measured, ratio <= ROUTES)
    });
    goals.into_iter().flatten().chain(grown).chain(replayed(figures)).chain(inbox(figures)).collect()
}

fn replayed(figures: &Figures) -> impl Iterator<Item = Goal> {
    let rates = REPLAYED.into_iter().filter_map(|(name, least)| {
        let replay = figures.replay.replays.iter().find(|replay| replay.name == name && replay.jobs == 1)?;
        let (goal, measured) = (format!("≥ {least:.0}/s"), format!("{:.0}/s", replay.per_second));
        Some(self::goal(
            "requests replayed on one processor",
            goal,
            format!("{name}: {measured}"),
            replay.per_second >= least,
        ))
    });
    let warm = figures.replay.warm;
    let start = goal(
        "start of a replay to its first decision",
        format!("≤ {REPLAY_START} s"),
        format!("{warm:.2} s"),
        warm <= REPLAY_START,
    );
    rates.chain([start])
}

fn inbox(figures: &Figures) -> [Goal; 2] {
    let inbox = &figures.inbox;
    let at_most = |what, measured: f64, most: f64| {
        goal(what, format!("≤ {most} ms"), format!("{measured:.0} ms"), measured <= most)
    };
    let paint = inbox.queue_paint.max(inbox.none_paint).max(inbox.request_paint);
    [
        at_most("first paint of the inbox, 10,000 requests open", paint, PAINT),
        at_most("a key in the inbox to the next frame", inbox.queue_key.max(inbox.request_key), KEY),
    ]
}

fn at_least(what: &'static str, ratio: f64, goal: f64) -> Goal {
    self::goal(what, format!("≥ {goal}"), format!("{ratio:.2}"), ratio >= goal)
}

fn goal(what: &'static str, goal: String, measured: String, met: bool) -> Goal {
    Goal { what, goal, measured, met }
}

#[cfg(test)]
mod tests {
    use super::super::page::tests::figures;
    use super::*;

    #[test]
    fn a_goal_is_met_at_its_limit_and_missed_beyond_it() {
        let mut figures = figures();
        assert!(all(&figures).iter().all(|goal| goal.met), "{:?}", all(&figures));
        figures.sizes.filter = SIZE + 1;
        figures.held.released -= 1;
        let missed: Vec<_> =
            all(&figures).into_iter().filter(|goal| !goal.met).map(|goal| goal.what).collect();
        assert_eq!(missed, ["size of the filter", "held at once on one worker, all released, none lost"]);
    }
}
