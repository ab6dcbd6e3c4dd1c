//! The users file: accounts, their password hashes and second factors, and the groups that they are in.

use std::path::Path;

use countersign_protocol::grant::{Answer, Membership};
use countersign_protocol::person::{GroupId, Person};
use countersign_protocol::{Hash, Token, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::auth::password;
use crate::auth::totp::{self, Totp};
use crate::files::{self, FileError};
use crate::random;

/// Members see every request, may close any, and read the evidence.
pub(crate) const ADMINS: &str = "admins";
/// Members see every request and read the evidence.
pub(crate) const AUDITORS: &str = "auditors";

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Users {
    pub(crate) users: Vec<User>,
}

/// One account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    /// What the person logs in with, and their subject in grants. It never changes and is never given to
    /// somebody else.
    pub(crate) subject: String,
    /// What to call them on a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// When the account was made.
    pub(crate) created: UnixMillis,
    /// Argon2id, in PHC string format.
    pub(crate) password: String,
    /// The secret of the second factor, base32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) totp: Option<String>,
    /// Where they belong.
    #[serde(default)]
    pub(crate) groups: Vec<Place>,
}

/// A group that somebody is in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The group's id; its issuer is the users file's.
    pub(crate) id: String,
    /// Since when.
    pub(crate) since: UnixMillis,
}

/// An account together with the issuer that keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) issuer: String,
    pub(crate) user: User,
}

impl Member {
    /// Who this is.
    pub(crate) fn person(&self) -> Person {
        Person { issuer: self.issuer.clone(), subject: self.user.subject.clone() }
    }

    /// What to call them on a page.
    pub(crate) fn display_name(&self) -> &str {
        self.user.name.as_deref().unwrap_or(&self.user.subject)
    }

    /// Whether they are in the group `id` of this issuer.
    pub(crate) fn is_in(&self, group: &GroupId) -> bool {
        group.issuer == self.issuer && self.user.groups.iter().any(|place| place.id == group.id)
    }

    /// Whether they are in one of the groups that run the service itself.
    pub(crate) fn runs(&self, groups: &[&str]) -> bool {
        self.user.groups.iter().any(|place| groups.contains(&place.id.as_str()))
    }

    /// What they log in with, as one hash: sessions end when it changes.
    pub(crate) fn credentials(&self) -> Hash {
        let password = Hash::of(self.user.password.as_bytes());
        Hash::of(format!("{password} {}", self.user.totp.as_deref().unwrap_or_default()).as_bytes())
    }

    /// Their yes, as a grant would carry it.
    pub(crate) fn answer(&self, id: Token, at: UnixMillis, amr: Vec<String>) -> Answer {
        let group = |id: &String| GroupId { issuer: self.issuer.clone(), id: id.clone() };
        let membership = |place: &Place| Membership { group: group(&place.id), since: place.since };
        let groups = self.user.groups.iter().map(membership).collect();
        Answer {
            id,
            person: self.person(),
            at,
            account_since: self.user.created,
            groups,
            amr,
            break_glass: None,
        }
    }
}

/// An account to be made.
#[derive(Debug, Default)]
pub struct NewUser {
    /// What the person logs in with.
    pub subject: String,
    /// What to call them on a page.
    pub name: Option<String>,
    /// Ids of the groups that they belong to.
    pub groups: Vec<String>,
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

/// Why an account cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum AddUserError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system has no randomness to make a password from.
    #[error("cannot make a secret: {0}")]
    Random(#[from] getrandom::Error),
    /// The name is taken.
    #[error("there is a user `{0}` already")]
    Taken(String),
    /// The name cannot be one.
    #[error("`{0}` is no user name: 1 to 64 letters, digits or any of `. _ @ -`")]
    BadName(String),
    /// The second factor's secret cannot be used.
    #[error(transparent)]
    Totp(#[from] totp::BadSecret),
    /// The password cannot be used.
    #[error(transparent)]
    Password(#[from] password::Unusable),
}

/// Adds an account, as old as `now`, to the file at `path`.
pub(crate) fn add(path: &Path, new: NewUser, now: UnixMillis) -> Result<Login, AddUserError> {
    let mut file = if path.exists() { files::read(path)? } else { Users::default() };
    let subject = checked_name(&new.subject)?;
    if file.users.iter().any(|user| user.subject == subject) {
        return Err(AddUserError::Taken(subject));
    }
    let password = new.password.map_or_else(|| random::token().map(|token| token.to_string()), Ok)?;
    let totp = match &new.totp {
        Some(secret) => Totp::parse(secret)?,
        None => Totp::generate()?,
    };
    file.users.push(User {
        subject: subject.clone(),
        name: new.name,
        created: now,
        password: password::hash(&password)?,
        totp: Some(totp.base32()),
        groups: new.groups.into_iter().map(|id| Place { id, since: now }).collect(),
    });
    files::write(path, &file)?;
    let otpauth = totp.otpauth(&subject)?;
    Ok(Login { user: subject, password, totp: totp.base32(), otpauth })
}

fn checked_name(name: &str) -> Result<String, AddUserError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        return Err(AddUserError::BadName(name.into()));
    }
    Ok(name.into())
}
