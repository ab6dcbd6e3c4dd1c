//! Passwords: Argon2id hashes in PHC string format.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

/// A password that cannot be hashed, or is too short to protect anything.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Too short.
    #[error("a password has at least 12 characters")]
    Short,
    /// The hash function refuses it.
    #[error("cannot hash the password: {0}")]
    Hash(argon2::password_hash::Error),
}

/// Hashes a new password.
pub(crate) fn hash(password: &str) -> Result<String, Unusable> {
    if password.chars().count() < 12 {
        return Err(Unusable::Short);
    }
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(Unusable::Hash)?;
    Ok(hash.to_string())
}

/// A hash of nothing anybody knows, with the parameters of [`hash`]: what a guess at an unknown account is
/// compared with, so that it takes as long as one at a known account.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$Y291bnRlcnNpZ25ub2JvZHk$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether `password` belongs to `hash`; takes as long, and says no, when there is no hash.
pub(crate) fn verify(password: &str, hash: Option<&str>) -> bool {
    let matches = |phc: &str| {
        PasswordHash::new(phc)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    };
    matches(hash.unwrap_or(NOBODY)) && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_is_right() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(verify("correct horse battery", Some(&stored)));
        assert!(!verify("correct horse batterz", Some(&stored)));
        assert!(!verify("correct horse battery", None));
        assert!(!verify("correct horse battery", Some("no hash")));
    }

    #[test]
    fn an_unknown_account_costs_a_whole_hash() {
        assert!(PasswordHash::new(NOBODY).is_ok());
        let parameters = |phc: &str| phc.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(NOBODY), parameters(&hash("correct horse battery").unwrap()));
    }
}
