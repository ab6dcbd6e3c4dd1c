//! Logging in: local accounts, a password, and a second factor for what needs one.

pub(crate) mod factors;
pub(crate) mod passkeys;
pub(crate) mod password;
pub(crate) mod provided;
pub(crate) mod totp;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::person::Person;
use countersign_protocol::{Hash, Token, UnixMillis};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;

use crate::people::{Member, Name, OTP};
use crate::random;
use crate::store::sessions::By;
use crate::store::tokens::Scope;
use crate::store::{Store, StoreError};
use crate::webauthn::RelyingParty;
use totp::Totp;

/// How somebody logged in who gave a password (RFC 8176).
const PASSWORD: &str = "pwd";

/// How long a proven second factor counts, milliseconds.
const OTP_LASTS: UnixMillis = 15 * 60 * 1000;

/// The most who wait at an entrance: what two cores hash in about ten seconds.
const MOST_WAITING: usize = 512;
/// How long somebody waits there.
const PATIENCE: Duration = Duration::from_secs(10);

/// What somebody logs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
    #[serde(default)]
    pub(crate) totp: Option<String>,
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct Session {
    /// What the browser holds.
    pub(crate) secret: String,
    /// The account as it is now.
    pub(crate) member: Member,
    /// How they proved who they are (RFC 8176).
    pub(crate) amr: Vec<String>,
    /// What a token is for, when one was used in place of a log-in.
    pub(crate) scopes: Option<BTreeSet<Scope>>,
    /// When it is over.
    pub(crate) expires_at: UnixMillis,
}

/// What a browser holds from a log-in on.
pub(crate) struct Entered {
    /// The secret of the session.
    pub(crate) session: String,
    /// What it is known by at the next log-in.
    pub(crate) browser: String,
}

/// Why somebody is not logged in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("user, password or code is wrong")]
    Wrong,
    #[error("too many attempts, try again later")]
    Locked {
        /// For how long, milliseconds.
        wait: UnixMillis,
    },
    #[error("no password is taken here: log in at the provider")]
    NoPasswords,
    #[error("too many people log in at this moment, try again")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<getrandom::Error> for LoginError {
    fn from(error: getrandom::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Session {
    /// A name for it that is not its secret.
    pub(crate) fn id(&self) -> String {
        Hash::of(self.secret.as_bytes()).to_string()
    }

    /// What a form must carry, so that only this service's pages can send it.
    pub(crate) fn csrf(&self) -> String {
        Hash::of(format!("countersign csrf {}", self.secret).as_bytes()).to_string()
    }

    /// What a form must carry that approves a long request: only a page has it that showed all of it.
    pub(crate) fn saw_all(&self, ticket: Token, shown: Hash) -> String {
        Hash::of(format!("countersign saw all {} {ticket} {shown}", self.secret).as_bytes()).to_string()
    }
}

/// Checks who people are.
pub(crate) struct Auth {
    store: Arc<Store>,
    /// This service, as passkeys know it.
    site: RelyingParty,
    /// Whether passwords are taken.
    passwords: bool,
    /// For browsers that somebody has logged in with before: what strangers do at theirs holds up nobody here.
    known: Entrance,
    strangers: Entrance,
    /// For browsers on their way to the provider.
    leaving: Entrance,
}

/// Where people wait who are not logged in yet: to have their password hashed, which takes 19 MiB and a core, or to
/// have it written down that they begin. A flood of them leaves the one writer to others.
struct Entrance {
    /// Who waits, or is there; all others are sent away at once.
    places: Semaphore,
    inside: Arc<Semaphore>,
}

impl Entrance {
    fn new(at_once: usize) -> Self {
        Self { places: Semaphore::new(MOST_WAITING), inside: Arc::new(Semaphore::new(at_once)) }
    }

    /// Waits for one's turn, in the order of coming.
    async fn enter(&self) -> Result<OwnedSemaphorePermit, LoginError> {
        let _place = self.places.try_acquire().map_err(|_| LoginError::Busy)?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.inside).acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or(LoginError::Busy)
    }
}

/// What a guess counts as.
enum Attempt {
    /// One from a browser that the account's owner has logged in with.
    Known(String),
    /// One at the name.
    Stranger(String),
}

impl Auth {
    pub(crate) fn new(store: Arc<Store>, site: RelyingParty, passwords: bool) -> Self {
        let [known, strangers, leaving] = [1, 2, 1].map(Entrance::new);
        Self { store, site, passwords, known, strangers, leaving }
    }

    /// Whether there is a log-in by password.
    pub(crate) fn takes_passwords(&self) -> bool {
        self.passwords
    }

    /// Logs somebody in; `browser` is what their browser holds from an earlier log-in.
    pub(crate) async fn log_in(
        &self,
        credentials: Credentials,
        browser: Option<&str>,
    ) -> Result<Entered, LoginError> {
        if !self.passwords {
            return Err(LoginError::NoPasswords);
        }
        // A name that cannot be one is nobody's: PostgreSQL would not even look for it.
        let person = credentials.user.parse::<Name>().ok().map(|name| self.store.local(name.as_str()));
        let (entrance, attempt) = match self.attempt(&credentials.user, person.as_ref(), browser).await? {
            Attempt::Known(attempt) => (&self.known, attempt),
            Attempt::Stranger(attempt) => (&self.strangers, attempt),
        };
        let permit = entrance.enter().await?;
        self.begin(&attempt).await?;
        let member = self.recognise(permit, person.as_ref(), credentials.password).await?;
        let code = credentials.totp.filter(|code| !code.trim().is_empty());
        if let Some(code) = &code {
            self.second_factor(&member, code).await?;
        }
        let session = random::secret()?;
        let mut tx = self.store.write().await?;
        tx.attempt_succeeded(&attempt).await?;
        tx.start_session(&session, &member, PASSWORD, code.is_some()).await?;
        let browser = tx.remember_browser(&member.person, browser).await?;
        tx.commit().await?;
        Ok(Entered { session, browser })
    }

