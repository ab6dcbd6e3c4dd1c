//! The names of the rules, so that an operator can relax one and evidence can say which.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::denial::{Denial, Reason};

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What could be read in two ways. Relaxed, it stays in the reading as it is written.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[$doc])* $variant,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name by which configuration relaxes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

rules! {
    /// `.` or `..` as a path segment, encoded or not: some resolve it, some do not.
    DotSegments = "dot-segments",
    /// `%2f` or `%5c` in the path: some decode it before they split.
    EncodedSeparators = "encoded-separators",
    /// An escape that decodes to another escape, `%2541`.
    DoubleEncoding = "double-encoding",
    /// `%` that two hexadecimal digits do not follow.
    InvalidEscapes = "invalid-escapes",
    /// `//` in the path: some merge slashes.
    EmptySegments = "empty-segments",
    /// `#` in the path: some cut there.
    Fragments = "fragments",
    /// `\` in the path: some take it for `/`.
    Backslashes = "backslashes",
    /// `;` in the path: some cut the segment there.
    PathParameters = "path-parameters",
    /// Bytes that RFC 3986 does not allow, in `:path` or in a form that policy reads: spaces, controls, anything
    /// beyond ASCII.
    RawBytes = "raw-bytes",
    /// Escapes for control characters, `%00` first of all.
    ControlCharacters = "control-characters",
    /// A path that has another route in another case of ASCII letters, or with a `/` more or less at its end: some servers
    /// take both for one.
    PathSpelling = "path-spelling",
    /// Text that policy reads and that is not UTF-8.
    NotUtf8 = "not-utf8",
    /// `;` in a query or form that policy reads: some split there.
    QuerySemicolons = "query-semicolons",
    /// `+` in a query value that policy reads: some decode a space. Relaxed, it is a space.
    QueryPlus = "query-plus",
    /// Names in a query or form that are one that policy reads in another case, or with `[…]`: some frameworks take them for
    /// it.
    QueryKeyCase = "query-key-case",
    /// Two fields of a header that has one value. Relaxed, policy reads the first.
    RepeatedHeaders = "repeated-headers",
    /// A comma in a header that has one value: it may be two fields, joined on the way.
    JoinedHeaders = "joined-headers",
    /// Names that differ only in `_` and `-`: gateways to CGI take them for the same.
    HeaderTwins = "header-twins",
    /// A name that is no token (RFC 9110 section 5.6.2).
    HeaderNames = "header-names",
    /// `connection` naming other headers, `te` beyond `trailers`, odd or doubled message framing.
    HopByHop = "hop-by-hop",
    /// Headers, and a query parameter `_method`, by which some upstreams take another method than `:method`.
    MethodOverride = "method-override",
    /// Headers by which some upstreams take another path than `:path`.
    PathOverride = "path-override",
    /// Headers by which some upstreams take another host than `:authority`, where they name one.
    HostOverride = "host-override",
    /// Trailers that would mean something as headers.
    Trailers = "trailers",
    /// A gate applies, and the request wants to switch to another protocol.
    Upgrades = "upgrades",
    /// An object in JSON with the same key twice. Relaxed, the last counts.
    JsonDuplicateKeys = "json-duplicate-keys",
    /// Keys in JSON that differ only in case: some parsers fold it.
    JsonKeyCase = "json-key-case",
    /// A URI in a message of MCP that is not in the one spelling to which all bring it: some compare it as it is, some
    /// normalise it.
    UriSpelling = "uri-spelling",
    /// `:method`, `:scheme`, `:authority` or `:path` that is missing, there twice or none; a `host` that differs; `CONNECT`.
    PseudoHeaders = "pseudo-headers",
    /// A `content-type` that names no media type, or a parameter of one twice, or splits in two ways.
    MediaTypes = "media-types",
    /// A `charset` other than UTF-8 of a body that policy reads.
    Charsets = "charsets",
    /// A `content-encoding` of a body that policy reads.
    ContentEncodings = "content-encodings",
    /// A parameter of a query or form that is there more than once, where policy reads one value.
    RepeatedParameters = "repeated-parameters",
    /// A multipart body that two parsers could split or name differently (RFC 7578, RFC 2046 section 5.1).
    MultipartParts = "multipart-parts",
    /// A field of a gRPC message that two parsers could read differently: there twice, with another of its `oneof`, not
    /// UTF-8, or a number beyond its type.
    MessageFields = "message-fields",
}

impl Rule {
    /// Whether it holds always: without it there would be nothing that policy could read.
    #[must_use]
    pub const fn is_fixed(self) -> bool {
        matches!(
            self,
            Self::PseudoHeaders
                | Self::MediaTypes
                | Self::Charsets
                | Self::ContentEncodings
                | Self::RepeatedParameters
                | Self::MultipartParts
                | Self::MessageFields
        )
    }
}

impl Rule {
    /// The denial when it is broken `at` some place.
    pub(crate) fn broken(self, at: impl fmt::Display) -> Denial {
        Denial { rule: Some(self), ..Denial::new(Reason::Ambiguous, format!("{}: {at}", self.name())) }
    }

