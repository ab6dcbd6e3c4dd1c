//! What is secret, as the user says it.

use std::collections::BTreeSet;

use super::json::Step;

/// Header fields that are always secret, besides those whose name ends as in [`NAMES`].
const HEADERS: [&str; 6] =
    ["authorization", "cookie", "proxy-authorization", "set-cookie", "x-auth-key", "x-vault-unseal-key"];

/// Ends of names of header fields, parameters, form fields and JSON members that are secret, word by word: `user[password]`,
/// `newPassword` and `new-password` end with `password`.
const NAMES: [&str; 20] = [
    "api_key",
    "apikey",
    "client_assertion",
    "code_verifier",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "password_confirmation",
    "password_hash",
    "private_key",
    "pwd",
    "saml_response",
    "samlresponse",
    "secret",
    "secret_key",
    "sig",
    "signature",
    "token",
    "access_key",
];

/// Parameters and form fields that are secret where that is their whole name (RFC 6749, RFC 7521): as a member of JSON the
/// same words mean much else.
const PARAMETERS: [&str; 2] = ["assertion", "code"];

/// What to do with a body in which secrets cannot be looked for: one that is cut short, has a content encoding, or is
/// no JSON although it says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unreadable {
    /// The entry is refused.
    #[default]
    Refuse,
    /// The body is taken out; the entry says that it has none, and cannot be replayed as if it were whole.
    TakeOut,
}

/// What is secret.
#[derive(Debug, Clone)]
pub struct Secrets {
    headers: BTreeSet<String>,
    /// Each as its words without what separates them.
    names: BTreeSet<String>,
    pointers: Vec<Vec<String>>,
    pub(super) unreadable: Unreadable,
}

impl Default for Secrets {
    /// The usual header fields (`authorization`, `cookie`, `x-api-key` …) and names (`password`, `token` …).
    fn default() -> Self {
        let headers = HEADERS.map(str::to_owned).into();
        let names = NAMES.map(|name| words(name).concat()).into();
        Self { headers, names, pointers: Vec::new(), unreadable: Unreadable::default() }
    }
}

impl Secrets {
    /// A header field or trailer of this name is secret too.
    #[must_use]
    pub fn header(mut self, name: &str) -> Self {
        self.headers.insert(name.trim().to_ascii_lowercase());
        self
    }

