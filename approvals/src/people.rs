//! Who is known: accounts, the groups that they are in, and the roles that run the service itself.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use countersign_protocol::grant::{Answer, Membership};
use countersign_protocol::person::{GroupId, Person};
use countersign_protocol::{Hash, Token, UnixMillis};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::password;
use crate::auth::totp::{self, Totp};
use crate::random;

/// The group, of the service's own issuer, whose members are [`Role::Admin`].
pub(crate) const ADMINS: &str = "admins";
/// The group, of the service's own issuer, whose members are [`Role::Auditor`].
pub(crate) const AUDITORS: &str = "auditors";

/// Whoever gave a one-time code (RFC 8176).
pub(crate) const OTP: &str = "otp";
/// Whoever proved a passkey (RFC 8176).
pub(crate) const PASSKEY: &str = "hwk";

/// What somebody may do here beside answering for their groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ServiceRole)]
pub(crate) enum Role {
    /// Sees every request and the evidence, may close any request, manages accounts and gateways.
    Admin,
    /// Sees every request and the evidence, changes nothing.
    Auditor,
}

/// A second factor that somebody has, and since when: one that is younger than a request does not count for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Factor {
    /// The secret, base32.
    pub(crate) secret: String,
    pub(crate) since: UnixMillis,
}

/// An account as it is now.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Who this is. The subject never changes and is never given to somebody else.
    pub(crate) person: Person,
    /// What to call them on a page.
    pub(crate) name: Option<String>,
    /// Since when the account exists.
    pub(crate) created: UnixMillis,
    /// Argon2id, in PHC string format; none where another provider logs them in.
    pub(crate) password: Option<String>,
    /// One-time codes.
    pub(crate) totp: Option<Factor>,
    /// Since when they have a passkey.
    pub(crate) passkey_since: Option<UnixMillis>,
    /// The groups that they are in.
    pub(crate) groups: Vec<Membership>,
    pub(crate) roles: BTreeSet<Role>,
}

impl Member {
    /// What to call them on a page.
    pub(crate) fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.person.subject)
    }

    /// Whether they are in that group.
    pub(crate) fn is_in(&self, group: &GroupId) -> bool {
        self.groups.iter().any(|place| place.group == *group)
    }

    /// Whether they have one of these roles.
    pub(crate) fn has(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.roles.contains(role))
    }

    /// What they log in with, as one hash: sessions end when it changes.
    pub(crate) fn credentials(&self) -> Hash {
        let password = Hash::of(self.password.as_deref().unwrap_or_default().as_bytes());
        let totp = self.totp.as_ref().map_or("", |factor| &factor.secret);
        Hash::of(format!("{password} {totp}").as_bytes())
    }

    /// Whether their one-time codes count for what was asked then.
    pub(crate) fn has_codes(&self, asked_at: UnixMillis) -> bool {
        self.totp.as_ref().is_some_and(|factor| factor.since <= asked_at)
    }

    /// Whether they have a passkey that counts for what was asked then.
    pub(crate) fn has_passkey(&self, asked_at: UnixMillis) -> bool {
        self.passkey_since.is_some_and(|since| since <= asked_at)
    }

    /// How they proved who they are, without what they proved with something that is younger than the request.
    pub(crate) fn amr_for(&self, amr: &[String], asked_at: UnixMillis) -> Vec<String> {
        amr.iter().filter(|method| *method != OTP || self.has_codes(asked_at)).cloned().collect()
    }

    /// The second factors that they could prove for what was asked then.
    pub(crate) fn factors_for(&self, asked_at: UnixMillis) -> Vec<String> {
        let has = [(OTP, self.has_codes(asked_at)), (PASSKEY, self.has_passkey(asked_at))];
        has.into_iter().filter(|(_, has)| *has).map(|(method, _)| method.to_owned()).collect()
    }

    /// Their yes, as a grant would carry it.
    pub(crate) fn answer(&self, id: Token, at: UnixMillis, amr: Vec<String>) -> Answer {
        Answer {
            id,
            person: self.person.clone(),
            at,
            account_since: self.created,
            groups: self.groups.clone(),
            amr,
            break_glass: None,
        }
    }
}

/// An account to be made.
#[derive(Debug)]
pub struct NewUser {
    /// What the person logs in with.
    pub subject: Name,
    /// What to call them on a page.
    pub name: Option<String>,
    /// Ids of the service's own groups that they belong to.
    pub groups: Vec<Name>,
    /// Their password; a random one when absent.
    pub password: Option<String>,
    /// The base32 secret of their second factor; a random one when absent.
    pub totp: Option<String>,
}

/// How to log in to an account that was just made. Nothing keeps the password.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
    /// The base32 secret of the second factor.
    pub totp: String,
    /// The same as an `otpauth` address for an authenticator app.
    pub otpauth: String,
}

/// Why an account cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BadUser {
    /// The operating system has no randomness to make a password from.
    #[error("cannot make a secret: {0}")]
    Random(#[from] getrandom::Error),
    /// The second factor's secret cannot be used.
    #[error(transparent)]
    Totp(#[from] totp::BadSecret),
    /// The password cannot be used.
    #[error(transparent)]
    Password(#[from] password::Unusable),
}

/// A local account with all that the database keeps of it.
pub(crate) struct Prepared {
    pub(crate) login: Login,
    pub(crate) name: Option<String>,
    pub(crate) groups: Vec<Name>,
    /// The password's hash.
    pub(crate) hash: String,
}

impl NewUser {
    /// Somebody with nothing but a name: all else is made.
    #[must_use]
    pub fn named(subject: Name) -> Self {
        Self { subject, name: None, groups: Vec::new(), password: None, totp: None }
    }

    /// Checks it, and makes what is not given.
    pub(crate) fn prepare(self) -> Result<Prepared, BadUser> {
        let user = self.subject.0;
        let password = self.password.map_or_else(|| random::token().map(|token| token.to_string()), Ok)?;
        let totp = match &self.totp {
            Some(secret) => Totp::parse(secret)?,
            None => Totp::generate()?,
        };
        let otpauth = totp.otpauth(&user)?;
        let hash = password::hash(&password)?;
        let login = Login { user, password, totp: totp.base32(), otpauth };
        Ok(Prepared { login, name: self.name, groups: self.groups, hash })
    }
}

/// A name that local people, groups and gateways may have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(pattern = "^[A-Za-z0-9._@-]{1,64}$")]
pub struct Name(String);

/// A name that cannot be one.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no name: 1 to 64 letters, digits or any of `. _ @ -`")]
pub struct BadName(String);

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(name: String) -> Result<Self, BadName> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
        let good = !name.is_empty() && name.len() <= 64 && name.chars().all(fits);
        if good { Ok(Self(name)) } else { Err(BadName(name)) }
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        name.to_owned().try_into()
    }
}

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
