//! Grants that must not count: each is signed by the service's own key, unless it is the signature that is wrong,
//! and wrong in one way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_protocol::Hash;
use countersign_protocol::grant::{GRANT_TYPE, Grant};
use countersign_protocol::jws;
use ed25519_dalek::SigningKey;
use serde::Deserialize;
use serde_json::Value;
use xtask::stack::client::Prepared;

use super::Rows;
use crate::meddler::{ASK, Fault, WAIT};
use crate::scene::{Played, Scene};

/// What is done to a grant.
type Change = fn(&mut Grant);

const HOUR: i64 = 3600;

pub(super) fn add(rows: &mut Rows<'_>) -> Result<()> {
    rows.add("grant-forged", "", forged)?;
    let of_time: [(&str, Change); 3] = [
        ("grant-expired", |grant| grant.exp = grant.iat),
        ("grant-not-yet-valid", |grant| grant.nbf += HOUR),
        ("grant-from-the-future", |grant| grant.iat += HOUR),
    ];
    for (id, change) in of_time {
        rows.add(id, "", async move |scene| ignored(scene, id, change).await)?;
    }
    let reopened: [(&str, Change); 6] = [
        ("grant-other-audience", |grant| grant.aud = "another-gateway".into()),
        ("grant-other-digest", |grant| grant.digest = Hash::of(b"another request")),
        ("grant-by-the-requester", |grant| answer_as(grant, "ben")),
        ("grant-by-the-owner", |grant| answer_as(grant, "ana")),
        ("grant-without-second-factor", |grant| {
            grant.answers.iter_mut().for_each(|answer| answer.amr = vec!["pwd".into()]);
        }),
        ("grant-valid-too-long", |grant| grant.exp += HOUR),
    ];
    for (id, change) in reopened {
        rows.add(id, "", async move |scene| reopens(scene, id, change).await)?;
    }
    rows.add("grant-one-person-twice", "", one_person_twice)?;
    rows.add("grant-other-gate-text", "", other_gate_text)
}

fn answer_as(grant: &mut Grant, person: &str) {
    grant.answers.iter_mut().for_each(|answer| answer.person.subject = person.into());
}

/// The service's signing keys, as they lie in its data folder.
#[derive(Deserialize)]
struct KeyFile {
    keys: Vec<PrivateKey>,
}

#[derive(Deserialize)]
struct PrivateKey {
    kid: String,
    d: String,
}

impl PrivateKey {
    fn read(data: &Path) -> Result<Self> {
        let mut file: KeyFile = serde_json::from_slice(&std::fs::read(data.join("signing-key.json"))?)?;
        file.keys.pop().context("no key")
    }

    fn key(&self) -> Result<SigningKey> {
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(&self.d)?.try_into().ok().context("no key")?;
        Ok(SigningKey::from_bytes(&bytes))
    }
}

/// Has the next grant that the gateway gets be another: what `make` makes of it, under the service's key id.
fn exchange(scene: &Scene<'_>, key: SigningKey, change: Change) -> Result<()> {
    let kid = PrivateKey::read(&scene.approvals.data())?.kid;
    let left = AtomicUsize::new(1);
    let edit = Fault::Edit(Arc::new(move |body: &mut Value| {
        for token in grants(body) {
            let Some(mut grant) = token.as_str().and_then(read) else { continue };
            if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                change(&mut grant);
                *token = jws::sign(GRANT_TYPE, &kid, &key, &grant).map_or(Value::Null, Value::String);
            }
        }
    }));
    scene.set.meddler.always(ASK, edit.clone());
    scene.set.meddler.always(WAIT, edit);
    Ok(())
}

fn exchange_own(scene: &Scene<'_>, change: Change) -> Result<()> {
    let key = PrivateKey::read(&scene.approvals.data())?.key()?;
    exchange(scene, key, change)
}

