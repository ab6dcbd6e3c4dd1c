//! Metrics as Prometheus reads them from a real Envoy: exact counts after a few requests, and no name in the
//! shipped files that Envoy does not know.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use xtask::example::Call;
use xtask::stack::client::{Answer, Prepared};
use xtask::stack::gateway::Gateway;
use xtask::stack::until;
use xtask::workspace::Workspace;

use crate::Trials;
use crate::world::World;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("metrics: what happened is counted, once", counted);
    trials.add("metrics: alerts, dashboard and page name what there is", named);
}

/// What is counted when the five requests are over, but for what depends on time. The evidence of those that were
/// held: three questions, their ends, and for one of them claim and outcome.
const COUNTED: [(&str, f64); 9] = [
    (r#"countersign_decisions_total{outcome="allowed"}"#, 1.0),
    (r#"countersign_decisions_total{outcome="client_left"}"#, 1.0),
    (r#"countersign_decisions_total{outcome="countersigned"}"#, 1.0),
    (r#"countersign_decisions_total{outcome="denied",reason="no_route"}"#, 1.0),
    (r#"countersign_decisions_total{outcome="denied",reason="rejected"}"#, 1.0),
    (r#"countersign_evidence_acknowledged_total{lane="held"}"#, 8.0),
    (r#"countersign_hold_milliseconds_count{outcome="client_left"}"#, 1.0),
    (r#"countersign_hold_milliseconds_count{outcome="countersigned"}"#, 1.0),
    (r#"countersign_hold_milliseconds_count{outcome="denied"}"#, 1.0),
];

/// Samples by name with labels, as Prometheus writes them.
pub(crate) type Samples = BTreeMap<String, f64>;

async fn counted(world: &World) -> Result<()> {
    let gateway = world.stack.gateway("metrics", &world.patient()?).await?;
    let allowed = call("GET", "/v1/builds/metrics/logs");
    ensure!(world.request(&allowed)?.send(gateway.address()).await?.status == 200, "not allowed");
    let denied = world.request(&call("GET", "/v1/unheard-of"))?.send(gateway.address()).await?;
    ensure!(denied.code() == "no_route", "{}", denied.body);
    let approvals = &world.stack.approvals;

    let approved = world.rotation("metrics-approved")?;
    let answer = send(&gateway, &approved);
    let ticket = approvals.pending(approved.path()).await?;
    settled(&gateway, "a request is held", |samples| samples.get("countersign_held") == Some(&1.0)).await?;
    approvals.approve(&ticket, "ben").await?;
    ensure!(answer.await??.status == 201, "not released");

    let rejected = world.rotation("metrics-rejected")?;
    let answer = send(&gateway, &rejected);
    world.answer(&approvals.pending(rejected.path()).await?, "cleo", "reject", "no").await?;
    ensure!(answer.await??.code() == "rejected", "not rejected");

    let left = world.rotation("metrics-left")?;
    let answer = send(&gateway, &left);
    approvals.pending(left.path()).await?;
    answer.abort();

    // Once nothing waits any more, nothing changes but heartbeats.
    let idle = ["held", "held_bytes", "held_fullest_percent"].map(|name| format!("countersign_{name}"));
    let lanes =
        ["held", "plain"].map(|lane| format!("countersign_evidence_buffered_bytes{{lane=\"{lane}\"}}"));
    let empty: Vec<_> = idle.into_iter().chain(lanes).collect();
    let samples = settled(&gateway, "all that happened", |samples| {
        let counted = COUNTED.iter().all(|(name, value)| samples.get(*name).is_some_and(|now| now >= value));
        counted && empty.iter().all(|name| samples.get(name) == Some(&0.0))
    })
    .await?;
    check(&samples)?;
    let lines = gateway.log().lines().filter(|line| line.contains("countersign 0.")).count();
    ensure!(lines == 1, "{lines} lines say that it started\n{}", gateway.tail());
    gateway.stop().await
}

fn check(samples: &Samples) -> Result<()> {
    const FAMILIES: [&str; 3] = ["_decisions_total{", "_count{", "_acknowledged_total{lane=\"held\""];
    let family = |name: &str| FAMILIES.iter().any(|part| name.contains(part));
    let found = samples.iter().filter(|(name, value)| **value != 0.0 && family(name));
    let found: Vec<_> = found.map(|(name, value)| (name.as_str(), *value)).collect();
    ensure!(found == COUNTED, "{found:?}");
    let value = |name: &str| samples.get(name).copied().unwrap_or(-1.0);
    for (name, least) in [
        (r#"countersign_evidence_acknowledged_total{lane="plain"}"#, 3.0),
        (r#"countersign_callouts_total{call="ask",result="ok"}"#, 3.0),
        (r#"countersign_callouts_total{call="wait",result="ok"}"#, 1.0),
        (r#"countersign_callouts_total{call="claim",result="ok"}"#, 1.0),
        (r#"countersign_callouts_total{call="outcome",result="ok"}"#, 1.0),
        (r#"countersign_callouts_total{call="evidence",result="ok"}"#, 1.0),
        // Two that serve, and that of the main thread.
        (r#"countersign_workers{mode="enforce"}"#, 3.0),
        ("countersign_bundle_loaded_timestamp_seconds", 1_700_000_000.0),
    ] {
        ensure!(value(name) >= least, "{name} is {}", value(name));
    }
    for name in [
        r#"countersign_evidence_dropped_total{lane="plain"}"#,
        r#"countersign_grants_refused_total{reason="bad_signature"}"#,
        r#"countersign_policy_errors_total{reason="type_error"}"#,
        r#"countersign_receipts_refused_total{reason="other_claim"}"#,
        r#"countersign_workers{mode="observe"}"#,
        "countersign_unreadable_total",
    ] {
        ensure!(value(name) == 0.0, "{name} is {}", value(name));
    }
    let bundles: Vec<_> = samples.iter().filter(|(name, _)| name.contains("bundle_info{hash=")).collect();
    ensure!(matches!(bundles.as_slice(), [(_, 1.0)]), "{bundles:?}");
    Ok(())
}

/// Every name in the shipped files is printed by Envoy or registered by the approval service, and every metric of both
/// is on their page.
async fn named(world: &World) -> Result<()> {
    settled(&world.gateway, "the filter to report", |samples| {
        samples.keys().any(|name| name.starts_with("countersign_bundle_info"))
    })
    .await?;
    let root = Workspace::find()?;
    let read = |name: &str| anyhow::Ok(std::fs::read_to_string(root.root().join(name))?);
    // The service prints a family only once it has counted something.
    let registered = read("approvals/src/metrics.rs")?;
    let registered = registered.split("register(").skip(1).filter_map(|rest| rest.split('"').nth(1));
    let service: Vec<_> = registered.map(|name| format!("countersign_approvals_{name}")).collect();
    let counters = service.iter().map(|name| format!("{name}_total"));
    let printed = scrape(&world.gateway).await?;
    let known: Vec<_> = service.iter().cloned().chain(counters).collect();
    let known: BTreeSet<_> =
        printed.lines().flat_map(words).chain(known.iter().map(String::as_str)).collect();
    let page = read("docs/metrics.md")?;
    for file in ["envoy/alerts.yaml", "envoy/dashboard.json", "docs/metrics.md"] {
        let text = read(file)?;
        let named: BTreeSet<_> = text.lines().flat_map(words).collect();
        let unknown: Vec<_> = named.difference(&known).collect();
        ensure!(!named.is_empty() && unknown.is_empty(), "{file} names what nothing prints: {unknown:?}");
    }
    let families = printed.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let families =
        families.filter(|rest| rest.starts_with("countersign_")).filter_map(|rest| rest.split(' ').next());
    for family in families.chain(service.iter().map(String::as_str)) {
        let named = ["", "_total"].iter().any(|end| page.contains(&format!("`{family}{end}`")));
        ensure!(named, "docs/metrics.md does not name {family}");
    }
    for line in read("envoy/alerts.yaml")?.lines() {
        if let Some((_, alert)) = line.split_once("- alert: ") {
            ensure!(page.contains(&format!("`{alert}`")), "docs/metrics.md does not explain {alert}");
        }
    }
    Ok(())
}

/// The names of metrics in a line.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let parts = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    parts.filter(|word| word.starts_with("countersign_") || word.starts_with("envoy_"))
}

fn call(method: &str, path: &str) -> Call {
    Call { method: method.into(), path: path.into(), justification: None, body: None }
}

fn send(gateway: &Gateway, request: &Prepared) -> tokio::task::JoinHandle<Result<Answer>> {
    let (request, gateway) = (request.clone(), gateway.address());
    tokio::spawn(async move { request.send(gateway).await })
}

async fn scrape(gateway: &Gateway) -> Result<String> {
    let url = format!("http://{}/stats/prometheus", gateway.admin());
    Ok(reqwest::get(url).await?.error_for_status()?.text().await?)
}

/// Scrapes until the samples of the filter are as they should be.
pub(crate) async fn settled(gateway: &Gateway, what: &str, is: impl Fn(&Samples) -> bool) -> Result<Samples> {
    let mut last = Samples::new();
    let found = until(what, async || {
        last = samples(&scrape(gateway).await?);
        Ok(is(&last).then(|| last.clone()))
    })
    .await;
    found.map_err(|error| error.context(format!("{last:?}")))
}

/// Scrapes one of them; what was never counted is 0.
pub(crate) async fn sample(gateway: &Gateway, name: &str) -> Result<f64> {
    Ok(samples(&scrape(gateway).await?).get(name).copied().unwrap_or_default())
}

fn samples(text: &str) -> Samples {
    let own = text.lines().filter(|line| line.starts_with("countersign_"));
    let split = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.replace("{}", ""), value.parse().ok()?))
    };
    own.filter_map(split).collect()
}
