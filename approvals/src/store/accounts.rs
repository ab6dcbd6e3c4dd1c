//! Accounts and the groups that they are in.

use std::collections::{BTreeMap, BTreeSet};

use countersign_protocol::grant::Membership;
use countersign_protocol::person::{GroupId, Person};
use countersign_protocol::{Hash, UnixMillis};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, FromRow as _, Row as _};

use super::{Store, StoreError, Tx, values};
use crate::people::{ADMINS, AUDITORS, Factor, Member, Prepared, Role};

/// The most members of one group to look at when it is asked whether a group can reach its quorum: more are as
/// good as all.
const MOST_MEMBERS: i64 = 1000;

/// Who says that somebody is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// An administrator.
    Admin,
    /// The provider that logs them in.
    Claim,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Claim => "claim",
        }
    }
}

/// How many accounts one query reads: databases take only so many parameters.
const AT_ONCE: usize = 1000;

struct Account(Member);

impl sqlx::FromRow<'_, AnyRow> for Account {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let totp: Option<String> = row.try_get("totp")?;
        let since: Option<UnixMillis> = row.try_get("totp_since")?;
        Ok(Self(Member {
            person: Person { issuer: row.try_get("issuer")?, subject: row.try_get("subject")? },
            name: row.try_get("name")?,
            created: row.try_get("created_at")?,
            password: row.try_get("password")?,
            passkey_since: row.try_get("passkey_since")?,
            totp: totp.zip(since).map(|(secret, since)| Factor { secret, since }),
            groups: Vec::new(),
            roles: BTreeSet::new(),
        }))
    }
}

/// The account of that person.
pub(super) async fn member(
    db: &mut AnyConnection,
    local: &str,
    person: &Person,
) -> Result<Option<Member>, StoreError> {
    Ok(members(db, local, &BTreeSet::from([person.clone()])).await?.remove(person))
}

/// The accounts of these people, of those who have one.
pub(super) async fn members(
    db: &mut AnyConnection,
    local: &str,
    people: &BTreeSet<Person>,
) -> Result<BTreeMap<Person, Member>, StoreError> {
    if people.is_empty() {
        return Ok(BTreeMap::new());
    }
    let these = format!("(issuer, subject) IN (VALUES {})", values(people.len(), 2));
    let sql = format!("SELECT * FROM members WHERE {these}");
    let mut query = sqlx::query_as(AssertSqlSafe(sql));
    for Person { issuer, subject } in people {
        query = query.bind(issuer).bind(subject);
    }
    let accounts: Vec<Account> = query.fetch_all(&mut *db).await?;
    let mut members: BTreeMap<_, _> =
        accounts.into_iter().map(|Account(member)| (member.person.clone(), member)).collect();
    let sql = format!(
        "SELECT issuer, subject, group_issuer, group_id, since FROM memberships WHERE {these}
         ORDER BY group_issuer, group_id"
    );
    let mut query = sqlx::query_as(AssertSqlSafe(sql));
    for Person { issuer, subject } in people {
        query = query.bind(issuer).bind(subject);
    }
    let places: Vec<(String, String, String, String, UnixMillis)> = query.fetch_all(&mut *db).await?;
    for (issuer, subject, group, id, since) in places {
        let Some(member) = members.get_mut(&Person { issuer, subject }) else { continue };
        member.groups.push(Membership { group: GroupId { issuer: group, id }, since });
    }
    for member in members.values_mut() {
        member.roles = roles(local, &member.groups);
    }
    Ok(members)
}

fn roles(local: &str, groups: &[Membership]) -> BTreeSet<Role> {
    let role = |id: &str| match id {
        ADMINS => Some(Role::Admin),
        AUDITORS => Some(Role::Auditor),
        _ => None,
    };
    let own = groups.iter().filter(|place| place.group.issuer == local);
    own.filter_map(|place| role(&place.group.id)).collect()
}

impl Store {
    /// The account of that person.
    pub(crate) async fn member(&self, person: &Person) -> Result<Option<Member>, StoreError> {
        member(&mut *self.reader.acquire().await?, &self.issuer, person).await
    }