    /// What a guess counts as. Whoever guesses elsewhere keeps nobody from their own browser. Names that nobody has
    /// count like others.
    async fn attempt(
        &self,
        user: &str,
        person: Option<&Person>,
        browser: Option<&str>,
    ) -> Result<Attempt, StoreError> {
        Ok(match (person, browser) {
            (Some(person), Some(browser)) if self.store.knows_browser(person, browser).await? => {
                Attempt::Known(format!("browser {browser} {user}"))
            }
            _ => Attempt::Stranger(format!("password {user}")),
        })
    }

    /// Proves the second factor within a session.
    pub(crate) async fn step_up(&self, session: &Session, code: &str) -> Result<(), LoginError> {
        self.second_factor(&session.member, code).await?;
        let mut tx = self.store.write().await?;
        tx.step_up(&session.secret).await?;
        Ok(tx.commit().await?)
    }

    /// The session with that secret, if its account still exists, is the same, and has the password and the
    /// second factor that it was begun with.
    pub(crate) async fn session(&self, secret: &str) -> Result<Option<Session>, StoreError> {
        self.session_of(secret, By::Person).await
    }

    /// The same, where it may be a page that asks by itself.
    pub(crate) async fn session_of(&self, secret: &str, by: By) -> Result<Option<Session>, StoreError> {
        let Some(row) = self.store.session(secret, by).await? else { return Ok(None) };
        let member = self.store.member(&row.person).await?;
        let same = |member: &Member| {
            member.created <= row.created_at && member.credentials().to_string() == row.credentials
        };
        let Some(member) = member.filter(same) else {
            return Ok(None);
        };
        let otp = row.otp_at.filter(|at| row.now - at < OTP_LASTS).map(|_| OTP.to_owned());
        let amr = std::iter::once(row.method).chain(otp).collect();
        Ok(Some(Session { secret: secret.into(), member, amr, scopes: None, expires_at: row.expires_at }))
    }

    /// Whether somebody who is logged in still is; to ask is no sign that they are there.
    pub(crate) async fn goes_on(&self, session: &Session) -> Result<bool, StoreError> {
        let session = match &session.scopes {
            Some(_) => self.by_token(&session.secret).await?,
            None => self.session_of(&session.secret, By::Page).await?,
        };
        Ok(session.is_some())
    }

    /// Whom the API token with that secret speaks for. It proves nothing but that somebody has it.
    pub(crate) async fn by_token(&self, secret: &str) -> Result<Option<Session>, StoreError> {
        let Some(token) = self.store.token(secret).await? else { return Ok(None) };
        let Some(member) = self.store.member(&token.person).await? else { return Ok(None) };
        let (secret, amr) = (secret.to_owned(), vec!["api_token".to_owned()]);
        Ok(Some(Session { secret, member, amr, scopes: Some(token.scopes), expires_at: token.expires_at }))
    }

    /// The account of that person, where the password is theirs.
    async fn recognise(
        &self,
        permit: OwnedSemaphorePermit,
        person: Option<&Person>,
        password: String,
    ) -> Result<Member, LoginError> {
        let member = match person {
            Some(person) => self.store.member(person).await?,
            None => None,
        };
        let hash = member.as_ref().and_then(|member| member.password.clone());
        let right = verify(permit, password, hash).await;
        member.filter(|_| right).ok_or(LoginError::Wrong)
    }

    async fn begin(&self, attempt: &str) -> Result<(), LoginError> {
        self.store.begin_attempt(attempt).await?.map_err(|wait| LoginError::Locked { wait })
    }

    /// Uses a code up. Failures count on their own: a right password must not buy new guesses at the code.
    async fn second_factor(&self, member: &Member, code: &str) -> Result<(), LoginError> {
        let attempt = format!("code {} {}", member.person.issuer, member.person.subject);
        self.begin(&attempt).await?;
        let secret = member.totp.as_ref().and_then(|factor| Totp::parse(&factor.secret).ok());
        let mut tx = self.store.write().await?;
        let step = secret.and_then(|totp| totp.step_of(code, tx.now)).ok_or(LoginError::Wrong)?;
        if !tx.use_step(&member.person, step).await? {
            return Err(LoginError::Wrong);
        }
        tx.attempt_succeeded(&attempt).await?;
        Ok(tx.commit().await?)
    }
}

/// Checks a password. The permit goes along, because a hash under way goes on when its caller hangs up.
async fn verify(permit: OwnedSemaphorePermit, password: String, hash: Option<String>) -> bool {
    let check = move || {
        let right = password::verify(&password, hash.as_deref());
        drop(permit);
        right
    };
    tokio::task::spawn_blocking(check).await.unwrap_or(false)
}
