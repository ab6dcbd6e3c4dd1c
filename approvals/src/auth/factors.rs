//! Second factors: who may change them, and setting up one-time codes.

use countersign_protocol::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::totp::{BadSecret, Totp};
use super::{Auth, LoginError, OTP_LASTS, Session};
use crate::api::problem::Problem;
use crate::code::Code;
use crate::random;
use crate::store::StoreError;
use crate::store::ceremonies::Purpose;
use crate::store::passkeys::MOST_PASSKEYS;
use crate::store::sessions::By;
use crate::webauthn::Invalid;

/// Why a second factor is not taken or not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FactorError {
    #[error("this was begun elsewhere, is over, or is too old: begin again")]
    Over,
    #[error("the passkey cannot be used: {0}")]
    Invalid(#[from] Invalid),
    #[error("this passkey is not one of yours")]
    NotYours,
    #[error("this passkey counts backwards, so there may be a copy of it: remove it")]
    Copied,
    #[error("you have no passkey that is older than the request")]
    NoPasskey,
    #[error("prove a second factor that you have before you change any")]
    Unproven,
    #[error("you have {MOST_PASSKEYS} passkeys already: remove one first")]
    TooMany,
    #[error("a passkey needs a name of 1 to 60 characters")]
    BadName,
    #[error("this passkey, or one-time codes, are set up already")]
    Taken,
    #[error("a browser's session is needed: log in")]
    NoSession,
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Secret(#[from] BadSecret),
}

impl From<StoreError> for FactorError {
    fn from(error: StoreError) -> Self {
        Self::Login(error.into())
    }
}

impl From<getrandom::Error> for FactorError {
    fn from(error: getrandom::Error) -> Self {
        Self::Login(error.into())
    }
}

impl From<FactorError> for Problem {
    fn from(error: FactorError) -> Self {
        let code = match &error {
            FactorError::Over => Code::CeremonyOver,
            FactorError::Invalid(_) => Code::PasskeyInvalid,
            FactorError::NotYours => Code::PasskeyUnknown,
            FactorError::Copied => Code::PasskeyCopied,
            FactorError::NoPasskey => Code::NoPasskey,
            FactorError::Unproven => Code::SecondFactorMissing,
            FactorError::TooMany => Code::TooManyPasskeys,
            FactorError::BadName => Code::BadName,
            FactorError::Taken => Code::FactorTaken,
            FactorError::NoSession => Code::NoSession,
            FactorError::Login(_) | FactorError::Secret(_) => Code::Internal,
        };
        match error {
            FactorError::Login(error) => error.into(),
            error => Self::new(code, error.to_string()),
        }
    }
}

/// What the set-up of one-time codes goes on from.
#[derive(Serialize, Deserialize)]
struct Begun {
    session: String,
    base32: String,
}

/// One-time codes that are to be set up.
pub(crate) struct NewCodes {
    /// What the form brings back.
    pub(crate) ceremony: String,
    /// For apps that read no picture.
    pub(crate) base32: String,
    /// The address that apps read.
    pub(crate) otpauth: String,
}

impl Auth {
    /// Whether a session may change the account's factors: a factor was proven in it lately, or there is none yet.
    pub(crate) async fn may_change(&self, session: &Session) -> Result<bool, FactorError> {
        let person = &session.member.person;
        Ok(self.is_proven(session).await?
            || (session.member.totp.is_none() && self.store.passkeys(person).await?.is_empty()))
    }

    /// Whether a second factor was proven in a session lately.
    pub(crate) async fn is_proven(&self, session: &Session) -> Result<bool, FactorError> {
        let row = self.store.session(&session.secret, By::Person).await?.ok_or(FactorError::NoSession)?;
        let lately = |at: &Option<UnixMillis>| at.is_some_and(|at| row.now - at < OTP_LASTS);
        Ok([row.otp_at, row.passkey_at].iter().any(lately))
    }

    pub(crate) async fn must_change(&self, session: &Session) -> Result<(), FactorError> {
        if self.may_change(session).await? { Ok(()) } else { Err(FactorError::Unproven) }
    }

    /// Begins to set up one-time codes for somebody who has none.
    pub(crate) async fn begin_codes(&self, session: &Session) -> Result<NewCodes, FactorError> {
        self.must_change(session).await?;
        if session.member.totp.is_some() {
            return Err(FactorError::Taken);
        }
        self.offer(session, Totp::generate()?).await
    }

    async fn offer(&self, session: &Session, totp: Totp) -> Result<NewCodes, FactorError> {
        let (ceremony, base32) = (random::secret()?, totp.base32());
        // A colon would end the name there.
        let otpauth = totp.otpauth(&session.member.display_name().replace(':', " "))?;
        let begun = Begun { session: session.id(), base32: base32.clone() };
        let mut tx = self.store.write().await?;
        tx.begin_ceremony(Purpose::Codes, &ceremony, Some(&begun.session), &begun).await?;
        tx.commit().await?;
        Ok(NewCodes { ceremony, base32, otpauth })
    }

    /// Sets one-time codes up with the first of them; with a wrong one, offers the same again.
    pub(crate) async fn set_codes(
        &self,
        session: &Session,
        ceremony: &str,
        code: &str,
    ) -> Result<Option<NewCodes>, FactorError> {
        self.must_change(session).await?;
        let mut tx = self.store.write().await?;
        let begun: Option<Begun> = tx.end_ceremony(Purpose::Codes, ceremony).await?;
        let Some(begun) = begun.filter(|begun| begun.session == session.id()) else {
            tx.commit().await?;
            return Err(FactorError::Over);
        };
        let totp = Totp::parse(&begun.base32)?;
        let Some(step) = totp.step_of(code, tx.now) else {
            tx.commit().await?;
            return self.offer(session, totp).await.map(Some);
        };
        let person = &session.member.person;
        let set = tx.set_codes(&session.member, &begun.base32, &session.secret).await?
            && tx.use_step(person, step).await?;
        if !set {
            return Err(FactorError::Taken);
        }
        tx.note("codes_set_up", Some(person), json!({ "person": person })).await?;
        tx.commit().await?;
        Ok(None)
    }
}