/// The grants in the reply to a question or a poll.
fn grants(body: &mut Value) -> Vec<&mut Value> {
    let Some(body) = body.as_object_mut() else { return Vec::new() };
    let lists = body.iter_mut().filter(|(name, _)| ["verdicts", "items"].contains(&name.as_str()));
    let each = lists.filter_map(|(_, list)| list.as_array_mut()).flatten();
    each.filter_map(|item| match item.get("verdict") {
        Some(_) => item.pointer_mut("/verdict/grant"),
        None => item.get_mut("grant"),
    })
    .collect()
}

fn read(token: &str) -> Option<Grant> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// It is signed by another key: the service knows of no fault, and the true one counts when the client comes again.
async fn forged(scene: &Scene<'_>) -> Result<Played> {
    exchange(scene, SigningKey::from_bytes(&[7; 32]), |_| {})?;
    let counted = r#"countersign_grants_refused_total{reason="bad_signature"}"#;
    let request = scene.role("grant-forged")?;
    scene.counting(counted, 1.0, async || over_then_passes(scene, request).await).await
}

/// Its time is not now: people need not answer again because of that, so it counts when the client comes again.
async fn ignored(scene: &Scene<'_>, id: &str, change: Change) -> Result<Played> {
    exchange_own(scene, change)?;
    over_then_passes(scene, scene.role(id)?).await
}

async fn over_then_passes(scene: &Scene<'_>, request: Prepared) -> Result<Played> {
    let (call, ticket) = scene.hold(&request).await?;
    scene.approve(&ticket, "ben").await?;
    let pending = call.await??;
    scene.world.stage().arrived_never(&request).await?;
    let passed = scene.answered(&request).await?;
    Ok(Played { request, tries: vec![pending, passed] })
}

/// It is wrong: the service hears of it and asks again, and a yes that holds releases the request.
async fn reopens(scene: &Scene<'_>, id: &str, change: Change) -> Result<Played> {
    let request = match id {
        // Ben's request, by an agent of Ana's: he asks, she is its owner.
        "grant-by-the-requester" | "grant-by-the-owner" => scene.rotation_for("ben", id)?,
        "grant-without-second-factor" => return reopens_late(scene, scene.role(id)?, change).await,
        _ => scene.rotation(id)?,
    };
    exchange_own(scene, change)?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.approve(&ticket, "dora").await?;
    scene.until(&ticket, "pending").await?;
    scene.world.stage().arrived_never(&request).await?;
    scene.approve(&scene.approvals.ticket(ticket.id()).await?, "cleo").await?;
    Ok(Played { request, tries: vec![call.await??] })
}

/// The same where the hold is short.
async fn reopens_late(scene: &Scene<'_>, request: Prepared, change: Change) -> Result<Played> {
    exchange_own(scene, change)?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.approve(&ticket, "dora").await?;
    scene.until(&ticket, "pending").await?;
    let pending = call.await??;
    scene.approve(&scene.approvals.ticket(ticket.id()).await?, "cleo").await?;
    let passed = scene.answered(&request).await?;
    Ok(Played { request, tries: vec![pending, passed] })
}

/// Two are needed, and the grant names one of them twice.
async fn one_person_twice(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.export("one-person-twice")?;
    exchange_own(scene, |grant| {
        let first = grant.answers.first().map(|answer| answer.person.clone());
        if let (Some(first), Some(last)) = (first, grant.answers.last_mut()) {
            last.person = first;
        }
    })?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.approve(&ticket, "ben").await?;
    scene.approve(&ticket, "cleo").await?;
    scene.until(&ticket, "pending").await?;
    scene.world.stage().arrived_never(&request).await?;
    let open = scene.approvals.ticket(ticket.id()).await?;
    scene.approve(&open, "cleo").await?;
    Ok(Played { request, tries: vec![call.await??] })
}

/// People were asked about a gate that says something else.
async fn other_gate_text(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.rotation("other-gate-text")?;
    exchange_own(scene, |grant| {
        grant.gates.iter_mut().for_each(|gate| gate.hash = Hash::of(b"another text"));
    })?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.approve(&ticket, "ben").await?;
    let denied = call.await??;
    scene.until(&ticket, "revoked").await?;
    Ok(Played { request, tries: vec![denied] })
}
