//! What a provider says of somebody: the claims that are read, and what is made of those that are not as they
//! should be.

use std::collections::BTreeSet;

use openidconnect::core::CoreGenderClaim;
use openidconnect::{AdditionalClaims, IdTokenClaims, UserInfoClaims};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::OidcError;

/// The longest subject, bytes (OpenID Connect Core 1.0, section 2).
const LONGEST_SUBJECT: usize = 255;
/// The longest id of a group, bytes.
const LONGEST_GROUP: usize = 256;
/// The most groups of one person.
const MOST_GROUPS: usize = 1000;
/// The longest name, characters.
const LONGEST_NAME: usize = 100;

/// Claims of any name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Extra(Map<String, Value>);

impl AdditionalClaims for Extra {}

impl Extra {
    /// All claims of an ID token, those with a meaning of their own too.
    pub(super) fn of(claims: &IdTokenClaims<Self, CoreGenderClaim>) -> Self {
        Self::read(serde_json::to_value(claims))
    }

    pub(super) fn of_user_info(claims: &UserInfoClaims<Self, CoreGenderClaim>) -> Self {
        Self::read(serde_json::to_value(claims))
    }

    fn read(claims: Result<Value, serde_json::Error>) -> Self {
        match claims {
            Ok(Value::Object(claims)) => Self(claims),
            _ => Self::default(),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Adds claims that are not there; what is signed stays.
    pub(super) fn fill(&mut self, others: Self) {
        for (name, value) in others.0 {
            self.0.entry(name).or_insert(value);
        }
    }

    /// A claim that is a text, cut to what a page can show.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = self.0.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.chars().take(LONGEST_NAME).collect())
    }

    /// A claim that is a list of texts; where it is none, no groups at all.
    pub(super) fn groups(&self, name: &str, subject: &str) -> BTreeSet<String> {
        match self.list(name) {
            Ok(groups) => groups,
            Err(why) => {
                tracing::warn!(claim = name, subject, "no groups of the provider: {why}");
                BTreeSet::new()
            }
        }
    }

    fn list(&self, name: &str) -> Result<BTreeSet<String>, &'static str> {
        let list = self.0.get(name).ok_or("the claim is absent")?;
        let list = list.as_array().ok_or("the claim is not a list")?;
        if list.len() > MOST_GROUPS {
            return Err("the claim has more than 1,000 members");
        }
        let one = |value: &Value| {
            value.as_str().filter(|id| !id.is_empty() && id.len() <= LONGEST_GROUP).map(str::to_owned)
        };
        list.iter().map(one).collect::<Option<_>>().ok_or("a member is not a text of 1 to 256 bytes")
    }
}

/// A subject that can be one.
pub(super) fn subject(subject: &str) -> Result<String, OidcError> {
    let fits = !subject.is_empty() && subject.len() <= LONGEST_SUBJECT && !subject.contains(char::is_control);
    let good = fits.then(|| subject.to_owned());
    good.ok_or_else(|| OidcError::Untrusted("the subject has no or more than 255 bytes".into()))
}

/// An error code of OAuth as it may be shown: anybody can write anything into an address.
pub(crate) fn word(code: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    let good = !code.is_empty() && code.len() <= 40 && code.chars().all(plain);
    if good { code.to_owned() } else { "it does not say why".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_a_list_of_texts_or_nothing() {
        let groups = |claims: Value| Extra::read(Ok(claims)).list("groups");
        let two = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(groups(serde_json::json!({ "groups": ["b", "a", "b"] })), Ok(two));
        let bad = [
            serde_json::json!({}),
            serde_json::json!({ "groups": "a" }),
            serde_json::json!({ "groups": ["a", 1] }),
            serde_json::json!({ "groups": [""] }),
            serde_json::json!({ "groups": { "a": true } }),
            serde_json::json!({ "groups": vec!["a"; 1001] }),
        ];
        for claims in bad {
            assert!(groups(claims.clone()).is_err(), "{claims}");
        }
    }

    #[test]
    fn an_error_is_one_plain_word() {
        assert_eq!(word("access_denied"), "access_denied");
        for code in ["", "<b>", "Access denied", &"a".repeat(41)] {
            assert_eq!(word(code), "it does not say why");
        }
    }
}
