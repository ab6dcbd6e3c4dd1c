//! The reply to a claim is lost, forged, or about another claim; the claim itself is sent twice.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::Rows;
use crate::meddler::{CLAIM, Fault};
use crate::scene::{Played, Scene};

pub(super) fn add(rows: &mut Rows<'_>) -> Result<()> {
    rows.add("claim-lost", "", async |scene| claimed_again(scene, "claim-lost", Fault::Lost).await)?;
    rows.add("claim-twice", "", async |scene| claimed(scene, "claim-twice", Fault::Twice).await)?;
    rows.add("receipt-forged", "", async |scene| {
        let counted = r#"countersign_receipts_refused_total{reason="bad_signature"}"#;
        let play = async || claimed_again(scene, "receipt-forged", receipts(spoil)).await;
        scene.counting(counted, 1.0, play).await
    })?;
    rows.add("receipt-replayed", "", replayed)?;
    rows.add("claim-never", "", never)
}

/// An approved request whose claim meets with `fault`.
async fn claimed(scene: &Scene<'_>, key: &str, fault: Fault) -> Result<Played> {
    let request = scene.rotation(key)?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.set.meddler.next(CLAIM, 1, fault);
    scene.approve(&ticket, "ben").await?;
    Ok(Played { request, tries: vec![call.await??] })
}

/// The same, with a fault after which the filter must claim again.
async fn claimed_again(scene: &Scene<'_>, key: &str, fault: Fault) -> Result<Played> {
    let before = scene.set.meddler.seen(CLAIM);
    let played = claimed(scene, key, fault).await?;
    let calls = scene.set.meddler.seen(CLAIM) - before;
    ensure!(calls == 2, "it was claimed in {calls} calls");
    Ok(played)
}

/// It ends by itself, so it is held for a short time.
async fn never(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.role("claim-never")?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.set.meddler.always(CLAIM, Fault::Lost);
    scene.approve(&ticket, "ben").await?;
    Ok(Played { request, tries: vec![call.await??] })
}

/// Changes each receipt in a reply.
fn receipts(change: impl Fn(&mut String) + Send + Sync + 'static) -> Fault {
    Fault::Edit(Arc::new(move |body: &mut Value| {
        let items = body.get_mut("items").and_then(Value::as_array_mut);
        for item in items.into_iter().flatten() {
            if let Some(Value::String(receipt)) = item.get_mut("receipt") {
                change(receipt);
            }
        }
    }))
}

/// One character of the signature becomes another.
fn spoil(receipt: &mut String) {
    let other = if receipt.ends_with("AA") { "BA" } else { "AA" };
    receipt.replace_range(receipt.len() - 2.., other);
}

/// The receipt of an earlier claim comes in place of this one's: it is for another nonce.
async fn replayed(scene: &Scene<'_>) -> Result<Played> {
    let kept = Arc::new(Mutex::new(String::new()));
    let keep = Arc::clone(&kept);
    let note =
        receipts(move |receipt| keep.lock().unwrap_or_else(PoisonError::into_inner).clone_from(receipt));
    let early = claimed(scene, "receipt-to-replay", note).await?;
    let replay =
        receipts(move |receipt| receipt.clone_from(&kept.lock().unwrap_or_else(PoisonError::into_inner)));
    let mut late = claimed_again(scene, "receipt-replayed", replay).await?;
    late.tries.splice(0..0, early.tries);
    Ok(late)
}
