//! What is secret, as the user says it.

use std::collections::BTreeSet;

use super::json::Step;

/// Header fields that are always secret.
const HEADERS: [&str; 8] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
];

/// Names of parameters, form fields and JSON members that are secret unless others are named.
const NAMES: [&str; 17] = [
    "access_token",
    "api_key",
    "apikey",
    "client_assertion",
    "client_secret",
    "code_verifier",
    "id_token",
    "passwd",
    "password",
    "refresh_token",
    "secret",
    "sig",
    "signature",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
];

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
    names: BTreeSet<String>,
    pointers: Vec<Vec<String>>,
    pub(super) unreadable: Unreadable,
}

impl Default for Secrets {
    /// The usual header fields (`authorization`, `cookie`, `x-api-key` …) and names (`password`, `token` …).
    fn default() -> Self {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (headers, names) = (all(&HEADERS), all(&NAMES));
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

    /// A query parameter, form field or JSON member of this name, anywhere, is secret too.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.names.insert(name.to_ascii_lowercase());
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
        self.headers.contains(&name.to_ascii_lowercase())
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        self.names.contains(&name.to_ascii_lowercase())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
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

fn unescape(token: &str) -> Option<String> {
    let escapes = token.split('~').skip(1);
    let known = escapes.into_iter().all(|after| after.starts_with(['0', '1']));
    known.then(|| token.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
