//! `docs/performance.md`, written from the figures of one run and from nothing else.

use std::fmt::Write as _;

use super::Figures;
use super::approvals;
use super::load::CONNECTIONS;
use super::replay::{Replay, Replays};
use super::routes;
use super::stats::{Spread, float};
use super::{extractors, inbox};

/// The page.
pub(super) fn render(figures: &Figures) -> String {
    let sections = [
        head(figures),
        goals(figures),
        speed(figures),
        start(figures),
        memory(figures),
        held(figures),
        replay(figures),
        routes::render(&figures.routes),
        extractors::render(&figures.extractors),
        approvals::render(&figures.services),
        inbox::render(&figures.inbox),
        WHAT_IT_IS_NOT.to_owned(),
    ];
    sections.join("\n")
}

fn head(figures: &Figures) -> String {
    let machine = &figures.machine;
    format!(
        "# Performance\n\n\
        Written by `{command}`; nobody edits it. Every figure is from that one run. What counts is the *ratio* to a\n\
        gateway that was measured in turns with it: requests a second differ from machine to machine. The filter is the one\n\
        that is released; servers and tools are optimised like it, with the features of the whole workspace.\n\n\
        | | |\n|---|---|\n\
        | machine | {processors} × {processor}, {memory:.0} GB, {kernel} |\n\
        | software | Envoy {envoy}, {load}, {rustc} |\n\
        | sources | {revision} |\n\
        | date | {date} |\n",
        command = figures.command,
        processors = machine.processors,
        processor = machine.processor,
        memory = mega(float(machine.memory)) / 1000.0,
        kernel = machine.kernel,
        envoy = machine.envoy,
        load = machine.load,
        rustc = machine.rustc,
        revision = machine.revision,
        date = machine.date,
    )
}

fn replay(figures: &Figures) -> String {
    let Replays { cold, warm, replays } = &figures.replay;
    let mut text = format!(
        "## Replay\n\n\
        `countersign replay` with the released filter and the example's policies; everything is allowed. The program\n\
        takes {cold:.2} s for one request when it compiles the filter, {warm:.2} s when it has compiled it before.\n\n\
        | | requests | jobs | requests/s | memory |\n|---|---:|---:|---:|---:|\n",
    );
    for Replay { name, requests, jobs, per_second, memory } in replays {
        let memory = mega(float(*memory));
        line(&mut text, format_args!("| {name} | {requests} | {jobs} | {per_second:.0} | {memory:.0} MB |"));
    }
    text
}

fn goals(figures: &Figures) -> String {
    let mut text = "## Goals\n\n| | goal | measured | |\n|---|---|---|---|\n".to_owned();
    for goal in &figures.goals {
        let met = if goal.met { "met" } else { "**not met**" };
        line(&mut text, format_args!("| {} | {} | {} | {met} |", goal.what, goal.goal, goal.measured));
    }
    text
}

fn speed(figures: &Figures) -> String {
    let plan = figures.plan;
    let mut text = format!(
        "## Requests a second\n\n\
        One worker on a processor of its own; load generator, approval service and authorizer on the others.\n\
        {CONNECTIONS} connections with one request at a time, {rounds} rounds of {seconds} s for each, in turns. Median\n\
        (smallest – largest); a ratio is taken in each round, and the median of those is shown.\n\n\
        | | requests/s | of no filter | of the floor | median answer | 99th percentile | evidence dropped |\n\
        |---|---|---|---|---|---|---|\n",
        rounds = plan.rounds,
        seconds = plan.seconds,
    );
    for speed in &figures.speed {
        let rate = spread(&speed.rate, |rate| format!("{rate:.0}"));
        let ratio = |ratio: &Option<Spread>| {
            ratio.as_ref().map_or_else(String::new, |ratio| spread(ratio, |ratio| format!("{ratio:.2}")))
        };
        let (none, floor) = (ratio(&speed.of_none), ratio(&speed.of_floor));
        let (p50, p99) = (speed.p50.median / 1e3, speed.p99.median / 1e3);
        let dropped = speed.dropped.map_or_else(String::new, |share| format!("{:.1} %", share * 100.0));
        line(
            &mut text,
            format_args!(
                "| {} | {rate} | {none} | {floor} | {p50:.2} ms | {p99:.2} ms | {dropped} |",
                speed.name
            ),
        );
    }
    text.push_str(WHAT_SPEED_IS);
    text
}

