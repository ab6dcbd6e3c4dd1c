//! Signing keys that change while the service runs.

use countersign_protocol::grant::{GRANT_TYPE, Grant};
use countersign_protocol::jws::{self, KeySet};
use countersign_protocol::keys::{Endorsement, KEY_TYPE, KeyDocument};
use serde_json::Value;
use std::time::Duration;

use crate::databases::data;
use crate::harness::{Service, ask, question};

async fn document(service: &Service) -> KeyDocument {
    serde_json::from_value(service.get("/.well-known/jwks.json", "").await.body).unwrap()
}

async fn approved(service: &Service) -> Value {
    let first = ask(question());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    service.answer(&service.log_in("ada").await, &ticket, "approve").await;
    service.ask(&first).await["verdict"].clone()
}

fn signed_by(verdict: &Value, keys: &KeyDocument, at: usize) -> bool {
    let keys = KeySet::new(&[keys.keys[at].clone()]).unwrap();
    jws::verify::<Grant>(verdict["grant"].as_str().unwrap(), GRANT_TYPE, &keys).is_ok()
}

#[tokio::test]
async fn a_new_key_is_published_endorsed_and_signs_when_its_time_has_come() {
    let service = Service::start().await;
    let first = document(&service).await;
    assert_eq!((first.keys.len(), first.endorsements.len()), (1, 0));
    let old = approved(&service).await;
    let folder = data(&service.folder);
    let later = folder.rotate_key(Duration::from_secs(3600)).unwrap();
    let keys = document(&service).await;
    assert_eq!((keys.keys[0].clone(), keys.keys[1].clone()), (first.keys[0].clone(), later));
    assert!(signed_by(&approved(&service).await, &keys, 0), "it is not time yet");
    let pinned = KeySet::new(&first.keys).unwrap();
    let endorsed: Endorsement = jws::verify(&keys.endorsements[0], KEY_TYPE, &pinned).unwrap();
    assert_eq!(
        (&endorsed.jwk, endorsed.iss.as_str(), endorsed.exp - endorsed.iat),
        (&keys.keys[1], "local", 86_400)
    );
    let now = folder.rotate_key(Duration::ZERO).unwrap();
    let keys = document(&service).await;
    assert_eq!((keys.keys.len(), keys.endorsements.len()), (3, 3), "each older key endorses each newer");
    assert!(signed_by(&approved(&service).await, &keys, 2) && keys.keys[2] == now);
    assert!(signed_by(&old, &keys, 0), "what the old key signed verifies until it lapses");
}

#[tokio::test]
async fn a_key_is_retired_once_another_signs() {
    let service = Service::start().await;
    let folder = data(&service.folder);
    let first = document(&service).await.keys[0].kid.clone();
    assert!(folder.retire_key(&first).unwrap_err().to_string().contains("signs at this moment"));
    folder.rotate_key(Duration::ZERO).unwrap();
    assert!(folder.retire_key("nobody").is_err());
    folder.retire_key(&first).unwrap();
    let keys = document(&service).await;
    assert_eq!((keys.keys.len(), keys.endorsements.len()), (1, 0));
    assert!(signed_by(&approved(&service).await, &keys, 0));
}

#[tokio::test]
async fn there_are_never_more_endorsements_than_a_gateway_reads() {
    let service = Service::start().await;
    let folder = data(&service.folder);
    while folder.rotate_key(Duration::ZERO).is_ok() {}
    let keys = document(&service).await;
    assert_eq!((keys.keys.len(), keys.endorsements.len()), (6, 15));
}
