//! Where to go on to after a log-in: a path of this service, whatever anybody has written into a link.

/// A path of this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next(String);

impl Default for Next {
    fn default() -> Self {
        Self("/inbox".into())
    }
}

impl std::fmt::Display for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Next {
    /// A path of pages; the inbox where it is none. No browser reads another host out of letters, digits, `-`, `_`
    /// and single slashes.
    pub(super) fn parse(path: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
        let good =
            path.starts_with('/') && !path.contains("//") && path.len() <= 200 && path.chars().all(plain);
        let back = path.starts_with("/login") || path.starts_with("/logout");
        if good && !back && path != "/" { Self(path.into()) } else { Self::default() }
    }

    /// The page that has the form which is sent there; whoever is no longer logged in goes back to it.
    pub(super) fn with_form(path: &str) -> Self {
        let mut parts = path.split('/').skip(1);
        match (parts.next(), parts.next(), parts.next()) {
            (Some("inbox"), Some(ticket), Some(_)) => Self::parse(&format!("/inbox/{ticket}")),
            (Some("inbox"), Some("channels"), None) => Self::parse(path),
            (Some("account"), ..) => Self("/account".into()),
            _ => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_pages_are_gone_on_to() {
        for path in ["/inbox/0123456789abcdef0123456789abcdef", "/account", "/inbox"] {
            assert_eq!(Next::parse(path).to_string(), path);
        }
        let foreign = [
            "",
            "/",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/inbox//x",
            "/login",
            "/logout",
            "/inbox?x=1",
            "/in box",
            "/%2f%2fevil.example",
            "/inbox\r\nset-cookie: a=b",
            "javascript:alert(1)",
            "/inbox/../..//x",
            "/@evil.example",
            "/.evil.example",
        ];
        for path in foreign {
            assert_eq!(Next::parse(path), Next::default(), "{path}");
        }
        assert_eq!(Next::parse(&format!("/{}", "a".repeat(200))), Next::default());
    }

    #[test]
    fn whoever_sends_a_form_goes_back_to_its_page() {
        for (form, page) in [
            ("/inbox/0123456789abcdef0123456789abcdef/answer", "/inbox/0123456789abcdef0123456789abcdef"),
            ("/inbox/reject", "/inbox"),
            ("/inbox/channels", "/inbox/channels"),
            ("/account/passkeys/remove", "/account"),
            ("/logout", "/inbox"),
            ("/inbox/@evil/answer", "/inbox"),
        ] {
            assert_eq!(Next::with_form(form).to_string(), page, "{form}");
        }
    }
}
