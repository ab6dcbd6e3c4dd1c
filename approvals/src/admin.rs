//! Accounts, groups and gateways as administrators and the command line change them; each change is written down.

use countersign_protocol::UnixMillis;
use countersign_protocol::grant::Membership;
use countersign_protocol::person::{GroupId, Person};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::app::{App, OpenError};
use crate::people::{ADMINS, BadUser, Login, Member, Name, NewUser};
use crate::random;
use crate::store::accounts::Source;
use crate::store::gateways::Credential;
use crate::store::{StoreError, Tx};

/// Why a change cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error(transparent)]
    Bad(#[from] BadUser),
    #[error("there is {0} already")]
    Taken(String),
    #[error("there is no {0}")]
    Unknown(String),
    #[error("a token has at least 32 characters")]
    ShortToken,
    #[error("the last administrator cannot go: make another one first")]
    LastAdmin,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a gateway is to prove itself with.
#[derive(Debug, Clone)]
pub enum GatewayProof {
    /// A token; a random one when absent.
    Token(Option<String>),
    /// A certificate with this URI or DNS name, by the authority that the service trusts for gateways.
    Certificate(String),
}

/// What changes about somebody and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupChange {
    /// They are in it from now on.
    Join,
    /// They are not in it any more.
    Leave,
}

/// An account as it is listed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    person: Person,
    name: Option<String>,
    created_at: UnixMillis,
    groups: Vec<Membership>,
    /// Whether they log in with a password here.
    password: bool,
    /// Whether they have one-time codes.
    totp: bool,
}

impl Account {
    pub(crate) fn of(member: Member) -> Self {
        let Member { person, name, created, groups, password, totp, .. } = member;
        Self { person, name, created_at: created, groups, password: password.is_some(), totp: totp.is_some() }
    }
}

