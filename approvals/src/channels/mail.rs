//! Mail: one message to the addresses of a channel, by SMTP (RFC 5321), as text and as HTML.

use std::time::Duration;

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message as Letter, Tokio1Executor};

use super::message::Message;
use super::text::{cut, unlinked};
use crate::store::outbox::settling::Tried;

/// How long the server may take until it takes a connection. What comes after that has as long as a whole try.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most addresses of one channel.
const MOST: usize = 50;
/// The longest subject, characters.
const SUBJECT: usize = 150;

/// How the way to the server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    /// From the second line on, or nothing is sent.
    Starttls,
    /// From the first byte on.
    Tls,
    /// Not at all: the server is on this machine.
    None,
}

/// The server to send through.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) security: Security,
    pub(super) login: Option<(String, String)>,
    /// Who vouches for it beside those whom the system trusts, PEM.
    pub(super) authority: Option<Vec<u8>>,
}

/// Whom to write to, and through what.
#[derive(Clone)]
pub(super) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// The server's password is in the transport.
impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mail({} to {:?})", self.from, self.to)
    }
}

/// Which key is wrong, and why.
pub(super) struct BadMail {
    pub(super) key: &'static str,
    pub(super) what: String,
}

impl Mail {
    pub(super) fn new(server: Server, from: &str, to: &[String]) -> Result<Self, BadMail> {
        let bad = |key, what| BadMail { key, what };
        let address = |key, text: &str| {
            text.parse::<Mailbox>().map_err(|error| bad(key, format!("`{text}` is no address: {error}")))
        };
        if to.is_empty() || to.len() > MOST {
            return Err(bad("to", format!("it has 1 to {MOST} addresses: name those to write to")));
        }
        Ok(Self {
            transport: transport(server)?,
            from: address("from", from)?,
            to: to.iter().map(|text| address("to", text)).collect::<Result<_, _>>()?,
        })
    }

    pub(super) async fn deliver(&self, message: &Message) -> Tried {
        let letter = match self.letter(message) {
            Ok(letter) => letter,
            Err(error) => return Tried::Refused(format!("the mail cannot be written: {error}")),
        };
        match self.transport.send(letter).await {
            Ok(_) => Tried::Sent(None),
            Err(error) if error.is_permanent() => Tried::Refused(whole(&error)),
            Err(error) => Tried::Failed(whole(&error)),
        }
    }

    fn letter(&self, message: &Message) -> Result<Letter, Box<dyn std::error::Error + Send + Sync>> {
        let [who, action, resource] = asked(message);
        let subject = format!("{}: {who} asks for {action} on {resource}", message.news());
        // What looks like a word that is encoded already would be decoded by whoever reads it (RFC 2047, section 2).
        let subject = cut(&subject.replace("=?", "= ?"), SUBJECT);
        let host = self.from.email.domain();
        let thread = format!("<{}@{host}>", message.ticket.id);
        let builder = Letter::builder().from(self.from.clone()).subject(subject);
        let builder = self.to.iter().cloned().fold(builder, MessageBuilder::to);
        let builder = builder.message_id(Some(format!("<{}@{host}>", message.id)));
        let builder = builder.references(thread.clone()).in_reply_to(thread).header(AutoSubmitted);
        let parts = MultiPart::alternative_plain_html(plain(message), html(message));
        Ok(builder.multipart(parts)?)
    }
}

/// No vacation answers, please (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

fn transport(server: Server) -> Result<AsyncSmtpTransport<Tokio1Executor>, BadMail> {
    let bad = |key, error: lettre::transport::smtp::Error| BadMail { key, what: error.to_string() };
    let mut tls = TlsParameters::builder(server.host.clone());
    if let Some(pem) = &server.authority {
        tls = tls.add_root_certificate(Certificate::from_pem(pem).map_err(|error| bad("ca_file", error))?);
    }
    let tls = || tls.build().map_err(|error| bad("server", error));
    let (tls, port) = match server.security {
        Security::Starttls => (Tls::Required(tls()?), 587),
        Security::Tls => (Tls::Wrapper(tls()?), 465),
        Security::None => (Tls::None, 25),
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host);
    let builder = builder.port(server.port.unwrap_or(port)).tls(tls).timeout(Some(PATIENCE));
    let login = server.login.map(|(user, password)| Credentials::new(user, password));
    Ok(match login {
        Some(login) => builder.credentials(login).build(),
        None => builder.build(),
    })
}

/// An error with what is below it: a server's own words are there.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text.push_str(&format!(": {error}"));
        below = error.source();
    }
    text
}

/// Who asks for what on what. Many programs that show mail make links of what looks like one: beside ours, none does.
fn asked(message: &Message) -> [String; 3] {
    message.asked().map(|text| unlinked(&text))
}

/// The same lines for both forms: a label, which is ours, and a text, which is not.
fn rows(message: &Message) -> Vec<(&'static str, String)> {
    let (have, need) = message.have();
    let happened = message.happened().map(|text| ("What happened", unlinked(&text)));
    let facts = message.facts().into_iter().map(|fact| (fact.label, unlinked(&fact.text)));
    let now = format!("{}; {have} of {need} approvals", message.standing());
    happened.into_iter().chain(facts).chain([("Now", now)]).collect()
}

fn plain(message: &Message) -> String {
    let [who, action, resource] = asked(message);
    let mut text = format!("{}\n\n{who} asks for {action} on {resource}\n\n", message.news());
    for (label, said) in rows(message) {
        text.push_str(&format!("{label}: {said}\n"));
    }
    text + &format!("\nSee all of it, and answer: {}\n", message.link)
}

fn html(message: &Message) -> String {
    let [who, action, resource] = asked(message).map(|text| escape(&text));
    let rows: String = rows(message)
        .iter()
        .map(|(label, said)| {
            format!("<tr><th align=\"left\" valign=\"top\">{label}</th><td>{}</td></tr>\n", escape(said))
        })
        .collect();
    let (news, link) = (message.news(), escape(&message.link));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{news}</title></head><body>\n\
         <h1>{news}</h1>\n<p><b>{who}</b> asks for <b>{action}</b> on <b>{resource}</b></p>\n\
         <table cellpadding=\"4\">\n{rows}</table>\n\
         <p><a href=\"{link}\">See all of it, and answer</a></p>\n</body></html>\n"
    )
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        out
    })
}
