//! Pseudo-headers and fields: what may be there once, what may not be there at all.

use super::rules::{Relaxed, Rule};
use super::strip::to_strip;
use crate::denial::Denial;
use crate::facts::RequestFacts;

/// Headers with one value, of which two parsers could take different ones.
const SINGLE: [&str; 17] = [
    "authorization",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "countersign-justification",
    "expect",
    "from",
    "host",
    "idempotency-key",
    "max-forwards",
    "proxy-authorization",
    "range",
    "referer",
    "user-agent",
];

/// Of these, the ones in which a comma can only mean two values, joined.
const NEVER_JOINED: [&str; 4] = ["content-encoding", "content-length", "content-type", "host"];

const METHOD_OVERRIDE: [&str; 4] =
    ["x-http-method", "x-http-method-override", "x-method-override", "x-original-method"];

const PATH_OVERRIDE: [&str; 4] = ["x-original-uri", "x-original-url", "x-override-url", "x-rewrite-url"];

/// `forwarded` (RFC 7239) beside them names a host among other things.
const HOST_OVERRIDE: [&str; 4] = ["x-forwarded-host", "x-host", "x-http-host-override", "x-original-host"];

/// Framing and connection control: meaningless, and sometimes obeyed, in trailers.
const FRAMING: [&str; 6] = ["connection", "expect", "te", "trailer", "transfer-encoding", "upgrade"];

/// What stands in the place of the request line.
#[derive(Debug)]
pub(super) struct Pseudo {
    pub(super) method: String,
    pub(super) scheme: String,
    pub(super) authority: String,
    pub(super) path: String,
}

/// The header fields in order, names in lower case, values without surrounding white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, Vec<u8>)>);

/// Separates pseudo-headers from fields and checks both.
pub(super) fn split(facts: &RequestFacts, relaxed: &Relaxed) -> Result<(Pseudo, Fields), Denial> {
    let mut all = Vec::with_capacity(facts.headers.len());
    for (name, value) in &facts.headers {
        let name = field_name(name, relaxed)?;
        // White space around a field is no part of its value; of the request line, every byte counts.
        let value = if name.starts_with(':') { value.as_slice() } else { value.trim_ascii() };
        all.push((name, value.to_vec()));
    }
    let (pseudo, fields): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| name.starts_with(':'));
    let fields = Fields(fields);
    let pseudo = pseudo_headers(pseudo, &fields)?;
    fields.check(relaxed)?;
    check_trailers(facts, relaxed)?;
    Ok((pseudo, fields))
}

fn malformed(detail: impl std::fmt::Display) -> Denial {
    Rule::PseudoHeaders.broken(detail)
}

/// The name in lower case. A name that is no token is kept, when that is relaxed, with its odd bytes
/// escaped: no route can name it.
fn field_name(name: &[u8], relaxed: &Relaxed) -> Result<String, Denial> {
    let token = name.strip_prefix(b":").unwrap_or(name);
    if !token.is_empty() && token.iter().all(|&byte| is_token(byte)) {
        return Ok(String::from_utf8_lossy(name).to_ascii_lowercase());
    }
    let shown = name.escape_ascii().to_string();
    Rule::HeaderNames.refuse_if(true, relaxed, format_args!("`{shown}` is no header name"))?;
    Ok(shown.to_ascii_lowercase())
}

pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn pseudo_headers(mut pseudo: Vec<(String, Vec<u8>)>, fields: &Fields) -> Result<Pseudo, Denial> {
    let mut take = |name: &str| -> Result<String, Denial> {
        let mut found = pseudo.extract_if(.., |(key, _)| key == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => String::from_utf8(value)
                .map_err(|_| Rule::NotUtf8.broken(format_args!("`{name}` is not UTF-8"))),
            (None, _) => Err(malformed(format!("there is no `{name}`"))),
            (Some(_), Some(_)) => Err(malformed(format!("there are two `{name}`"))),
        }
    };
    let method = take(":method")?;
    if method == "CONNECT" {
        return Err(malformed("`CONNECT` opens a tunnel, and what goes through it cannot be judged"));
    }
    let (scheme, authority, path) = (take(":scheme")?, take(":authority")?, take(":path")?);
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        return Err(malformed("`:method` is not a word in capitals"));
    }
    if !["http", "https"].contains(&scheme.as_str()) {
        return Err(malformed("`:scheme` is neither `http` nor `https`"));
    }
    if fields.values("host").any(|host| host != authority.as_bytes()) {
        return Err(malformed("`host` differs from `:authority`"));
    }
    Ok(Pseudo { method, scheme, authority, path })
}

