//! What anybody can check of a passkey's assertion over an answer, with nothing but what is kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use countersign_protocol::Hash;
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::DecodePublicKey as _;
use serde_json::{Value, json};

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Checks an assertion over an answer of that kind; `about` names ticket, digest and the hash of what was shown.
pub(crate) fn verify(about: &Value, assertion: &Value, kind: &str, host: &str) {
    let parts: [Vec<u8>; 7] = [
        b"countersign answer 1".to_vec(),
        bytes(&assertion["random"]),
        hex(&about["ticket"]),
        hex(&about["digest"]),
        hex(&about["shown"]),
        kind.as_bytes().to_vec(),
        // For as many uses as were asked for.
        Vec::new(),
    ];
    let encoded: Vec<u8> =
        parts.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part].concat()).collect();
    let client: Value = serde_json::from_slice(&bytes(&assertion["client_data_json"])).unwrap();
    assert_eq!(bytes(&client["challenge"]), Hash::of(&encoded).0);
    assert_eq!((&client["type"], &assertion["rp_id"]), (&json!("webauthn.get"), &json!(host)));
    let data = bytes(&assertion["authenticator_data"]);
    assert_eq!(data[..32], Hash::of(host.as_bytes()).0);
    assert_eq!(data[32] & 0b101, 0b101, "somebody was there, and it was the owner");
    let signed = [data, Hash::of(&bytes(&assertion["client_data_json"])).0.to_vec()].concat();
    let key = p256::ecdsa::VerifyingKey::from_public_key_der(&bytes(&assertion["public_key"])).unwrap();
    key.verify(&signed, &p256::ecdsa::Signature::from_der(&bytes(&assertion["signature"])).unwrap()).unwrap();
}
