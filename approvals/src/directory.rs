//! Who is known: people from the users file, gateways from the gateways file, both read again when changed.

pub(crate) mod gateways;
pub(crate) mod users;

use std::path::PathBuf;
use std::sync::Arc;

use countersign_protocol::person::Person;

use crate::files::{FileError, Watched};
use gateways::{Gateway, Gateways};
use users::{Member, Users};

/// All people and gateways, as the files say at the moment of asking.
pub(crate) struct Directory {
    issuer: String,
    users: Watched<Users>,
    gateways: Watched<Gateways>,
}

impl Directory {
    pub(crate) fn new(issuer: &str, users: PathBuf, gateways: PathBuf) -> Self {
        Self { issuer: issuer.into(), users: Watched::new(users), gateways: Watched::new(gateways) }
    }

    /// The account of that subject.
    pub(crate) fn member(&self, subject: &str) -> Result<Option<Member>, FileError> {
        Ok(self.everybody()?.into_iter().find(|member| member.user.subject == subject))
    }

    /// All accounts.
    pub(crate) fn everybody(&self) -> Result<Vec<Member>, FileError> {
        let users = self.users.get()?;
        let member = |user: &users::User| Member { issuer: self.issuer.clone(), user: user.clone() };
        Ok(users.users.iter().map(member).collect())
    }

    /// What to call a person on a page: the display name where there is one.
    pub(crate) fn display_name(&self, person: &Person) -> Option<String> {
        let known = self.member(&person.subject).ok().flatten();
        known.filter(|member| member.issuer == person.issuer).and_then(|member| member.user.name)
    }

    /// The gateway that this token belongs to.
    pub(crate) fn gateway(&self, token: &str) -> Result<Option<Arc<Gateway>>, FileError> {
        Ok(self.gateways.get()?.find(token))
    }
}
