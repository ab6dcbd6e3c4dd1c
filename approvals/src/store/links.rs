//! Who somebody is in a chat: a click there is theirs only if they have said so here.

use countersign_protocol::UnixMillis;
use countersign_protocol::person::Person;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;

use super::ceremonies::Purpose;
use super::tokens::VOUCHED_FOR;
use super::{Store, StoreError, Tx};
use crate::people::Member;

/// The only kind of chat whose clicks are taken.
const SLACK: &str = "slack";

/// Somebody as a chat knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChatUser {
    /// The app that says so: whoever has the secret of another one can sign what they like, for its own links only.
    pub(crate) app: String,
    /// The workspace that the account is of.
    pub(crate) team: String,
    pub(crate) id: String,
    /// What the chat calls them: untrusted text, and no proof.
    pub(crate) name: String,
}

impl ChatUser {
    /// The kind of chat that a link is for.
    fn kind(&self) -> String {
        format!("{SLACK}:{}", self.app)
    }
}

/// A link that somebody has made.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Link {
    pub(crate) team: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) linked_at: UnixMillis,
}

impl Store {
    /// Who that is here, for as long as the provider that logs them in has vouched for them lately.
    pub(crate) async fn linked(&self, user: &ChatUser) -> Result<Option<Member>, StoreError> {
        let query = sqlx::query_as(
            "SELECT links.issuer, links.subject FROM links CROSS JOIN clock JOIN accounts
                 ON accounts.issuer = links.issuer AND accounts.subject = links.subject
             WHERE kind = $1 AND team = $2 AND id = $3 AND (password IS NOT NULL OR login_at > now - $4)",
        );
        let query = query.bind(user.kind()).bind(&user.team).bind(&user.id).bind(VOUCHED_FOR);
        let found: Option<(String, String)> = query.fetch_optional(&self.reader).await?;
        match found {
            Some((issuer, subject)) => self.member(&Person { issuer, subject }).await,
            None => Ok(None),
        }
    }

    /// The links of an account.
    pub(crate) async fn links_of(&self, person: &Person) -> Result<Vec<Link>, StoreError> {
        let query = sqlx::query_as(
            "SELECT team, id, max(name) AS name, min(linked_at) AS linked_at FROM links
                 WHERE issuer = $1 AND subject = $2 GROUP BY team, id ORDER BY min(linked_at)",
        );
        Ok(query.bind(&person.issuer).bind(&person.subject).fetch_all(&self.reader).await?)
    }

    /// Begins to link: whoever is logged in and has `secret` may end it, once.
    pub(crate) async fn begin_link(&self, secret: &str, user: &ChatUser) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.begin_ceremony(Purpose::Link, secret, None, user).await?;
        tx.commit().await
    }

    /// Links whom the ceremony names; `None` when it is over. Who was linked to another account is so no more.
    pub(crate) async fn link(&self, secret: &str, member: &Member) -> Result<Option<ChatUser>, StoreError> {
        let mut tx = self.write().await?;
        let user: Option<ChatUser> = tx.end_ceremony(Purpose::Link, secret).await?;
        if let Some(user) = &user {
            tx.keep_link(user, &member.person).await?;
        }
        tx.commit().await?;
        Ok(user)
    }

    /// Ends a link of an account, for all apps.
    pub(crate) async fn unlink(&self, person: &Person, team: &str, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let gone =
            sqlx::query("DELETE FROM links WHERE team = $1 AND id = $2 AND issuer = $3 AND subject = $4");
        let gone = gone.bind(team).bind(id).bind(&person.issuer).bind(&person.subject);
        let gone = gone.execute(&mut *tx.inner).await?.rows_affected() > 0;
        if gone {
            let detail = json!({ "person": person, "chat": SLACK, "team": team, "id": id });
            tx.note("chat_unlinked", Some(person), detail).await?;
        }
        tx.commit().await?;
        Ok(gone)
    }

    /// Whether a click is new; from then on it is not.
    pub(crate) async fn take_click(&self, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let new = sqlx::query("INSERT INTO clicks (id, at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING");
        let new = new.bind(id).bind(tx.now).execute(&mut *tx.inner).await?.rows_affected() == 1;
        tx.commit().await?;
        Ok(new)
    }
}

impl Tx<'_> {
    /// Takes all chats from an account that is not the same any more.
    pub(super) async fn remove_links(&mut self, person: &Person) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM links WHERE issuer = $1 AND subject = $2")
            .bind(&person.issuer)
            .bind(&person.subject)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    async fn keep_link(&mut self, user: &ChatUser, person: &Person) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO links (kind, team, id, name, issuer, subject, linked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (kind, team, id) DO UPDATE SET name = excluded.name, issuer = excluded.issuer,
                 subject = excluded.subject, linked_at = excluded.linked_at",
        )
        .bind(user.kind())
        .bind(&user.team)
        .bind(&user.id)
        .bind(&user.name)
        .bind(&person.issuer)
        .bind(&person.subject)
        .bind(self.now)
        .execute(&mut *self.inner)
        .await?;
        let detail = json!({ "person": person, "chat": SLACK, "team": user.team, "id": user.id });
        self.note("chat_linked", Some(person), detail).await
    }
}
