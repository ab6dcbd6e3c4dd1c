//! Browsers that somebody has logged in with before, known by a secret that each holds: guesses of others must not lock
//! people out (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").

use countersign_protocol::UnixMillis;
use countersign_protocol::person::Person;

use super::sessions::hashed;
use super::{Store, StoreError, Tx};
use crate::random;

/// How long a browser is known that nobody logs in with, milliseconds.
pub(crate) const LASTS: UnixMillis = 90 * 24 * 60 * 60 * 1000;
/// The most browsers of one account: above, those used longest ago go.
const MOST: i64 = 20;

impl Store {
    /// Whether that person has logged in with the browser that holds `secret`.
    pub(crate) async fn knows_browser(&self, person: &Person, secret: &str) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT count(*) FROM browsers, clock
             WHERE id = $1 AND issuer = $2 AND subject = $3 AND used_at > now - $4",
        );
        let query = query.bind(hashed(secret)).bind(&person.issuer).bind(&person.subject).bind(LASTS);
        let count: i64 = query.fetch_one(&self.reader).await?;
        Ok(count > 0)
    }
}

impl Tx<'_> {
    /// Remembers a browser that somebody logs in with; returns what it has to hold. One that was of somebody else, or
    /// of nobody, gets another secret: whoever had it before knows the old one.
    pub(crate) async fn remember_browser(
        &mut self,
        person: &Person,
        held: Option<&str>,
    ) -> Result<String, StoreError> {
        if let Some(held) = held {
            let query = sqlx::query(
                "UPDATE browsers SET used_at = $1 WHERE id = $2 AND issuer = $3 AND subject = $4",
            );
            let query = query.bind(self.now).bind(hashed(held)).bind(&person.issuer).bind(&person.subject);
            if query.execute(&mut *self.inner).await?.rows_affected() == 1 {
                return Ok(held.to_owned());
            }
        }
        let secret = random::secret()?;
        sqlx::query("INSERT INTO browsers (id, issuer, subject, used_at) VALUES ($1, $2, $3, $4)")
            .bind(hashed(&secret))
            .bind(&person.issuer)
            .bind(&person.subject)
            .bind(self.now)
            .execute(&mut *self.inner)
            .await?;
        self.keep_few_browsers(person).await?;
        Ok(secret)
    }

    async fn keep_few_browsers(&mut self, person: &Person) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM browsers WHERE issuer = $1 AND subject = $2 AND id NOT IN
                 (SELECT id FROM browsers WHERE issuer = $1 AND subject = $2 ORDER BY used_at DESC, id LIMIT $3)",
        )
        .bind(&person.issuer)
        .bind(&person.subject)
        .bind(MOST)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Forgets all browsers of an account.
    pub(super) async fn forget_browsers(&mut self, person: &Person) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM browsers WHERE issuer = $1 AND subject = $2")
            .bind(&person.issuer)
            .bind(&person.subject)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}
