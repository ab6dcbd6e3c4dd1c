//! Every request of the table of the one reading, written byte by byte to three Envoys: with the shipped configuration,
//! with one that refuses and tidies up nothing, and with that one and all rules relaxed.

pub(crate) mod gateways;
mod raw_upstream;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use countersign_core::reading::Rule as Known;
use serde_json::{Value, json};
use xtask::example::Call;
use xtask::reading::{OTHERS, Outcome, Request, rules};
use xtask::stack::client::Answer;
use xtask::stack::until;

use crate::Trials;
use crate::http2;
use crate::raw::Connection;
use crate::world::World;
use gateways::{Kind, Reader};
use raw_upstream::{Arrived, RawUpstream};

pub(crate) fn add(trials: &mut Trials) {
    for kind in [Kind::Shipped, Kind::Lenient, Kind::Relaxed] {
        trials
            .add(format!("reading: every rule, {}", kind.name()), async move |world| all(world, kind).await);
    }
    trials.add("reading: trailers over HTTP/2", trailers_over_http2);
}

/// Over HTTP/2 trailers come to the filter of the shipped configuration, too.
async fn trailers_over_http2(world: &World) -> Result<()> {
    let path = "/v1/environments/production/deployments?run=trailers-http2";
    let body = Some(json!({ "service": "checkout", "version": "2.4.1" }));
    let call = Call { method: "POST".into(), path: path.into(), justification: None, body };
    let request = world.request(&call)?;
    for name in ["x-http-method-override", "content-type", "x-original-url"] {
        let answer = http2::send(world.gateway.address(), &request, &[(name, "1")]).await?;
        let rule = answer.body.get("rule").and_then(Value::as_str);
        ensure!(
            (answer.status, rule) == (400, Some("trailers")),
            "`{name}`: {} {}",
            answer.status,
            answer.body
        );
    }
    world.stage().arrived_never(&request).await
}

/// Records by lane and number.
type Evidence = BTreeMap<(String, u64), Value>;

/// A request that was played.
struct Played {
    rule: &'static str,
    request: &'static Request,
    answer: Answer,
    arrived: Vec<Arrived>,
}

async fn all(world: &World, kind: Kind) -> Result<()> {
    let reader = Reader::start(world, kind).await?;
    let mut played = Vec::new();
    for rule in rules().chain(OTHERS.rules) {
        for request in rule.requests {
            let played_one = play(&reader, rule.name, request).await;
            played.push(played_one.with_context(|| format!("{}: {}", rule.name, shown(request)))?);
        }
    }
    let log = until("every request in the access log", async || {
        let log = reader.gateway.access_log();
        Ok((log.len() == played.len()).then_some(log))
    });
    let log = log.await.with_context(|| format!("{} requests\n{}", played.len(), reader.gateway.log()))?;
    let evidence = evidence(world, &log).await?;
    let mut wrong = Vec::new();
    for (played, line) in played.iter().zip(&log) {
        let outcome = kind.outcome(played.request);
        if let Err(error) = check(played, outcome, line, &evidence) {
            wrong.push(format!("{}: {}: {error:#}", played.rule, shown(played.request)));
        }
    }
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), played.len(), wrong.join("\n"));
    says_what_is_relaxed(kind, &evidence)?;
    reader.gateway.stop().await
}

async fn play(reader: &Reader, rule: &'static str, request: &'static Request) -> Result<Played> {
    let mut connection = Connection::open(reader.gateway.address()).await?;
    connection.write(&request.bytes()).await?;
    let answer = connection.next_answer().await?;
    Ok(Played { rule, request, answer, arrived: reader.upstream.take() })
}

fn shown(request: &Request) -> String {
    request.bytes().escape_ascii().to_string()
}

fn check(played: &Played, outcome: Outcome, line: &Value, evidence: &Evidence) -> Result<()> {
    let passes = matches!(outcome, Outcome::Passes | Outcome::Rewritten(_));
    ensure!(
        played.arrived.len() == usize::from(passes),
        "it came to the upstream {} times, and was answered {} {}; {line}",
        played.arrived.len(),
        played.answer.status,
        played.answer.body
    );
    match outcome {
        Outcome::Refused => refused(played, played.rule, line, evidence),
        Outcome::RefusedBy(rule) => refused(played, rule, line, evidence),
        Outcome::Denied(status) => denied(played, status, line, evidence),
        Outcome::Envoy(status, name) => {
            let said = (played.answer.status, line.get("details").and_then(Value::as_str));
            ensure!(said == (status, Some(name)), "Envoy says {said:?}");
            ensure!(summary(line).is_none(), "the filter saw it: {line}");
            Ok(())
        }
        Outcome::Passes => played.arrived.iter().try_for_each(|arrived| arrived.is(played.request)),
        Outcome::Rewritten(_) => {
            played.arrived.iter().try_for_each(|arrived| arrived.is_without(played.request))
        }
        Outcome::Held => {
            let said = (played.answer.status, played.answer.code());
            ensure!(said == (403, "pending"), "it was answered {said:?}");
            Ok(())
        }
    }
}

