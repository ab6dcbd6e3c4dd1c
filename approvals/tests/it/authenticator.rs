//! A passkey of somebody's, and the browser that it sits in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use countersign_protocol::Hash;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;
use serde_json::{Value, json};

use crate::harness::{ORIGIN, Service};
use crate::inbox::browse;

/// What [`ORIGIN`] is called in passkeys.
pub(crate) const HOST: &str = "localhost";
/// Somebody was there, and it was the owner.
const VERIFIED: u8 = 0b101;
/// A credential follows.
const CREDENTIAL: u8 = 0b100_0000;

pub(crate) struct Passkey {
    key: SigningKey,
}

fn encoded(bytes: &[u8]) -> Value {
    json!(BASE64.encode(bytes))
}

/// What a browser says that it did.
fn client(kind: &str, ask: &Value) -> Vec<u8> {
    let challenge = &ask["options"]["challenge"];
    json!({ "type": kind, "challenge": challenge, "origin": ORIGIN }).to_string().into_bytes()
}

fn data(flags: u8) -> Vec<u8> {
    [&Hash::of(HOST.as_bytes()).0[..], &[flags], &[0; 4]].concat()
}

impl Passkey {
    /// Adds one to the account that the session is of; the session has proven a second factor.
    pub(crate) async fn add(service: &Service, session: &str) -> Self {
        let passkey = Self { key: SigningKey::from_slice(&[7; 32]).unwrap() };
        let ask = service.post("/account/passkeys/ask", session, json!({})).await.body;
        let id = passkey.id();
        let named = [&[0; 16][..], &(id.len() as u16).to_be_bytes(), &id].concat();
        let made = json!({
            "id": encoded(&id), "client_data_json": encoded(&client("webauthn.create", &ask)),
            "authenticator_data": encoded(&[data(VERIFIED | CREDENTIAL), named].concat()),
            "algorithm": -7,
            "public_key": encoded(passkey.key.verifying_key().to_public_key_der().unwrap().as_bytes()),
        });
        let proof = json!({ "ceremony": ask["ceremony"], "credential": made }).to_string();
        let csrf = browse(service, session, "/account", None).await.field("csrf");
        let form = form(&[("csrf", &csrf), ("name", "key"), ("proof", &proof)]);
        let added = browse(service, session, "/account/passkeys", Some(&form)).await;
        assert_eq!(added.status, 303, "{}", added.text);
        passkey
    }

    fn id(&self) -> Vec<u8> {
        Hash::of(&self.key.to_bytes()).0.to_vec()
    }

    /// A proof over an answer to that ticket, as a form carries it.
    pub(crate) async fn prove(
        &self,
        service: &Service,
        session: &str,
        ticket: &str,
        answer: Value,
    ) -> String {
        let ask = service.post(&format!("/inbox/{ticket}/passkey"), session, answer).await.body;
        let (client, data) = (client("webauthn.get", &ask), data(VERIFIED));
        let signed = [&data[..], &Hash::of(&client).0].concat();
        let signature: Signature = self.key.sign(&signed);
        let credential = json!({
            "id": encoded(&self.id()), "client_data_json": encoded(&client), "authenticator_data": encoded(&data),
            "signature": encoded(signature.to_der().as_bytes()),
        });
        json!({ "ceremony": ask["ceremony"], "credential": credential }).to_string()
    }
}

/// Fields as a form sends them.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