    /// A local account's person.
    pub(crate) fn local(&self, subject: &str) -> Person {
        Person { issuer: self.issuer.clone(), subject: subject.into() }
    }

    /// What to call people on a page, where there is a name.
    pub(crate) async fn names(
        &self,
        people: BTreeSet<Person>,
    ) -> Result<BTreeMap<Person, String>, StoreError> {
        let mut db = self.reader.acquire().await?;
        let members = members(&mut db, &self.issuer, &people).await?;
        let named = |(person, member): (Person, Member)| Some((person, member.name?));
        Ok(members.into_iter().filter_map(named).collect())
    }

    /// All accounts, in order.
    pub(crate) async fn members(&self) -> Result<Vec<Member>, StoreError> {
        let mut db = self.reader.acquire().await?;
        let people: Vec<(String, String)> =
            sqlx::query_as("SELECT issuer, subject FROM accounts ORDER BY issuer, subject")
                .fetch_all(&mut *db)
                .await?;
        let mut all = Vec::with_capacity(people.len());
        for some in people.chunks(AT_ONCE) {
            let some = some.iter().cloned().map(|(issuer, subject)| Person { issuer, subject });
            all.extend(members(&mut db, &self.issuer, &some.collect()).await?.into_values());
        }
        Ok(all)
    }
}

