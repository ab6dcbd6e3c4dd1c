//! Passkeys: adding and removing them, and proving one for an answer or before the account is changed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use countersign_protocol::{Hash, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::factors::FactorError;
use super::{Auth, Session};
use crate::random;
use crate::store::StoreError;
use crate::store::ceremonies::Purpose;
use crate::store::passkeys::{MOST_PASSKEYS, Passkey};
use crate::webauthn::challenge::{Evidence, Meant};
use crate::webauthn::{Assertion, Bytes, ES256, Made, RS256};

/// How long a browser waits for its owner, milliseconds.
const PATIENCE: u32 = 5 * 60 * 1000;

/// What a page asks its browser for.
#[derive(Serialize)]
pub(crate) struct Ask {
    /// What the page has to bring back.
    ceremony: String,
    /// The options of `navigator.credentials` (WebAuthn Level 3, sections 5.4 and 5.5); bytes are base64url.
    options: Value,
}

/// What a page brings back from its browser.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Brought<T> {
    ceremony: String,
    credential: T,
}

/// What is kept of a question to a browser.
#[derive(Serialize, Deserialize)]
struct Asked {
    /// In which session.
    session: String,
    random: Bytes,
    /// What it is for, where it is for an answer.
    meant: Option<Meant>,
}

impl Asked {
    fn new(session: &Session, meant: Option<Meant>) -> Result<Self, getrandom::Error> {
        let random = Bytes(random::bytes::<32>()?.to_vec());
        Ok(Self { session: session.id(), random, meant })
    }

    /// The challenge: over what it is for, or random.
    fn challenge(&self) -> Option<Hash> {
        let random: [u8; 32] = self.random.0.as_slice().try_into().ok()?;
        Some(self.meant.map_or(Hash(random), |meant| meant.challenge(&random)))
    }
}

impl<T: serde::de::DeserializeOwned> Brought<T> {
    /// Reads what a form carries.
    pub(crate) fn parse(text: &str) -> Result<Self, FactorError> {
        serde_json::from_str(text).map_err(|_| crate::webauthn::Invalid::Malformed.into())
    }
}

impl Auth {
    /// Asks for a passkey that is older than the request, over an answer to it.
    pub(crate) async fn ask_answer(
        &self,
        session: &Session,
        meant: Meant,
        asked_at: UnixMillis,
    ) -> Result<Ask, FactorError> {
        let passkeys = self.store.passkeys(&session.member.person).await?;
        let old = passkeys.into_iter().filter(|passkey| passkey.created <= asked_at);
        self.ask(session, Purpose::Answer, Some(meant), old.collect()).await
    }

    /// Asks for a passkey before the account is changed.
    pub(crate) async fn ask_confirmation(&self, session: &Session) -> Result<Ask, FactorError> {
        let passkeys = self.store.passkeys(&session.member.person).await?;
        self.ask(session, Purpose::Confirm, None, passkeys).await
    }

    async fn ask(
        &self,
        session: &Session,
        purpose: Purpose,
        meant: Option<Meant>,
        passkeys: Vec<Passkey>,
    ) -> Result<Ask, FactorError> {
        if passkeys.is_empty() {
            return Err(FactorError::NoPasskey);
        }
        let asked = Asked::new(session, meant)?;
        let options = json!({
            "challenge": asked.challenge().map(|challenge| BASE64.encode(challenge.0)),
            "rpId": self.site.id, "allowCredentials": credentials(&passkeys),
            "userVerification": "required", "timeout": PATIENCE,
        });
        self.keep(purpose, &asked, options).await
    }

    async fn keep(&self, purpose: Purpose, asked: &Asked, options: Value) -> Result<Ask, FactorError> {
        let ceremony = random::secret()?;
        let mut tx = self.store.write().await?;
        tx.begin_ceremony(purpose, &ceremony, Some(&asked.session), asked).await?;
        tx.commit().await?;
        Ok(Ask { ceremony, options })
    }

    /// Takes a proof over an answer; returns it with all that it takes to check it again, as JSON.
    pub(crate) async fn prove_answer(
        &self,
        session: &Session,
        meant: Meant,
        asked_at: UnixMillis,
        brought: &Brought<Assertion>,
    ) -> Result<String, FactorError> {
        let (asked, passkey) = self.prove(session, Purpose::Answer, brought, Some(meant)).await?;
        if passkey.created > asked_at {
            return Err(FactorError::NoPasskey);
        }
        let evidence = Evidence {
            assertion: &brought.credential,
            key: &passkey.key,
            random: asked.random,
            rp_id: &self.site.id,
        };
        Ok(serde_json::to_string(&evidence).map_err(StoreError::from)?)
    }