fn start(figures: &Figures) -> String {
    let mut text = "## Start-up\n\nFrom the start of the process until `/ready` says so: one worker, all processors.\n\n\
        | | seconds |\n|---|---|\n"
        .to_owned();
    for cost in &figures.cost {
        let start = spread(&cost.start, |seconds| format!("{seconds:.2}"));
        line(&mut text, format_args!("| {} | {start} |", cost.name));
    }
    let sizes = figures.sizes;
    line(
        &mut text,
        format_args!(
            "\nThe filter is {} KB, {} KB before `wasm-opt`; the empty one {} KB.",
            sizes.filter / 1000,
            sizes.compiled / 1000,
            sizes.floor / 1000,
        ),
    );
    text
}

fn memory(figures: &Figures) -> String {
    let mut text = "## Memory\n\nResident, just after the start; what a filter takes *once* and *for each worker* is what a\n\
        gateway with it has more than one without.\n\n| | 1 worker | 2 workers | 4 workers | once | each worker |\n\
        |---|---|---|---|---|---|\n"
        .to_owned();
    for cost in &figures.cost {
        let memory: Vec<_> =
            cost.memory.values().map(|bytes| format!("{:.1} MB", mega(bytes.median))).collect();
        let (once, worker) = (mega(cost.once), mega(cost.worker));
        let memory = memory.join(" | ");
        line(&mut text, format_args!("| {} | {memory} | {once:.1} MB | {worker:.1} MB |", cost.name));
    }
    text
}

fn held(figures: &Figures) -> String {
    let held = &figures.held;
    let mut text = format!(
        "## Held\n\n\
        {sent} requests for which a person must countersign, each on a connection of its own and with a body, held on one\n\
        worker. First one person answers some of them one by one, then two people answer {hands} at a time, as fast as the\n\
        service takes it. All as it ships, `envoy.yaml` with access log and `jwt_authn`\n\
        too, but for a longer `@hold` and no smaller limits for one principal than for the worker.\n\n\
        | | |\n|---|---|\n\
        | held at the same moment | {at_once} |\n\
        | reached the upstream once, byte for byte, and got its answer | {released} |\n\
        | lost | {lost} |\n\
        | memory of the gateway for each request | {request:.1} KB, and {connection:.1} KB for its connection |\n\
        | until all were asked about | {asking:.1} s |\n\
        | until all were answered | {answering:.1} s |\n",
        sent = held.sent,
        hands = held.hands,
        at_once = held.held_at_once,
        released = held.released,
        lost = held.lost.values().sum::<usize>(),
        request = held.request / 1e3,
        connection = held.connection / 1e3,
        asking = held.asking,
        answering = held.answering,
    );
    for (who, what, [median, late, last]) in [
        ("one by one", "sent", held.calm_after_sent),
        ("one by one", "acknowledged", held.calm_after_reply),
        ("all at once", "sent", held.after_sent),
        ("all at once", "acknowledged", held.after_reply),
    ] {
        line(
            &mut text,
            format_args!(
                "| answered {who}: from the last yes {what} until the upstream had it | median {median:.0} ms, \
                99th percentile {late:.0} ms, longest {last:.0} ms |"
            ),
        );
    }
    for (why, count) in &held.lost {
        line(&mut text, format_args!("| of the lost | {count}: {why} |"));
    }
    text
}

const WHAT_SPEED_IS: &str = "
- *no filter* and *floor*: the shipped `envoy.yaml` without the filter, or with an empty one in its place that reads three
  headers (`xtask/floor`).
- *policies*: the shipped filter. One permit matches; two more policies that no scope narrows, for this action, are in
  every set. The others are about other principals, resources or actions. Evidence is made and delivered.
- *denied*: a stranger asks; answered 403 with problem details by the filter.
- *ext_authz*: Envoy's own filter asks a second Envoy over HTTP/1.1, which answers 200 at once and shares a processor
  with the load generator.
- *body*: a JSON body of 1 KB, of which policy reads three members. Envoy's `buffer` filter stands in front, with and
  without Countersign, because a gateway that answers before it has read a body closes the connection.
";

const WHAT_IT_IS_NOT: &str = "\
## What is not in these figures

- For requests a second the gateway answers itself (`direct_response`): an upstream costs every variant the same, so it
  would only move the ratios closer to 1. For the same reason `jwt_authn` and the access log are out of all variants;
  the caller is named by a trusted header.
- The approval service that takes the evidence runs with the lowest priority beside the load generator. What it cannot
  take in time is dropped and counted, as in production; the table says how much.
- All is on one machine, over its loopback address: no TLS, no network.
- Memory of held requests is the gateway's alone. Times are those of this program's clock and the upstream's, which are
  one; people's answers compete for a processor with everything but the gateway.
";