/// The host of an authority (RFC 3986 section 3.2.2): lower case, no port, no trailing dot.
pub(crate) fn host(authority: &str) -> Result<String, Denial> {
    let refuse = || malformed("`:authority` is not a host with an optional port");
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, after)) => {
            let address: std::net::Ipv6Addr = inside.parse().map_err(|_| refuse())?;
            (format!("[{address}]"), after)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (name, port) = authority.split_at_checked(end).ok_or_else(refuse)?;
            (host_name(name).ok_or_else(refuse)?, port)
        }
    };
    let port_is_good = port.strip_prefix(':').map_or(port.is_empty(), |digits| {
        digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
    });
    if port_is_good { Ok(host) } else { Err(refuse()) }
}

fn host_name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    (name.len() <= 253 && name.split('.').all(label)).then(|| name.to_ascii_lowercase())
}

impl Fields {
    pub(super) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    /// The one value of `name` as text. `joined`: whether a comma counts as two values.
    pub(super) fn single(&self, name: &str, joined: bool, relaxed: &Relaxed) -> Result<Option<&str>, Denial> {
        self.no_twins(name, relaxed)?;
        let mut values = self.values(name);
        let Some(first) = values.next() else { return Ok(None) };
        Rule::RepeatedHeaders.refuse_if(values.next().is_some(), relaxed, format_args!("two `{name}`"))?;
        let comma = joined && first.contains(&b',');
        Rule::JoinedHeaders.refuse_if(comma, relaxed, format_args!("`{name}` has a comma"))?;
        visible(name, first).map(Some)
    }

    /// Whether `name` is there, with whatever value.
    pub(super) fn has(&self, name: &str, relaxed: &Relaxed) -> Result<bool, Denial> {
        self.no_twins(name, relaxed)?;
        Ok(self.values(name).next().is_some())
    }

    /// The members of the list header `name`; empty members do not count (RFC 9110 section 5.6.1.2).
    pub(super) fn list(&self, name: &str, relaxed: &Relaxed) -> Result<Vec<&str>, Denial> {
        self.no_twins(name, relaxed)?;
        let mut all = Vec::new();
        for value in self.values(name) {
            all.extend(visible(name, value)?.split(',').map(str::trim).filter(|member| !member.is_empty()));
        }
        Ok(all)
    }

    /// The denial that is due when a gate applies and this is an upgrade.
    pub(super) fn upgrade(&self, relaxed: &Relaxed) -> Option<Denial> {
        let wanted = self.values("upgrade").next().is_some();
        Rule::Upgrades.refuse_if(wanted, relaxed, "`upgrade` where a gate applies").err()
    }

    /// Whether all that follows the head is of another protocol (RFC 9110 section 7.8). A request that says how long its
    /// body is has one.
    pub(super) fn opens_tunnel(&self) -> bool {
        let switches = self.values("connection").any(|value| {
            value
                .split(|&byte| byte == b',')
                .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        });
        let framed = ["content-length", "transfer-encoding"];
        let framed = framed.iter().any(|name| self.values(name).next().is_some());
        switches && !framed && self.values("upgrade").next().is_some()
    }

    fn no_twins(&self, name: &str, relaxed: &Relaxed) -> Result<(), Denial> {
        let twin = self.0.iter().any(|(key, _)| key != name && same_to_cgi(key, name));
        Rule::HeaderTwins.refuse_if(twin, relaxed, format_args!("another spelling of `{name}`"))
    }

    fn check(&self, relaxed: &Relaxed) -> Result<(), Denial> {
        for name in SINGLE {
            self.no_twins(name, relaxed)?;
            let twice = self.values(name).nth(1).is_some();
            Rule::RepeatedHeaders.refuse_if(twice, relaxed, format_args!("two `{name}`"))?;
        }
        for name in NEVER_JOINED {
            let joined = self.values(name).any(|value| value.contains(&b','));
            Rule::JoinedHeaders.refuse_if(joined, relaxed, format_args!("`{name}` has a comma"))?;
        }
        self.check_overrides(relaxed)?;
        self.check_hops(relaxed)?;
        self.check_twins(relaxed)
    }

    fn check_overrides(&self, relaxed: &Relaxed) -> Result<(), Denial> {
        for (rule, names) in [(Rule::MethodOverride, METHOD_OVERRIDE), (Rule::PathOverride, PATH_OVERRIDE)] {
            let found = self.0.iter().find(|(key, _)| names.iter().any(|name| same_to_cgi(key, name)));
            rule.refuse_if(found.is_some(), relaxed, format_args!("`{}`", found.map_or("", |(key, _)| key)))?;
        }
        Ok(())
    }