    /// Takes a proof before the account is changed.
    pub(crate) async fn confirm(
        &self,
        session: &Session,
        brought: &Brought<Assertion>,
    ) -> Result<(), FactorError> {
        self.prove(session, Purpose::Confirm, brought, None).await?;
        let mut tx = self.store.write().await?;
        tx.confirmed(&session.secret).await?;
        Ok(tx.commit().await?)
    }

    async fn prove(
        &self,
        session: &Session,
        purpose: Purpose,
        brought: &Brought<Assertion>,
        meant: Option<Meant>,
    ) -> Result<(Asked, Passkey), FactorError> {
        let (asked, challenge) = self.ended(session, purpose, &brought.ceremony, meant).await?;
        let id = BASE64.encode(&brought.credential.id.0);
        let passkeys = self.store.passkeys(&session.member.person).await?;
        let passkey = passkeys.into_iter().find(|passkey| passkey.id == id).ok_or(FactorError::NotYours)?;
        let counter = self.site.check(challenge, &passkey.key, &brought.credential)?;
        let mut tx = self.store.write().await?;
        if !tx.use_passkey(&id, counter).await? {
            return Err(FactorError::Copied);
        }
        tx.commit().await?;
        Ok((asked, passkey))
    }

    /// Asks for a new passkey.
    pub(crate) async fn ask_new(&self, session: &Session) -> Result<Ask, FactorError> {
        self.must_change(session).await?;
        let (asked, member) = (Asked::new(session, None)?, &session.member);
        let passkeys = self.store.passkeys(&member.person).await?;
        let user = Hash::of(format!("{}\n{}", member.person.issuer, member.person.subject).as_bytes());
        let kinds = [ES256, RS256].map(|alg| json!({ "type": "public-key", "alg": alg }));
        let options = json!({
            "challenge": asked.challenge().map(|challenge| BASE64.encode(challenge.0)),
            "rp": { "id": self.site.id, "name": "Countersign" },
            "user": {
                "id": BASE64.encode(user.0), "name": member.person.subject, "displayName": member.display_name(),
            },
            "pubKeyCredParams": kinds,
            "excludeCredentials": credentials(&passkeys),
            "authenticatorSelection": { "userVerification": "required", "residentKey": "discouraged" },
            "attestation": "none", "timeout": PATIENCE,
        });
        self.keep(Purpose::Enrol, &asked, options).await
    }

    /// Adds a passkey.
    pub(crate) async fn add_passkey(
        &self,
        session: &Session,
        name: &str,
        brought: &Brought<Made>,
    ) -> Result<(), FactorError> {
        self.must_change(session).await?;
        let (name, made, person) = (named(name)?, &brought.credential, &session.member.person);
        let (_, challenge) = self.ended(session, Purpose::Enrol, &brought.ceremony, None).await?;
        let (id, counter) = (BASE64.encode(&made.id.0), self.site.admit(challenge, made)?);
        let mut tx = self.store.write().await?;
        if tx.passkeys(person).await?.len() >= MOST_PASSKEYS {
            return Err(FactorError::TooMany);
        }
        if !tx.add_passkey(person, name, &id, &made.key, counter).await? {
            return Err(FactorError::Taken);
        }
        tx.note("passkey_added", Some(person), json!({ "person": person, "passkey": id })).await?;
        Ok(tx.commit().await?)
    }

    /// Removes a passkey of one's own.
    pub(crate) async fn remove_passkey(&self, session: &Session, id: &str) -> Result<(), FactorError> {
        self.must_change(session).await?;
        let person = &session.member.person;
        let mut tx = self.store.write().await?;
        if !tx.remove_passkey(person, id).await? {
            return Err(FactorError::NotYours);
        }
        tx.note("passkey_removed", Some(person), json!({ "person": person, "passkey": id })).await?;
        Ok(tx.commit().await?)
    }

    /// Ends a ceremony for good; it has to be of this session and for this. With its challenge.
    async fn ended(
        &self,
        session: &Session,
        purpose: Purpose,
        ceremony: &str,
        meant: Option<Meant>,
    ) -> Result<(Asked, Hash), FactorError> {
        let mut tx = self.store.write().await?;
        let asked: Option<Asked> = tx.end_ceremony(purpose, ceremony).await?;
        tx.commit().await?;
        let asked = asked.filter(|asked| asked.session == session.id() && asked.meant == meant);
        let with = asked.and_then(|asked| asked.challenge().map(|challenge| (asked, challenge)));
        with.ok_or(FactorError::Over)
    }
}

fn credentials(passkeys: &[Passkey]) -> Vec<Value> {
    passkeys.iter().map(|passkey| json!({ "type": "public-key", "id": passkey.id })).collect()
}

fn named(name: &str) -> Result<&str, FactorError> {
    let name = name.trim();
    let fits = (1..=60).contains(&name.chars().count()) && !name.contains(char::is_control);
    fits.then_some(name).ok_or(FactorError::BadName)
}
