//! What waits since an earlier version is rendered again: an answer names what this version shows.

use countersign_protocol::Token;
use countersign_protocol::request::Question;
use countersign_view::{VERSION, View};
use sqlx::Row as _;

use super::lists::searched;
use super::tickets::{json, outline, parsed};
use super::{Store, StoreError};

/// How many are rendered before others may write.
const AT_ONCE: i64 = 100;

impl Store {
    /// Renders all that is pending and was rendered by another version.
    pub(super) async fn render_again(&self) -> Result<(), StoreError> {
        while self.render_some().await? == AT_ONCE {}
        Ok(())
    }

    /// How many it were, [`AT_ONCE`] at most.
    async fn render_some(&self) -> Result<i64, StoreError> {
        let mut tx = self.write().await?;
        let old = sqlx::query(
            "SELECT id, question FROM tickets WHERE state = 'pending' AND rendering <> $1 ORDER BY id LIMIT $2",
        );
        let old = old.bind(i64::from(VERSION)).bind(AT_ONCE).fetch_all(&mut *tx.inner).await?;
        for row in &old {
            let (id, raw): (Token, String) = (parsed(row, "id")?, row.try_get("question")?);
            let question: Question = json(row, "question")?;
            sqlx::query(
                "UPDATE tickets SET shown = $1, rendering = $2, outline = $3, search = $4 WHERE id = $5",
            )
            .bind(View::of(&question, raw.as_bytes()).hash().to_string())
            .bind(i64::from(VERSION))
            .bind(outline(&question)?)
            // PostgreSQL keeps no U+0000, which earlier versions looked for in fewer places.
            .bind(searched(&question).replace('\0', ""))
            .bind(id.to_string())
            .execute(&mut *tx.inner)
            .await?;
        }
        tx.commit().await?;
        Ok(i64::try_from(old.len()).unwrap_or(i64::MAX))
    }
}
