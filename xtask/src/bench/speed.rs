//! Requests a second: every variant behind a gateway of its own, measured in turns.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::load::{Run, Tool};
use super::machine::{self, Processors};
use super::server::{Launch, Server};
use super::stats::{Spread, float};
use super::variant::{Filter, Request, VARIANTS, Variant, nothing};
use crate::stack::{Stack, until};

/// Seconds that a gateway is warmed up before it is measured.
const WARM: u64 = 1;
/// How long evidence of one measurement may take to be delivered before the next begins.
const DELIVERY: Duration = Duration::from_secs(20);

/// How long and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Plan {
    pub(super) rounds: usize,
    /// Of each measurement.
    pub(super) seconds: u64,
}

/// What was measured of one variant.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Speed {
    pub(super) name: &'static str,
    /// Requests a second.
    pub(super) rate: Spread,
    /// Until the answer, microseconds.
    pub(super) p50: Spread,
    pub(super) p99: Spread,
    /// Against the same request without a filter, and with the empty one.
    pub(super) of_none: Option<Spread>,
    pub(super) of_floor: Option<Spread>,
    /// Of all requests, those whose record was dropped, because the service did not take them in time; nothing
    /// without Countersign.
    pub(super) dropped: Option<f64>,
}

/// A variant with the gateway that serves it.
struct Contender {
    variant: Variant,
    server: Server,
}

/// Everything that is started for this.
pub(super) struct Field<'a> {
    pub(super) stack: &'a Stack,
    pub(super) floor: &'a Path,
    pub(super) processors: &'a Processors,
    pub(super) tool: Tool,
}

impl Field<'_> {
    /// Measures all variants, in turns, after each has shown that it answers as it should.
    ///
    /// # Errors
    /// When a gateway does not start, or one answer is not what it should be.
    pub(super) async fn measure(&self, plan: Plan) -> Result<Vec<Speed>> {
        let authorizer =
            self.launch(&self.processors.others).start("authorizer", &nothing(self.stack)?).await?;
        let mut contenders = Vec::new();
        for (number, variant) in VARIANTS.into_iter().enumerate() {
            let configuration = variant.configuration(self.stack, self.floor, authorizer.address.port())?;
            let launch = self.launch(&self.processors.gateway);
            let server = launch.start(&format!("contender-{number}"), &configuration).await;
            let server = server.with_context(|| format!("`{}` does not start", variant.name))?;
            contenders.push(Contender { variant, server });
            self.check(contenders.last().context("none")?).await?;
        }
        let service = self.stack.approvals.process().await.context("the approval service ended")?;
        machine::stand_back(service)?;
        let mut runs: BTreeMap<&str, Vec<Run>> = BTreeMap::new();
        for round in 1..=plan.rounds {
            for contender in &contenders {
                let run = self.one(contender, plan.seconds, service).await?;
                println!("round {round}: {:20} {:>8.0} requests/s", contender.variant.name, run.rate);
                runs.entry(contender.variant.name).or_default().push(run);
            }
        }
        for contender in contenders {
            contender.server.stop().await?;
        }
        authorizer.stop().await?;
        summary(&runs)
    }

    fn launch<'a>(&'a self, processors: &'a str) -> Launch<'a> {
        Launch { envoy: self.stack.envoy(), folder: self.stack.folder(), processors, workers: 1 }
    }

    /// One answer of the right status and, when policies allow, by exactly the permit that is meant.
    async fn check(&self, contender: &Contender) -> Result<()> {
        let Contender { variant, server } = contender;
        let known = self.stack.approvals.evidence_of_kind("allowed").await?;
        let answer = send(&variant.request(), server).await?;
        let status = answer.status().as_u16();
        if status != variant.status() {
            bail!("`{}` answers {status}: {}\n{}", variant.name, answer.text().await?, server.tail());
        }
        let Some(permit) = variant.permit() else { return Ok(()) };
        let allowed = until("the evidence of what allowed it", async || {
            let mut records = self.stack.approvals.evidence_of_kind("allowed").await?;
            records.retain(|record| !known.iter().any(|known| known.hash == record.hash));
            Ok(records.pop())
        });
        let Allowed { policies } = serde_json::from_str(&allowed.await?.line)?;
        ensure!(policies == [permit], "`{}` is allowed by {policies:?}", variant.name);
        Ok(())
    }

    /// Measures one variant once, when nothing of an earlier measurement is under way any more.
    async fn one(&self, contender: &Contender, seconds: u64, service: u32) -> Result<Run> {
        let Contender { variant, server } = contender;
        let (request, folder) = (variant.request(), self.stack.folder());
        self.tool.run(&request, server.address, WARM, folder).await?;
        let dropped = server.dropped().await?;
        let mut run = self.tool.run(&request, server.address, seconds, folder).await?;
        run.dropped = server.dropped().await?.saturating_sub(dropped);
        ensure!(run.broken == 0, "`{}`: {} requests failed", variant.name, run.broken);
        let wanted = if variant.status() == 200 { 0 } else { run.answers };
        ensure!(run.refused == wanted, "`{}`: {} of {} refused", variant.name, run.refused, run.answers);
        if !machine::rest(&[server.id(), service], DELIVERY).await? {
            println!("`{}` still delivers evidence", variant.name);
        }
        Ok(run)
    }
}