impl App {
    /// Makes an administrator and a gateway for the audience `default` where there are none at all: how to log in,
    /// and the gateway's token.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn first_run(&self) -> Result<(Option<Login>, Option<String>), OpenError> {
        // Made before, because a hash takes long.
        let (admins, admin) = (ADMINS.parse()?, "admin".parse()?);
        let admin = NewUser { groups: vec![admins], ..NewUser::named(admin) };
        let (admin, token) = (admin.prepare().map_err(AdminError::from)?, random::secret()?);
        let mut tx = self.store.write().await?;
        let first = !tx.has_accounts().await?;
        if first {
            tx.add_account(&admin).await?;
            tx.note("user_added", None, json!({ "user": "admin", "groups": [ADMINS] })).await?;
        }
        let gateway = !tx.has_gateways().await?;
        if gateway {
            tx.add_gateway("default", "default", &Credential::Token(&token)).await?;
            tx.note("gateway_added", None, json!({ "gateway": "default", "audience": "default" })).await?;
        }
        tx.commit().await?;
        Ok((first.then_some(admin.login), gateway.then_some(token)))
    }

    /// Adds an account; it may approve what is asked from now on.
    ///
    /// # Errors
    /// When name, password or secret cannot be used, or the database cannot be written.
    pub async fn add_user(&self, new: NewUser) -> Result<Login, OpenError> {
        Ok(self.make_user(new, None).await?)
    }

    /// Gives an account a new password and a new second factor; its sessions end.
    ///
    /// # Errors
    /// When there is no such account, or the database cannot be written.
    pub async fn reset_user(&self, subject: &Name) -> Result<Login, OpenError> {
        Ok(self.renew_user(subject, None).await?)
    }

    /// Adds a gateway and returns its token, where it has one.
    ///
    /// # Errors
    /// When name or token cannot be used, or the database cannot be written.
    pub async fn add_gateway(
        &self,
        name: &Name,
        audience: &str,
        proof: GatewayProof,
    ) -> Result<Option<String>, OpenError> {
        Ok(self.make_gateway(name, audience, proof, None).await?)
    }

    /// Removes an account; `of` is who keeps it, this service when absent.
    ///
    /// # Errors
    /// When there is none, it is the last administrator's, or the database cannot be written.
    pub async fn forget_user(&self, subject: &str, of: Option<&str>) -> Result<(), OpenError> {
        Ok(self.remove_user(&self.named(subject, of), None).await?)
    }

    /// Has a provider's person log in again whose account was removed.
    ///
    /// # Errors
    /// When nobody of that name was removed, or the database cannot be written.
    pub async fn admit_user(&self, subject: &str, of: &str) -> Result<(), OpenError> {
        let person = self.named(subject, Some(of));
        let mut tx = self.store.write().await?;
        if !tx.admit(&person).await? {
            return Err(AdminError::Unknown(format!("removed user `{subject}` of `{of}`")).into());
        }
        tx.note("user_admitted", None, json!({ "person": person })).await?;
        Ok(tx.commit().await?)
    }

    /// Puts somebody into one of the service's own groups, or takes them out.
    ///
    /// # Errors
    /// When there is no such account, the group's name cannot be one, or the database cannot be written.
    pub async fn place_user(
        &self,
        subject: &str,
        of: Option<&str>,
        group: &Name,
        change: GroupChange,
    ) -> Result<(), OpenError> {
        Ok(self.change_group(&self.named(subject, of), group, change, None).await?)
    }

    /// Removes a gateway.
    ///
    /// # Errors
    /// When there is none of that name, or the database cannot be written.
    pub async fn forget_gateway(&self, name: &str) -> Result<(), OpenError> {
        Ok(self.remove_gateway(name, None).await?)
    }

    /// All accounts, as `GET /v1/users` lists them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_users(&self) -> Result<Vec<Value>, OpenError> {
        Ok(self.store.members().await?.into_iter().map(|member| json!(Account::of(member))).collect())
    }

    /// All gateways, as `GET /v1/gateways` lists them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_gateways(&self) -> Result<Vec<Value>, OpenError> {
        Ok(self.store.gateways().await?.iter().map(|gateway| json!(gateway)).collect())
    }

    fn named(&self, subject: &str, of: Option<&str>) -> Person {
        of.map_or_else(
            || self.store.local(subject),
            |issuer| Person { issuer: issuer.into(), subject: subject.into() },
        )
    }

    pub(crate) async fn make_user(&self, new: NewUser, by: Option<&Person>) -> Result<Login, AdminError> {
        let new = hashed(new).await?;
        let mut tx = self.store.write().await?;
        if !tx.add_account(&new).await? {
            return Err(AdminError::Taken(format!("a user `{}`", new.login.user)));
        }
        tx.note("user_added", by, json!({ "user": new.login.user, "groups": new.groups })).await?;
        tx.commit().await?;
        Ok(new.login)
    }

    pub(crate) async fn renew_user(&self, subject: &Name, by: Option<&Person>) -> Result<Login, AdminError> {
        let new = hashed(NewUser::named(subject.clone())).await?;
        let mut tx = self.store.write().await?;
        if !tx.reset_account(&new).await? {
            return Err(AdminError::Unknown(format!("user `{subject}`")));
        }
        tx.note("user_reset", by, json!({ "user": subject })).await?;
        tx.commit().await?;
        Ok(new.login)
    }

    /// Removes an account for good, a provider's until it is admitted again; its sessions and tokens end, its approvals that wait for others count no more.
    pub(crate) async fn remove_user(&self, person: &Person, by: Option<&Person>) -> Result<(), AdminError> {
        let mut tx = self.store.write().await?;
        let before = self.has_admins(&mut tx).await?;
        if !tx.remove_account(person).await? {
            return Err(AdminError::Unknown(format!("user `{}`", person.subject)));
        }
        self.keep_an_admin(&mut tx, before).await?;
        tx.note("user_removed", by, json!({ "person": person })).await?;
        Ok(tx.commit().await?)
    }

    /// Puts somebody into a group of the service's own, or takes them out.
    pub(crate) async fn change_group(
        &self,
        person: &Person,
        group: &Name,
        change: GroupChange,
        by: Option<&Person>,
    ) -> Result<(), AdminError> {
        let group = GroupId { issuer: self.signer.issuer().into(), id: group.to_string() };
        let mut tx = self.store.write().await?;
        if tx.member(person).await?.is_none() {
            return Err(AdminError::Unknown(format!("user `{}`", person.subject)));
        }
        let before = self.has_admins(&mut tx).await?;
        let (changed, event) = match change {
            GroupChange::Join => (tx.join_group(person, &group, Source::Admin).await?, "group_joined"),
            GroupChange::Leave => (tx.leave_group(person, &group).await?, "group_left"),
        };
        self.keep_an_admin(&mut tx, before).await?;
        if changed {
            tx.note(event, by, json!({ "person": person, "group": group.id })).await?;
        }
        Ok(tx.commit().await?)
    }

    pub(crate) async fn make_gateway(
        &self,
        name: &Name,
        audience: &str,
        proof: GatewayProof,
        by: Option<&Person>,
    ) -> Result<Option<String>, AdminError> {
        match proof {
            GatewayProof::Token(Some(token)) if token.len() < 32 => Err(AdminError::ShortToken),
            GatewayProof::Token(token) => {
                let token = token.map_or_else(random::secret, Ok).map_err(StoreError::from)?;
                self.keep_gateway(name, audience, &Credential::Token(&token), by).await?;
                Ok(Some(token))
            }
            GatewayProof::Certificate(of) => {
                self.keep_gateway(name, audience, &Credential::Certificate(&of), by).await?;
                Ok(None)
            }
        }
    }

    async fn keep_gateway(
        &self,
        name: &Name,
        audience: &str,
        credential: &Credential<'_>,
        by: Option<&Person>,
    ) -> Result<(), AdminError> {
        let mut tx = self.store.write().await?;
        if !tx.add_gateway(name.as_str(), audience, credential).await? {
            return Err(AdminError::Taken(format!("a gateway `{name}`, or one with the same credential,")));
        }
        tx.note("gateway_added", by, json!({ "gateway": name, "audience": audience })).await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn remove_gateway(&self, name: &str, by: Option<&Person>) -> Result<(), AdminError> {
        let mut tx = self.store.write().await?;
        if !tx.remove_gateway(name).await? {
            return Err(AdminError::Unknown(format!("gateway `{name}`")));
        }
        tx.note("gateway_removed", by, json!({ "gateway": name })).await?;
        Ok(tx.commit().await?)
    }

    async fn has_admins(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        let admins = GroupId { issuer: self.signer.issuer().into(), id: ADMINS.into() };
        Ok(!tx.members_of(&[admins].into()).await?.is_empty())
    }

    /// Nobody could bring an administrator back but who has the machine.
    async fn keep_an_admin(&self, tx: &mut Tx<'_>, before: bool) -> Result<(), AdminError> {
        if before && !self.has_admins(tx).await? { Err(AdminError::LastAdmin) } else { Ok(()) }
    }
}

/// A hash takes a while, and would keep others from being served.
async fn hashed(new: NewUser) -> Result<crate::people::Prepared, AdminError> {
    let prepared = tokio::task::spawn_blocking(|| new.prepare()).await;
    Ok(prepared.map_err(StoreError::from)??)
}