    /// Proxies in front may say which host they were asked for, with a port or without, but not another.
    pub(super) fn check_host(&self, own: &str, relaxed: &Relaxed) -> Result<(), Denial> {
        let other = |named: &[u8]| {
            let named = str::from_utf8(named.trim_ascii()).unwrap_or("\u{fffd}");
            !named.is_empty() && host(named).ok().as_deref() != Some(own)
        };
        for (name, value) in &self.0 {
            let odd = match name.as_str() {
                "forwarded" => forwarded_hosts(value).any(other),
                name if HOST_OVERRIDE.iter().any(|known| same_to_cgi(known, name)) => {
                    value.split(|byte| *byte == b',').any(other)
                }
                _ => false,
            };
            Rule::HostOverride.refuse_if(odd, relaxed, format_args!("`{name}` names another host"))?;
        }
        Ok(())
    }

    fn check_hops(&self, relaxed: &Relaxed) -> Result<(), Denial> {
        let only = |name: &str, allowed: &[&str]| {
            let words = self.values(name).flat_map(|value| value.split(|&byte| byte == b','));
            let known = |word: &[u8]| allowed.iter().any(|word2| word.eq_ignore_ascii_case(word2.as_bytes()));
            let odd = words.map(<[u8]>::trim_ascii).any(|word| !word.is_empty() && !known(word));
            Rule::HopByHop.refuse_if(odd, relaxed, format_args!("`{name}` says more than {allowed:?}"))
        };
        only("connection", &["close", "keep-alive", "upgrade", "te", "http2-settings"])?;
        only("te", &["trailers"])?;
        only("transfer-encoding", &["chunked"])?;
        for name in ["transfer-encoding", "connection", "te"] {
            self.no_twins(name, relaxed)?;
        }
        let framings = self.values("transfer-encoding").count() + self.values("content-length").count();
        Rule::HopByHop.refuse_if(
            framings > 1,
            relaxed,
            "`transfer-encoding` and `content-length`, or two of one",
        )
    }

    /// Two spellings of one name, whatever the name.
    fn check_twins(&self, relaxed: &Relaxed) -> Result<(), Denial> {
        if !self.0.iter().any(|(name, _)| name.contains('_')) {
            return Ok(());
        }
        // In order: each beside each would take too long where a gateway lets many pass.
        let mut all: Vec<_> = self.0.iter().map(|(name, _)| (name.replace('_', "-"), name)).collect();
        all.sort_unstable();
        let twins = all.array_windows().find(|[(one, name), (two, other)]| one == two && name != other);
        let name = twins.map_or("", |[_, (_, name)]| name);
        Rule::HeaderTwins.refuse_if(twins.is_some(), relaxed, format_args!("another spelling of `{name}`"))
    }
}

/// The hosts of a `forwarded` (RFC 7239 section 4), whichever proxy said them.
fn forwarded_hosts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| b";,".contains(byte)).filter_map(|pair| {
        let place = pair.iter().position(|byte| *byte == b'=')?;
        let (name, rest) = pair.split_at_checked(place)?;
        let host = rest.strip_prefix(b"=")?.trim_ascii();
        let quoted = host.strip_prefix(b"\"").and_then(|host| host.strip_suffix(b"\""));
        let host = quoted.unwrap_or(host);
        name.trim_ascii().eq_ignore_ascii_case(b"host").then_some(host)
    })
}

/// Whether a gateway to CGI (RFC 3875 section 4.1.18) takes two names in lower case for the same.
fn same_to_cgi(one: &str, other: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte };
    one.len() == other.len() && one.bytes().map(fold).eq(other.bytes().map(fold))
}

/// The value as text: UTF-8 without control characters (a tab is white space).
fn visible<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, Denial> {
    let text = str::from_utf8(value).ok().filter(|text| !text.chars().any(|c| c.is_control() && c != '\t'));
    text.ok_or_else(|| Rule::NotUtf8.broken(format_args!("`{name}` is not UTF-8 text")))
}

fn check_trailers(facts: &RequestFacts, relaxed: &Relaxed) -> Result<(), Denial> {
    facts.trailers.iter().try_for_each(|(name, _)| check_trailer(name, relaxed))
}

fn check_trailer(name: &[u8], relaxed: &Relaxed) -> Result<(), Denial> {
    let name = field_name(name, relaxed)?;
    let overrides = METHOD_OVERRIDE.iter().chain(&PATH_OVERRIDE).chain(&HOST_OVERRIDE);
    let names = SINGLE.iter().chain(overrides).chain(&FRAMING);
    let meant = name.starts_with(':') || names.into_iter().any(|header| same_to_cgi(&name, header));
    Rule::Trailers.refuse_if(meant, relaxed, format_args!("`{name}` as a trailer"))
}

/// Whether a trailer of this name is taken out of a request that was let go before its trailers came: it can no longer be
/// refused for them.
#[must_use]
pub fn to_strip_from_trailers(name: &[u8], relaxed: &Relaxed) -> bool {
    to_strip(name) || check_trailer(name, relaxed).is_err()
}