/// What matters here of a record of that kind.
#[derive(Deserialize)]
struct Allowed {
    policies: Vec<String>,
}

async fn send(request: &Request, server: &Server) -> Result<reqwest::Response> {
    let url = format!("http://{}{}", server.address, request.path);
    let mut sent = reqwest::Client::new().request(request.method.parse()?, url);
    for (name, value) in &request.headers {
        sent = sent.header(*name, value);
    }
    Ok(sent.body(request.body.clone().unwrap_or_default()).send().await?)
}

/// Spread and ratios of what was measured, in the order of the variants.
fn summary(runs: &BTreeMap<&'static str, Vec<Run>>) -> Result<Vec<Speed>> {
    let spread = |name: &str, of: fn(&Run) -> f64| Spread::of(runs.get(name)?.iter().map(of).collect());
    let rate = |name: &str| spread(name, |run| run.rate);
    let one = |variant: Variant| {
        let [none, floor] = variant.bases();
        let own = rate(variant.name)?;
        Some(Speed {
            name: variant.name,
            p50: spread(variant.name, |run| run.p50)?,
            p99: spread(variant.name, |run| run.p99)?,
            of_none: rate(none).and_then(|base| own.over(&base)),
            of_floor: rate(floor).and_then(|base| own.over(&base)),
            dropped: matches!(variant.filter, Filter::Countersign(_))
                .then(|| dropped(runs.get(variant.name)?))
                .flatten(),
            rate: own,
        })
    };
    VARIANTS.into_iter().map(|variant| one(variant).context("a variant was not measured")).collect()
}

fn dropped(runs: &[Run]) -> Option<f64> {
    let sum = |of: fn(&Run) -> u64| float(runs.iter().map(of).sum());
    Some(sum(|run| run.dropped) / sum(|run| run.answers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variant_is_held_against_its_own_request() {
        let run = |rate: f64| Run { rate, answers: 1, refused: 0, broken: 0, dropped: 0, p50: 1.0, p99: 2.0 };
        let rate = |name: &str| if name.contains("body") { 10.0 } else { 40.0 };
        let runs = VARIANTS.map(|variant| (variant.name, vec![run(rate(variant.name)); 3]));
        for speed in summary(&BTreeMap::from(runs)).unwrap() {
            assert_eq!(speed.of_none.unwrap().median, 1.0, "{}", speed.name);
            assert_eq!(speed.of_floor.unwrap().rounds, [1.0; 3], "{}", speed.name);
        }
        assert!(summary(&BTreeMap::new()).is_err());
    }
}