/// The filter refused it: answer, access log and evidence name the rule.
fn refused(played: &Played, rule: &str, line: &Value, evidence: &Evidence) -> Result<()> {
    // To a client of MCP a refusal is an error of JSON-RPC, with the problem inside; to one of gRPC it is in the headers.
    let problem = played.answer.body.get("error").and_then(|error| error.get("data"));
    let grpc = played.request.fields.contains(&&b"content-type: application/grpc"[..]);
    let status = if problem.is_some() || grpc { 200 } else { 400 };
    let told = problem.unwrap_or(&played.answer.body);
    let told = ["code", "rule"].map(|member| told.get(member).and_then(Value::as_str).unwrap_or_default());
    let said = if grpc { played.answer.body.is_null() } else { told == ["ambiguous_request", rule] };
    ensure!(
        played.answer.status == status && said,
        "answered {} {}; {line}",
        played.answer.status,
        played.answer.body
    );
    let record = evidence.get(&place(line).context("the filter says nothing of it")?).context("no record")?;
    let said = ["kind", "reason", "rule"].map(|member| record.get(member).and_then(Value::as_str));
    ensure!(said == ["denied", "ambiguous_request", rule].map(Some), "the record is {record}");
    Ok(())
}

/// The filter denied it for a reason that is no rule: answer and evidence name it.
fn denied(played: &Played, status: u16, line: &Value, evidence: &Evidence) -> Result<()> {
    let body = &played.answer.body;
    // Of a batch, the answer to the first.
    let problem =
        ["/error/data", "/0/error/data"].iter().find_map(|place| body.pointer(place)).unwrap_or(body);
    let told = (played.answer.status, problem.get("code").and_then(Value::as_str), problem.get("rule"));
    ensure!(told == (status, Some(played.rule), None), "answered {} {body}", played.answer.status);
    let record = evidence.get(&place(line).context("the filter says nothing of it")?).context("no record")?;
    let said = ["kind", "reason"].map(|member| record.get(member).and_then(Value::as_str));
    ensure!(said == ["denied", played.rule].map(Some), "the record is {record}");
    Ok(())
}

/// What the filter says of a request in the access log.
fn summary(line: &Value) -> Option<Value> {
    serde_json::from_str(line.get("countersign")?.as_str()?).ok()
}

/// Lane and number of the record that a line of the access log names.
fn place(line: &Value) -> Option<(String, u64)> {
    let summary = summary(line)?;
    let lane = summary.pointer("/record/lane")?.as_str()?.to_owned();
    Some((lane, summary.pointer("/record/seq")?.as_u64()?))
}

/// The evidence of the one filter that the lines are about, once the service has all that they name.
async fn evidence(world: &World, log: &[Value]) -> Result<Evidence> {
    let summary = log.iter().find_map(summary).context("the filter saw nothing")?;
    let producer = summary.pointer("/record/producer").and_then(Value::as_str).context("no producer")?;
    until("the evidence", async || {
        let mut evidence = Evidence::new();
        for record in world.stack.approvals.evidence_of(producer).await? {
            let line: Value = serde_json::from_str(&record.line)?;
            let lane = line.get("lane").and_then(Value::as_str).unwrap_or_default().to_owned();
            evidence.insert((lane, record.envelope.seq), line);
        }
        let whole = log.iter().filter_map(place).all(|place| evidence.contains_key(&place));
        Ok(whole.then_some(evidence))
    })
    .await
}

/// The first record of each lane says which rules are relaxed.
fn says_what_is_relaxed(kind: Kind, evidence: &Evidence) -> Result<()> {
    let relaxed = Known::ALL.iter().filter(|rule| kind == Kind::Relaxed && !rule.is_fixed());
    let relaxed: Vec<_> = relaxed.map(|rule| rule.name()).collect();
    let starts = evidence.values().filter(|record| record.get("kind") == Some(&json!("start")));
    let said: Vec<_> = starts.map(|start| start.get("relax").cloned().unwrap_or_default()).collect();
    ensure!(
        !said.is_empty() && said.iter().all(|said| *said == json!(relaxed)),
        "the filter began with {said:?}"
    );
    Ok(())
}
