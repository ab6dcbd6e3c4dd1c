//! A provider that says whatever a test wants it to.

use std::sync::{Arc, Mutex};

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64};
use countersign_protocol::Hash;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use crate::harness::{seconds, token};

pub(crate) const CLIENT: &str = "countersign";
pub(crate) const SECRET: &str = "secret-secret-secret-secret-secret";
const ACCESS_TOKEN: &str = "access-token";

pub(crate) struct Provider {
    pub(crate) issuer: String,
    plan: Arc<Mutex<Plan>>,
}

struct Plan {
    issuer: String,
    nonce: String,
    challenge: String,
    /// What its tokens say beside what they have to, or instead.
    claims: Value,
    user_info: Option<Value>,
    refusal: Option<String>,
    key: SigningKey,
    /// The key that it lists.
    listed: SigningKey,
    with_secret: bool,
}

type Shared = State<Arc<Mutex<Plan>>>;

fn key() -> SigningKey {
    SigningKey::from_bytes(&Hash::of(&token().0).0)
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = key();
        let plan = Arc::new(Mutex::new(Plan {
            issuer: issuer.clone(),
            nonce: String::new(),
            challenge: String::new(),
            claims: json!({}),
            user_info: None,
            refusal: None,
            listed: key.clone(),
            key,
            with_secret: false,
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks", get(keys))
            .route("/token", post(tokens))
            .route("/me", get(me))
            .with_state(Arc::clone(&plan));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { issuer, plan }
    }

    /// What the browser that is to come next was sent with.
    pub(crate) fn expect(&self, nonce: &str, challenge: &str) {
        let mut plan = self.plan.lock().unwrap();
        (plan.nonce, plan.challenge) = (nonce.into(), challenge.into());
    }

    pub(crate) fn claims(&self, claims: Value) {
        self.plan.lock().unwrap().claims = claims;
    }

    pub(crate) fn user_info(&self, claims: Value) {
        self.plan.lock().unwrap().user_info = Some(claims);
    }

    pub(crate) fn refuse(&self, error: &str) {
        self.plan.lock().unwrap().refusal = Some(error.into());
    }

    /// From now on it signs with another key, which it lists or does not.
    pub(crate) fn change_key(&self, listed: bool) {
        let mut plan = self.plan.lock().unwrap();
        plan.key = key();
        if listed {
            plan.listed = plan.key.clone();
        }
    }

    /// From now on it signs with what it shares with the service.
    pub(crate) fn sign_with_the_secret(&self) {
        self.plan.lock().unwrap().with_secret = true;
    }
}

async fn configuration(State(plan): Shared) -> Json<Value> {
    let issuer = &plan.lock().unwrap().issuer;
    Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
        "userinfo_endpoint": format!("{issuer}/me"), "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["EdDSA", "HS256"],
    }))
}

async fn keys(State(plan): Shared) -> Json<Value> {
    let public = plan.lock().unwrap().listed.verifying_key().to_bytes();
    let (x, kid) = (BASE64.encode(public), Hash::of(&public).to_string());
    Json(
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x }] }),
    )
}

async fn tokens(
    State(plan): Shared,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response {
    let plan = plan.lock().unwrap();
    let sent = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let basic = STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    assert_eq!(headers["authorization"], format!("Basic {basic}"));
    let verifier = sent("code_verifier").unwrap();
    assert_eq!(BASE64.encode(Hash::of(verifier.as_bytes()).0), plan.challenge);
    if let Some(error) = &plan.refusal {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    }
    let token = plan.id_token();
    Json(json!({ "access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": token })).into_response()
}

async fn me(State(plan): Shared, headers: HeaderMap) -> Json<Value> {
    assert_eq!(headers["authorization"], format!("Bearer {ACCESS_TOKEN}"));
    let plan = plan.lock().unwrap();
    let sub = plan.claims.get("sub").cloned().unwrap_or_else(|| json!("ida-1"));
    Json(plan.user_info.clone().unwrap_or_else(|| json!({ "sub": sub })))
}

impl Plan {
    fn id_token(&self) -> String {
        let mut claims = json!({
            "iss": self.issuer, "sub": "ida-1", "aud": CLIENT, "nonce": self.nonce,
            "iat": seconds(), "exp": seconds() + 300,
        });
        claims.as_object_mut().unwrap().extend(self.claims.as_object().unwrap().clone());
        let kid = Hash::of(&self.key.verifying_key().to_bytes());
        let header =
            if self.with_secret { json!({ "alg": "HS256" }) } else { json!({ "alg": "EdDSA", "kid": kid }) };
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signature = match self.with_secret {
            true => hmac_sha256(SECRET.as_bytes(), signed.as_bytes()).to_vec(),
            false => self.key.sign(signed.as_bytes()).to_bytes().to_vec(),
        };
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

/// RFC 2104, for a key that is shorter than a block.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Hash::of(&[&pad(0x36)[..], message].concat());
    Hash::of(&[&pad(0x5c)[..], &inner.0].concat()).0
}