fn spread(spread: &Spread, show: impl Fn(f64) -> String) -> String {
    format!("{} ({} – {})", show(spread.median), show(spread.min), show(spread.max))
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    writeln!(text, "{arguments}").ok();
}

fn mega(bytes: f64) -> f64 {
    bytes / 1e6
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::super::cost::{Cost, Sizes};
    use super::super::goals;
    use super::super::held::Held;
    use super::super::machine::Machine;
    use super::super::speed::{Plan, Speed};
    use super::*;

    fn flat(value: f64) -> Spread {
        Spread::of(vec![value; 3]).unwrap()
    }

    fn speed(name: &'static str, rate: f64, of_floor: f64) -> Speed {
        let (p50, p99) = (flat(500.0), flat(2_000.0));
        Speed {
            name,
            rate: flat(rate),
            p50,
            p99,
            of_none: None,
            of_floor: Some(flat(of_floor)),
            dropped: None,
        }
    }

    /// Figures that just meet every goal.
    pub(in super::super) fn figures() -> Figures {
        let text = |text: &str| text.to_owned();
        let memory = BTreeMap::from([(1, flat(100e6)), (2, flat(110e6)), (4, flat(130e6))]);
        let held = Held {
            sent: 1_000,
            held_at_once: 1_000,
            released: 1_000,
            lost: BTreeMap::new(),
            connection: 20e3,
            request: 24.5e3,
            asking: 3.0,
            answering: 9.0,
            after_sent: [20.0, 90.0, 100.0],
            after_reply: [10.0, 80.0, 95.0],
            calm_after_sent: [8.0, 9.0, 9.0],
            calm_after_reply: [3.0, 4.0, 4.0],
            hands: 16,
            files: 20_000,
        };
        Figures {
            command: text("cargo xtask bench"),
            machine: Machine {
                processor: text("a processor"),
                processors: 2,
                memory: 16_000_000_000,
                kernel: text("Linux 6"),
                envoy: text("1.40.0"),
                rustc: text("rustc 1.95.0"),
                load: text("wrk 4"),
                revision: text("abc"),
                date: text("2026-01-31"),
            },
            plan: Plan { rounds: 3, seconds: 1 },
            speed: vec![speed("10 policies", 20_000.0, 0.75), speed("10,000 policies", 16_000.0, 0.6)],
            cost: vec![Cost { name: "10 policies", start: flat(1.5), memory, once: 90e6, worker: 10e6 }],
            sizes: Sizes { filter: 2_000_000, compiled: 2_200_000, floor: 50_000 },
            held,
            replay: Replays {
                cold: 9.0,
                warm: 0.1,
                replays: vec![Replay {
                    name: "headers only",
                    requests: 100_000,
                    jobs: 2,
                    per_second: 50_000.0,
                    memory: 60_000_000,
                }],
            },
            routes: super::super::routes::tests::some(),
            extractors: super::super::extractors::tests::some(),
            services: super::super::approvals::tests::services(),
            inbox: super::super::inbox::tests::inbox(),
            goals: Vec::new(),
        }
    }

    #[test]
    fn the_page_holds_every_figure_with_its_spread() {
        let mut figures = figures();
        figures.goals = goals::all(&figures);
        let page = render(&figures);
        for line in [
            "Written by `cargo xtask bench`; nobody edits it.",
            "| 10 policies against the floor | ≥ 0.75 | 0.75 | met |",
            "| 10 policies | 20000 (20000 – 20000) |  | 0.75 (0.75 – 0.75) | 0.50 ms | 2.00 ms |",
            "| 10 policies | 1.50 (1.50 – 1.50) |",
            "| 10 policies | 100.0 MB | 110.0 MB | 130.0 MB | 90.0 MB | 10.0 MB |",
            "The filter is 2000 KB, 2200 KB before `wasm-opt`; the empty one 50 KB.",
            "| memory of the gateway for each request | 24.5 KB, and 20.0 KB for its connection |",
            "| headers only | 100000 | 2 | 50000 | 60 MB |",
            "median 10 ms, 99th percentile 80 ms, longest 95 ms |",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }

    #[test]
    fn what_was_lost_and_missed_is_said() {
        let mut figures = figures();
        figures.held.lost.insert("arrived 0 times, caller: 503".into(), 7);
        figures.held.released -= 7;
        figures.goals = goals::all(&figures);
        let page = render(&figures);
        assert!(page.contains("| of the lost | 7: arrived 0 times, caller: 503 |"), "{page}");
        assert!(page.contains("1000 held, 993 released | **not met** |"), "{page}");
    }
}