impl Tx<'_> {
    /// The account of that person.
    pub(crate) async fn member(&mut self, person: &Person) -> Result<Option<Member>, StoreError> {
        member(&mut self.inner, &self.store.issuer, person).await
    }

    /// Who is in at least one of these groups, each with their places in them.
    pub(crate) async fn members_of(&mut self, groups: &BTreeSet<GroupId>) -> Result<Vec<Member>, StoreError> {
        let mut members: BTreeMap<Person, Member> = BTreeMap::new();
        for group in groups {
            let rows = sqlx::query(
                "SELECT members.*, since FROM memberships JOIN members
                     ON members.issuer = memberships.issuer AND members.subject = memberships.subject
                 WHERE group_issuer = $1 AND group_id = $2
                 ORDER BY members.issuer, members.subject LIMIT $3",
            )
            .bind(&group.issuer)
            .bind(&group.id)
            .bind(MOST_MEMBERS)
            .fetch_all(&mut *self.inner)
            .await?;
            for row in &rows {
                let Account(member) = Account::from_row(row)?;
                let place = Membership { group: group.clone(), since: row.try_get("since")? };
                members.entry(member.person.clone()).or_insert(member).groups.push(place);
            }
        }
        Ok(members.into_values().collect())
    }

    /// Whether there is any account at all.
    pub(crate) async fn has_accounts(&mut self) -> Result<bool, StoreError> {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM accounts").fetch_one(&mut *self.inner).await?;
        Ok(count > 0)
    }

    /// Adds a local account; `false` when the name is taken.
    pub(crate) async fn add_account(&mut self, new: &Prepared) -> Result<bool, StoreError> {
        let person = self.store.local(&new.login.user);
        let added = sqlx::query(
            "INSERT INTO accounts (issuer, subject, name, created_at, password, totp, totp_since)
             VALUES ($1, $2, $3, $4, $5, $6, $4) ON CONFLICT DO NOTHING",
        )
        .bind(&person.issuer)
        .bind(&person.subject)
        .bind(&new.name)
        .bind(self.now)
        .bind(&new.hash)
        .bind(&new.login.totp)
        .execute(&mut *self.inner)
        .await?;
        for id in &new.groups {
            let group = GroupId { issuer: person.issuer.clone(), id: id.to_string() };
            self.join_group(&person, &group, Source::Admin).await?;
        }
        Ok(added.rows_affected() == 1)
    }

    /// From now on they are in the group, if they were not before.
    pub(crate) async fn join_group(
        &mut self,
        person: &Person,
        group: &GroupId,
        source: Source,
    ) -> Result<bool, StoreError> {
        let joined = sqlx::query(
            "INSERT INTO memberships (issuer, subject, group_issuer, group_id, since, source)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(&person.issuer)
        .bind(&person.subject)
        .bind(&group.issuer)
        .bind(&group.id)
        .bind(self.now)
        .bind(source.name())
        .execute(&mut *self.inner)
        .await?;
        Ok(joined.rows_affected() == 1)
    }

    /// From now on they are not in the group.
    pub(crate) async fn leave_group(&mut self, person: &Person, group: &GroupId) -> Result<bool, StoreError> {
        let left = sqlx::query(
            "DELETE FROM memberships
             WHERE issuer = $1 AND subject = $2 AND group_issuer = $3 AND group_id = $4",
        )
        .bind(&person.issuer)
        .bind(&person.subject)
        .bind(&group.issuer)
        .bind(&group.id)
        .execute(&mut *self.inner)
        .await?;
        Ok(left.rows_affected() == 1)
    }

    /// Removes an account with its places, sessions, factors and tokens; what it answered stays. A provider's person does
    /// not get another by logging in there.
    pub(crate) async fn remove_account(&mut self, person: &Person) -> Result<bool, StoreError> {
        if person.issuer != self.store.issuer {
            sqlx::query(
                "INSERT INTO removed (issuer, subject, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(&person.issuer)
            .bind(&person.subject)
            .bind(self.now)
            .execute(&mut *self.inner)
            .await?;
        }
        let removed = sqlx::query("DELETE FROM accounts WHERE issuer = $1 AND subject = $2")
            .bind(&person.issuer)
            .bind(&person.subject)
            .execute(&mut *self.inner)
            .await?;
        self.sessions_ended();
        Ok(removed.rows_affected() == 1)
    }

    /// Has a provider's person log in again whose account was removed; `false` when nobody of that name was.
    pub(crate) async fn admit(&mut self, person: &Person) -> Result<bool, StoreError> {
        let admitted = sqlx::query("DELETE FROM removed WHERE issuer = $1 AND subject = $2")
            .bind(&person.issuer)
            .bind(&person.subject)
            .execute(&mut *self.inner)
            .await?;
        Ok(admitted.rows_affected() == 1)
    }

    /// Whether somebody's account was removed.
    pub(super) async fn was_removed(&mut self, person: &Person) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar("SELECT count(*) FROM removed WHERE issuer = $1 AND subject = $2");
        let count: i64 = query.bind(&person.issuer).bind(&person.subject).fetch_one(&mut *self.inner).await?;
        Ok(count > 0)
    }

    /// Gives a local account another password and second factor. It is a new account from then on, whoever made it
    /// so: it approves nothing that was asked before, and sessions, tokens, passkeys and links of the old one are gone.
    pub(crate) async fn reset_account(&mut self, new: &Prepared) -> Result<bool, StoreError> {
        let person = self.store.local(&new.login.user);
        let reset = sqlx::query(
            "UPDATE accounts SET password = $1, totp = $2, totp_since = $3, created_at = $3
             WHERE issuer = $4 AND subject = $5",
        )
        .bind(&new.hash)
        .bind(&new.login.totp)
        .bind(self.now)
        .bind(&person.issuer)
        .bind(&person.subject)
        .execute(&mut *self.inner)
        .await?;
        self.remove_passkeys(&person).await?;
        self.remove_links(&person).await?;
        self.forget_browsers(&person).await?;
        self.end_tokens(&person).await?;
        self.sessions_ended();
        Ok(reset.rows_affected() == 1)
    }
}

/// The person of two columns, where both have something.
pub(super) fn both(issuer: Option<String>, subject: Option<String>) -> Option<Person> {
    let (issuer, subject) = issuer.zip(subject)?;
    Some(Person { issuer, subject })
}

/// How a person is named where one column must do.
pub(super) fn key(person: &Person) -> String {
    Hash::of(format!("{}\n{}", person.issuer, person.subject).as_bytes()).to_string()
}
