//! What of an entry must be the same at both gateways, and what each of them adds by itself.

use countersign_cli::replay::envoy::ADDED;
use countersign_cli::replay::{About, Played, Said, word};
use countersign_host_test::{Ended, Fields, Forwarded};
use countersign_protocol::Hash;
use serde_json::Value;

/// What must be the same, member by member.
pub(crate) type View = Vec<(&'static str, String)>;

/// What is compared of an entry.
pub(crate) fn view(played: &Played) -> View {
    let seen = &played.seen;
    let problem: Value = serde_json::from_slice(&seen.response.body).unwrap_or_default();
    let member = |name: &str| problem.get(name).map(Value::to_string).unwrap_or_default();
    let mut view = vec![
        ("ended", own_answer(played).map_or_else(|| ended(&seen.ended).into(), |own| format!("by `{own}`"))),
        ("decision", word(played.decision()).into()),
        ("status", seen.response.status().to_string()),
        ("reason", played.reason().unwrap_or_default().into()),
        ("said", format!("{} {}", member("code"), member("detail"))),
        (
            "summary",
            seen.summary
                .as_ref()
                .map_or_else(String::new, |one| format!("{} {}", one.decision, one.enforced)),
        ),
        ("records", records(played)),
    ];
    view.extend(upstream(seen.forwarded.as_ref()));
    view
}

/// The members that differ, each with what it is here and there.
pub(crate) fn differences(here: &View, there: &View) -> Vec<String> {
    let pairs = here.iter().zip(there).filter(|(one, other)| one != other);
    pairs.map(|((name, one), (_, other))| format!("{name}: `{one}` and `{other}`")).collect()
}

/// The answer of Envoy of which no filter said anything: what Envoy calls it. Before any filter saw the request, or
/// because the filter trapped.
pub(crate) fn own_answer(in_envoy: &Played) -> Option<&str> {
    match &in_envoy.seen.ended {
        Ended::Local(details) if in_envoy.seen.summary.is_none() && in_envoy.records.is_empty() => {
            Some(details)
        }
        _ => None,
    }
}

fn ended(ended: &Ended) -> &'static str {
    match ended {
        Ended::Upstream => "upstream",
        Ended::Local(_) => "local",
        Ended::Reset => "reset",
        Ended::Left => "left",
    }
}

/// Each record, in order.
fn records(played: &Played) -> String {
    once(played.records.iter().map(record).collect()).join(", ")
}

/// A record's kind, reason, policies and digest, who wanted to do what to what, and by which route.
pub(crate) fn record(said: &Said) -> String {
    let digest = said.digest.map(|digest| digest.to_string()).unwrap_or_default();
    let reason = [&said.reason, &said.detail].map(|part| part.clone().unwrap_or_default()).join(" ");
    let About { principal, action, resource } = said.about();
    let route = said.route.as_deref().unwrap_or_default();
    let about = format!("{principal} {action} {resource} by {route}");
    format!("{} ({reason}) {:?} {digest} {about}", said.kind, said.policies)
}

/// A grant that is refused is looked at again when other requests are being asked about at that moment, so how often
/// does not count.
pub(crate) fn once(mut said: Vec<String>) -> Vec<String> {
    said.dedup_by(|one, other| one == other && one.starts_with("grant_refused"));
    said
}

fn upstream(forwarded: Option<&Forwarded>) -> View {
    let Some(forwarded) = forwarded else { return vec![("upstream", "nothing".into())] };
    vec![
        ("upstream", format!("complete: {}", forwarded.complete)),
        ("upstream's headers", fields(&forwarded.headers)),
        ("upstream's body", format!("{} of {} bytes", Hash::of(&forwarded.body), forwarded.body.len())),
        ("upstream's trailers", fields(&forwarded.trailers)),
    ]
}

/// In order; pseudo-headers first, in the order of their names.
fn fields(fields: &Fields) -> String {
    let kept = |name: &[u8]| !ADDED.iter().any(|added| name == added.as_bytes());
    let mut pseudo: Vec<_> = fields.iter().filter(|(name, _)| name.starts_with(b":")).collect();
    pseudo.sort();
    let plain = fields.iter().filter(|(name, _)| !name.starts_with(b":") && kept(name));
    let line =
        |(name, value): &(Vec<u8>, Vec<u8>)| format!("{}: {}", name.escape_ascii(), value.escape_ascii());
    pseudo.into_iter().chain(plain).map(line).collect::<Vec<_>>().join("; ")
}