    /// A header field, query parameter, form field or JSON member whose name ends with these words, anywhere, is secret
    /// too.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.names.insert(words(name).concat());
        self
    }

    /// The value at this JSON pointer (RFC 6901) of a body is secret too, with all that is in it. `*` stands for every
    /// member or element.
    ///
    /// # Errors
    /// When it is no JSON pointer: the error says what one is.
    pub fn pointer(mut self, pointer: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{pointer}` is no JSON pointer: begin with `/`, write `~0` for `~` and `~1` for `/`");
        let tokens = || pointer.strip_prefix('/')?.split('/').map(unescape).collect();
        let steps: Option<Vec<String>> = if pointer.is_empty() { Some(Vec::new()) } else { tokens() };
        self.pointers.push(steps.ok_or_else(wrong)?);
        Ok(self)
    }

    /// What to do with a body in which secrets cannot be looked for.
    #[must_use]
    pub fn unreadable(mut self, unreadable: Unreadable) -> Self {
        self.unreadable = unreadable;
        self
    }

    pub(super) fn is_header(&self, name: &str) -> bool {
        self.headers.contains(&name.to_ascii_lowercase()) || self.is_name(name)
    }

    /// Whether a parameter of a URL or a form is secret by its name.
    pub(super) fn is_parameter(&self, name: &str) -> bool {
        PARAMETERS.iter().any(|whole| name.eq_ignore_ascii_case(whole)) || self.is_name(name)
    }

    /// Whether a name ends with words that make it secret.
    pub(super) fn is_name(&self, name: &str) -> bool {
        let words = words(name);
        let mut end = String::new();
        words.iter().rev().take(MOST_WORDS).any(|word| {
            end.insert_str(0, word);
            self.names.contains(&end)
        })
    }

    /// A secret's name in `text` with a value after it (`password: x`, `password=x`, `<password>x`), where nobody can tell
    /// how far the value goes.
    pub(super) fn named_in<'a>(&self, text: &'a str) -> Option<&'a str> {
        let part = |character: char| character.is_alphanumeric() || "_-.[]".contains(character);
        let mut rest = text;
        while let Some(start) = rest.find(part) {
            let (word, after) = split_at(rest.get(start..)?, |character| !part(character));
            let is_given =
                after.trim_start_matches(['"', '\'', '\\', ' ', '\t']).starts_with([':', '=', '>']);
            if is_given && word.len() <= LONGEST_NAME && self.is_name(word) {
                return Some(word);
            }
            rest = after;
        }
        None
    }

    /// Whether the value at `path` is secret, or lies in one that is.
    pub(super) fn is_at(&self, path: &[Step]) -> bool {
        let named = path.iter().any(|step| matches!(step, Step::Member(name) if self.is_name(name)));
        let fits = |step: &Step, token: &String| match step {
            _ if token == "*" => true,
            Step::Member(name) => name == token,
            Step::Element(at) => at.to_string() == *token,
        };
        let holds = |pointer: &Vec<String>| {
            pointer.len() <= path.len() && path.iter().zip(pointer).all(|(step, token)| fits(step, token))
        };
        named || self.pointers.iter().any(holds)
    }
}

/// The most words that are looked at, from the end of a name, and its most bytes.
const MOST_WORDS: usize = 4;
const LONGEST_NAME: usize = 256;

/// The words of a name in lower case: `newApi_key[]` is `new`, `api`, `key`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for character in name.chars() {
        let ends = !character.is_alphanumeric() || (after_lower && character.is_uppercase());
        if ends && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        after_lower = character.is_lowercase() || character.is_numeric();
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn split_at(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(end).unwrap_or(text.len())).unwrap_or((text, ""))
}

fn unescape(token: &str) -> Option<String> {
    let escapes = token.split('~').skip(1);
    let known = escapes.into_iter().all(|after| after.starts_with(['0', '1']));
    known.then(|| token.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_secret_by_their_last_words() {
        let secrets = Secrets::default().name("card-number");
        for name in [
            "password",
            "Password",
            "new_password",
            "newPassword",
            "user[password]",
            "user[token][]",
            "X-Amz-Signature",
            "client_secret",
            "clientSecret",
            "apiKey",
            "x-api-key",
            "x-xsrf-token",
            "PRIVATE-TOKEN",
            "refresh.token",
            "cardNumber",
            "my card number",
            "SAMLResponse",
        ] {
            assert!(secrets.is_name(name), "{name}");
        }
        for name in [
            "",
            "tokens",
            "token_type",
            "max_tokens",
            "passwords",
            "secretary",
            "code",
            "number",
            "[]",
            "key",
        ] {
            assert!(!secrets.is_name(name), "{name}");
        }
        assert!(secrets.is_parameter("code") && !secrets.is_parameter("country_code"));
        assert_eq!(secrets.named_in("<user><newPassword>x</newPassword></user>"), Some("newPassword"));
        assert_eq!(secrets.named_in(r#"login(user: "a", password : "b")"#), Some("password"));
        assert_eq!(secrets.named_in("the password, the token and no more: x"), None);
    }

    #[test]
    fn pointers_select_values_and_all_in_them() {
        let secrets = Secrets::default().pointer("/card").unwrap().pointer("/a~1b/*/~0c").unwrap();
        let path = |steps: &[&str]| -> Vec<Step> {
            let step =
                |step: &&str| step.parse().map_or_else(|_| Step::Member((*step).into()), Step::Element);
            steps.iter().map(step).collect()
        };
        for (steps, secret) in [
            (&["card"][..], true),
            (&["card", "number", "0"], true),
            (&["cards"], false),
            (&["a/b", "3", "~c"], true),
            (&["a/b", "x", "~c", "d"], true),
            (&["a/b", "3"], false),
            (&["deep", "0", "Password"], true),
            (&[], false),
        ] {
            assert_eq!(secrets.is_at(&path(steps)), secret, "{steps:?}");
        }
        for wrong in ["card", "/a~2", "/a~"] {
            assert!(Secrets::default().pointer(wrong).is_err(), "{wrong}");
        }
        assert!(Secrets::default().pointer("").unwrap().is_at(&path(&["anything"])));
    }
}
