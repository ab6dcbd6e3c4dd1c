//! People whom the provider logs in: their accounts are made when they first come, and their groups are those of
//! its claim.

use std::collections::BTreeSet;

use countersign_protocol::person::{GroupId, Person};

use super::accounts::Source;
use super::{StoreError, Tx};
use crate::people::Member;

/// Somebody whom the provider has just logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) person: Person,
    /// What to call them on a page.
    pub(crate) name: Option<String>,
    /// Their groups, the provider's and those of the service that follow from them.
    pub(crate) groups: BTreeSet<GroupId>,
}

/// What a log-in at the provider changed about an account.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    pub(crate) joined: Vec<GroupId>,
    pub(crate) left: Vec<GroupId>,
}

impl Tx<'_> {
    /// The account of a visitor, made where there is none, in exactly the groups that they have now; where an
    /// administrator has put them stays as it is. Nothing for somebody whose account was removed.
    pub(crate) async fn receive(
        &mut self,
        visitor: &Visitor,
    ) -> Result<Option<(Member, Differences)>, StoreError> {
        if self.was_removed(&visitor.person).await? {
            return Ok(None);
        }
        sqlx::query(
            "INSERT INTO accounts (issuer, subject, name, created_at, login_at) VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (issuer, subject) DO UPDATE SET name = excluded.name, login_at = excluded.login_at",
        )
        .bind(&visitor.person.issuer)
        .bind(&visitor.person.subject)
        .bind(&visitor.name)
        .bind(self.now)
        .execute(&mut *self.inner)
        .await?;
        let mut differences = Differences::default();
        for group in self.claimed(&visitor.person).await? {
            if !visitor.groups.contains(&group) {
                self.leave_group(&visitor.person, &group).await?;
                differences.left.push(group);
            }
        }
        for group in &visitor.groups {
            if self.join_group(&visitor.person, group, Source::Claim).await? {
                differences.joined.push(group.clone());
            }
        }
        Ok(self.member(&visitor.person).await?.map(|member| (member, differences)))
    }

    /// The groups that somebody is in because the provider said so.
    async fn claimed(&mut self, person: &Person) -> Result<Vec<GroupId>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT group_issuer, group_id FROM memberships
             WHERE issuer = $1 AND subject = $2 AND source = 'claim' ORDER BY group_issuer, group_id",
        )
        .bind(&person.issuer)
        .bind(&person.subject)
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows.into_iter().map(|(issuer, id)| GroupId { issuer, id }).collect())
    }
}
