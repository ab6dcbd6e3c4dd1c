//! What each kind of channel needs, and which keys mean nothing to it.

use std::path::Path;

use url::{Host, Url};

use super::raw::{RawChannel, RawKind, RawTls};
use super::wrong;
use crate::channels::mail::{Mail, Security, Server};
use crate::channels::secrets::Secret;
use crate::channels::slack::Slack;
use crate::channels::teams::Teams;
use crate::channels::webhook::{SigningKey, Webhook};
use crate::channels::{Http, Kind};

/// Where Slack's methods are.
const SLACK_API: &str = "https://slack.com/api";

/// Whether a channel cannot change what it has said: it is told less.
pub(super) fn sparing(kind: &RawKind) -> bool {
    matches!(kind, RawKind::Teams | RawKind::Mail)
}

/// The keys that only some kinds have.
fn given(raw: &RawChannel) -> [(&'static str, bool); 14] {
    [
        ("channel", raw.channel.is_some()),
        ("token", raw.token.is_some()),
        ("signing_secret", raw.signing_secret.is_some()),
        ("api", raw.api.is_some()),
        ("workflow", raw.workflow.is_some()),
        ("url", raw.url.is_some()),
        ("secrets", raw.secrets.is_some()),
        ("server", raw.server.is_some()),
        ("port", raw.port.is_some()),
        ("tls", raw.tls.is_some()),
        ("ca_file", raw.ca_file.is_some()),
        ("user", raw.user.is_some() || raw.password.is_some()),
        ("from", raw.from.is_some()),
        ("to", raw.to.is_some()),
    ]
}

fn taken(kind: RawKind) -> (&'static str, &'static [&'static str]) {
    match kind {
        RawKind::Slack => ("slack", &["channel", "token", "signing_secret", "api"]),
        RawKind::Teams => ("teams", &["workflow"]),
        RawKind::Webhook => ("webhook", &["url", "secrets"]),
        RawKind::Mail => ("mail", &["server", "port", "tls", "ca_file", "user", "from", "to"]),
    }
}

/// The checked channel.
pub(super) fn kind(key: &str, raw: &RawChannel, (folder, http): (&Path, &Http)) -> Result<Kind, String> {
    let (name, keys) = taken(raw.kind);
    let strange = given(raw).into_iter().find(|(given, is)| *is && !keys.contains(given));
    if let Some((strange, _)) = strange {
        return Err(wrong(
            &format!("{key}.{strange}"),
            format!("a channel of kind `{name}` has no such key"),
        ));
    }
    let reader = Reader { key, folder, http };
    match raw.kind {
        RawKind::Slack => reader.slack(raw).map(Kind::Slack),
        RawKind::Teams => reader.teams(raw).map(Kind::Teams),
        RawKind::Webhook => reader.webhook(raw).map(Kind::Webhook),
        RawKind::Mail => reader.mail(raw).map(|mail| Kind::Mail(Box::new(mail))),
    }
}

struct Reader<'a> {
    key: &'a str,
    folder: &'a Path,
    http: &'a Http,
}

impl Reader<'_> {
    fn needed<T: Clone>(&self, name: &str, value: &Option<T>, what: &str) -> Result<T, String> {
        value
            .clone()
            .ok_or_else(|| wrong(&format!("{}.{name}", self.key), format!("it is missing: write {what}")))
    }

    fn secret(&self, name: &str, secret: &Option<Secret>) -> Result<String, String> {
        let secret = self.needed(name, secret, "`{ file = \"…\" }` or `{ env = \"…\" }`")?;
        secret.read(self.folder).map_err(|what| wrong(&format!("{}.{name}", self.key), what))
    }

    /// An address to send to: encrypted, unless it is on this machine.
    fn safe(&self, name: &str, url: Url) -> Result<Url, String> {
        let local = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if url.scheme() == "https" || (url.scheme() == "http" && local) {
            return Ok(url);
        }
        Err(wrong(
            &format!("{}.{name}", self.key),
            "it is no `https://` address: others could read what is sent",
        ))
    }

    fn slack(&self, raw: &RawChannel) -> Result<Slack, String> {
        let place = self.needed("channel", &raw.channel, "the id of a Slack channel, `C0123456789`")?;
        if place.is_empty() || !place.chars().all(|c| c.is_ascii_alphanumeric()) {
            let what = format!(
                "`{place}` is no id of a Slack channel: copy it from the channel's details, `C0123456789`"
            );
            return Err(wrong(&format!("{}.channel", self.key), what));
        }
        let api = match &raw.api {
            Some(api) => api.clone(),
            None => Url::parse(SLACK_API).map_err(|error| error.to_string())?,
        };
        let api = self.safe("api", api)?.to_string();
        Ok(Slack {
            http: self.http.clone(),
            api: api.trim_end_matches('/').into(),
            place,
            token: self.secret("token", &raw.token)?,
            signing_secret: self.secret("signing_secret", &raw.signing_secret)?,
        })
    }

    fn teams(&self, raw: &RawChannel) -> Result<Teams, String> {
        let secret = self.secret("workflow", &raw.workflow)?;
        // Whoever knows the address can post: it is not said.
        let url = Url::parse(&secret).map_err(|_| {
            wrong(&format!("{}.workflow", self.key), "what is there is no address: copy it from the workflow")
        })?;
        Ok(Teams { http: self.http.clone(), workflow: self.safe("workflow", url)? })
    }

    fn webhook(&self, raw: &RawChannel) -> Result<Webhook, String> {
        let url = self.needed("url", &raw.url, "where to send to")?;
        let secrets = self.needed("secrets", &raw.secrets, "`[{ file = \"…\" }]`")?;
        let key = format!("{}.secrets", self.key);
        let read = |secret: &Secret| {
            let text = secret.read(self.folder)?;
            SigningKey::parse(&text).map_err(|error| error.to_string())
        };
        let keys: Result<Vec<_>, _> = secrets.iter().map(read).collect();
        let keys = keys.map_err(|what| wrong(&key, what))?;
        if keys.is_empty() {
            return Err(wrong(&key, "there is none, so nobody could tell who sends: write one"));
        }
        Ok(Webhook { http: self.http.clone(), url: self.safe("url", url)?, keys })
    }

    fn mail(&self, raw: &RawChannel) -> Result<Mail, String> {
        let host = self.needed("server", &raw.server, "the mail server's host")?;
        let security = match raw.tls.unwrap_or(RawTls::Starttls) {
            RawTls::Starttls => Security::Starttls,
            RawTls::Tls => Security::Tls,
            RawTls::None if ["127.0.0.1", "::1", "localhost"].contains(&host.as_str()) => Security::None,
            RawTls::None => {
                let what = "mail without encryption goes to this machine only: write `starttls` or `tls`";
                return Err(wrong(&format!("{}.tls", self.key), what));
            }
        };
        let login = match (&raw.user, &raw.password) {
            (None, None) => None,
            (Some(user), Some(_)) => Some((user.clone(), self.secret("password", &raw.password)?)),
            _ => {
                return Err(wrong(
                    &format!("{}.user", self.key),
                    "`user` and `password` go together: write both",
                ));
            }
        };
        let authority = raw.ca_file.as_ref().map(|file| {
            let file = self.folder.join(file);
            std::fs::read(&file).map_err(|error| {
                wrong(&format!("{}.ca_file", self.key), format!("cannot read `{}`: {error}", file.display()))
            })
        });
        let from = self.needed("from", &raw.from, "the sender's address")?;
        let to = self.needed("to", &raw.to, "the addresses to send to")?;
        let server = Server { host, port: raw.port, security, login, authority: authority.transpose()? };
        Mail::new(server, &from, &to)
            .map_err(|error| wrong(&format!("{}.{}", self.key, error.key), error.what))
    }
}