    /// Refuses unless the rule is relaxed.
    pub(crate) fn refuse_if(
        self,
        broken: bool,
        relaxed: &Relaxed,
        at: impl fmt::Display,
    ) -> Result<(), Denial> {
        if broken && !relaxed.has(self) { Err(self.broken(at)) } else { Ok(()) }
    }
}

/// As a parser that folds case would see a name: `ſ` and `K` (Kelvin) fold too, as they do in Go.
pub(crate) fn fold(name: &str) -> String {
    folded(name).collect()
}

/// Whether two names fold to one. Looks no further than where they differ, so that many names cost little.
pub(crate) fn folds_to(name: &str, other: &str) -> bool {
    folded(name).eq(folded(other))
}

/// Letter by letter, so that a sigma is one wherever it stands.
fn folded(name: &str) -> impl Iterator<Item = char> {
    let rest = |c: char| c.to_uppercase().flat_map(char::to_lowercase);
    name.chars().flat_map(move |c| {
        let (plain, rest) =
            if c.is_ascii() { (Some(c.to_ascii_lowercase()), None) } else { (None, Some(rest(c))) };
        plain.into_iter().chain(rest.into_iter().flatten())
    })
}

/// Whether some framework takes one folded name for the other: to many, `name[]` is a list and `name[key]` a map; PHP
/// drops blanks in front and takes `_` for `.`, for blanks and for a `[` that is not closed.
pub(crate) fn is_taken_for(name: &str, wanted: &str) -> bool {
    let own = name.trim_start_matches(' ');
    let base = own.split('[').next().unwrap_or(own);
    is_same_to_some(own, wanted) || is_same_to_some(base, wanted)
}

fn is_same_to_some(name: &str, wanted: &str) -> bool {
    let mangled = |byte: u8| if b". [".contains(&byte) { b'_' } else { byte };
    name.len() == wanted.len() && name.bytes().map(mangled).eq(wanted.bytes().map(mangled))
}

/// Why a name is no rule that can be relaxed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRelaxable {
    /// No rule has it.
    #[error("unknown rule `{0}` in `relax`: the rules that can be relaxed are {names}", names = rule_names())]
    Unknown(String),
    /// The rule always holds.
    #[error("the rule `{0}` in `relax` always holds: the rules that can be relaxed are {names}", names = rule_names())]
    Fixed(&'static str),
}

fn rule_names() -> String {
    let rules = Rule::ALL.iter().filter(|rule| !rule.is_fixed());
    rules.map(|rule| format!("`{}`", rule.name())).collect::<Vec<_>>().join(", ")
}

/// The rules that the operator switched off. As JSON: a list of names; an unknown name is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Relaxed(BTreeSet<Rule>);

impl Relaxed {
    /// Whether `rule` is switched off.
    #[must_use]
    pub fn has(&self, rule: Rule) -> bool {
        self.0.contains(&rule)
    }

    /// The names of the rules, in their fixed order, for the evidence.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().map(|rule| rule.name())
    }
}

impl FromIterator<Rule> for Relaxed {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

impl TryFrom<Vec<String>> for Relaxed {
    type Error = NotRelaxable;

    fn try_from(names: Vec<String>) -> Result<Self, NotRelaxable> {
        let find = |name: String| {
            let rule = Rule::ALL.iter().copied().find(|rule| rule.name() == name);
            match rule {
                None => Err(NotRelaxable::Unknown(name)),
                Some(rule) if rule.is_fixed() => Err(NotRelaxable::Fixed(rule.name())),
                Some(rule) => Ok(rule),
            }
        };
        names.into_iter().map(find).collect()
    }
}

impl From<Relaxed> for Vec<String> {
    fn from(relaxed: Relaxed) -> Self {
        relaxed.names().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fold_to_one_are_found_by_letters_too() {
        let cases = [
            ("name", "NAME", true),
            ("k", "\u{212a}", true),
            ("s", "ſ", true),
            ("ß", "SS", true),
            ("οδος", "ΟΔΟΣ", true),
            ("é", "É", true),
            ("é", "e", false),
            ("ab", "a", false),
            ("é1", "é12", false),
        ];
        for (one, other, same) in cases {
            assert_eq!((folds_to(one, other), folds_to(other, one)), (same, same), "{one} {other}");
            assert_eq!(fold(one) == fold(other), same, "{one} {other}");
        }
    }

    #[test]
    fn names_are_taken_for_others_as_frameworks_do() {
        for name in
            ["user_id", " user_id", "user.id", "user id", "user[id", "user_id[]", "user_id[x]", " user.id[0]"]
        {
            assert!(is_taken_for(name, "user_id"), "{name}");
        }
        for name in ["user", "userid", "user-id", "user_id2", "x_user_id", "[user_id"] {
            assert!(!is_taken_for(name, "user_id"), "{name}");
        }
    }
}
