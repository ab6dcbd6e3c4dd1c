//! Questions that try to be more than text, each through every kind of channel: nothing in them is markup, forges
//! anything, mentions anybody, hides or becomes a link, and none is too long for a service.

use countersign_view::visible::{Lines, Visible};
use serde_json::{Value, json};

use super::mime::Opened;
use super::receiver::{Got, Receiver};
use super::smtp::{Encryption, MailServer};
use super::workspace::Workspace;
use super::{SECRET, cards, private};
use crate::harness::{Service, question};
use crate::large::large;

/// What each text tries. None is so long that it is cut.
const TEXTS: [(&str, &str); 9] = [
    ("an image", "<img src=x onerror=alert(1)>\"><b onmouseover='alert(1)'>"),
    ("an end", "</pre></td></table></body><script>alert(1)</script><!-- ]]>"),
    ("Slack's markup", "<!channel> <@U1> <!subteam^S1> <http://evil.example|y> &amp; &lt;!here&gt; :tada:"),
    ("Markdown", "[a](javascript:alert(1)) *bold* _i_ ~s~ `code` ![x](//evil.example/x.png)"),
    ("everybody", "@everyone @channel @here <at>Everyone</at> {{{DATE(2026-01-01T00:00:00Z,SHORT)}}}"),
    ("what hides", "a\u{202e}b\u{2066}c\u{200b}d\u{feff}e\u{2069}f\u{ad}g\u{e0041}h"),
    ("forged lines", "x\r\nBcc: eve@evil.example\r\n\r\n.\r\nNow: Approved\u{2028}⟨U+202E⟩"),
    // U+202E for whoever reads the words of a header (RFC 2047).
    ("an encoded word", "x =?utf-8?b?4oCu?= =?utf-8?b?4oCu?= y"),
    (
        "links",
        "hTTps://evil.example/ www.evil.example\u{3002}com mailto:eve@evil \\\\evil\\x evil.example:8080 10.0.0.1/x",
    ),
];
/// A host in Cyrillic letters, of which people read `apple`.
const LOOKALIKE: &str = "аррӏе.example";
/// What is said of such a host.
const CAREFUL: &str = "not a plain ASCII name: it may not be the host that it looks like";
/// What hides in `TEXTS` and in `large`.
const HIDDEN: [char; 9] =
    ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{2069}', '\u{ad}', '\u{e0041}', '\u{2028}', '\r'];
/// All tags of a letter in HTML, but the one that holds the link.
const TAGS: [&str; 22] = [
    "!doctype html",
    "html lang=\"en\"",
    "/html",
    "head",
    "/head",
    "meta charset=\"utf-8\"",
    "title",
    "/title",
    "body",
    "/body",
    "h1",
    "/h1",
    "p",
    "/p",
    "b",
    "/b",
    "table cellpadding=\"4\"",
    "/table",
    "tr",
    "/tr",
    "td",
    "/td",
];
/// How the lines of a letter as text begin.
const LINES: [&str; 11] = [
    "Approval needed",
    "Request: POST https",
    "Audience: prod",
    "Careful: not a plain ASCII name",
    "Why it is stopped: ",
    "Who is behind it: ",
    "In the same request: ",
    "The caller says: ",
    "Terms: medium severity; ",
    "Now: Approval needed; 0 of 1 approvals",
    "See all of it, and answer: http://localhost:8081/inbox/",
];

/// A service with a channel of each kind, all for the same group.
struct Everywhere {
    slack: Workspace,
    teams: Receiver,
    hook: Receiver,
    mail: MailServer,
    service: Service,
}

/// What each of them was told of one question.
struct Told {
    link: String,
    slack: Value,
    teams: Got,
    hook: Got,
    mail: Opened,
}

impl Everywhere {
    async fn start() -> Self {
        let (slack, mail) = (Workspace::start().await, MailServer::start(Encryption::None).await);
        let (teams, hook) = (Receiver::start().await, Receiver::start().await);
        let text = format!(
            "[channels.slack]\ngroups = [\"sre\"]\n{}\n\
             [channels.teams]\ngroups = [\"sre\"]\nkind = \"teams\"\nworkflow = {{ file = \"workflow\" }}\n\
             [channels.hook]\ngroups = [\"sre\"]\nkind = \"webhook\"\nurl = \"{}\"\nsecrets = [{{ file = \"s\" }}]\n\
             [channels.mail]\ngroups = [\"sre\"]\nkind = \"mail\"\nserver = \"localhost\"\nport = {}\ntls = \"none\"\n\
             from = \"countersign@example.com\"\nto = [\"sre@example.com\"]\n",
            slack.keys("C0SRE"),
            hook.url,
            mail.port
        );
        let configured = slack.file(&text);
        private(&configured.folder.path().join("workflow"), &teams.url);
        private(&configured.folder.path().join("s"), SECRET);
        let service = Service::told(&configured.read()).await;
        Self { slack, teams, hook, mail, service }
    }

    async fn tell(&self, asked: Value) -> Told {
        self.slack.delete_messages();
        let before = (self.teams.got().len(), self.hook.got().len(), self.mail.letters().len());
        let ticket = self.service.open(asked).await;
        Told {
            link: format!("http://localhost:8081/inbox/{ticket}"),
            slack: self.slack.message(&ticket).await,
            teams: self.teams.wait(before.0 + 1).await.remove(before.0),
            hook: self.hook.wait(before.1 + 1).await.remove(before.1),
            mail: Opened::of(&self.mail.wait(before.2 + 1).await[before.2]),
        }
    }
}

/// A question that says so wherever it can.
fn saying(text: &str) -> Value {
    let entity = |kind: &str| json!(format!("{kind}::\"{text}\""));
    let mut asked = question();
    asked["cedar"]["principal"] = entity("Agent");
    asked["cedar"]["action"] = entity("Deploy::Action");
    asked["cedar"]["resource"] = entity("Deploy::Environment");
    asked["also"] = json!([asked["cedar"]]);
    asked["involved"][0]["entity"] = entity("Agent");
    asked["gates"][0]["reason"] = json!(text);
    asked["gates"][0]["group_name"] = json!(text);
    asked["justification"] = json!(text);
    let request = &mut asked["request"];
    request["authority"] = json!(LOOKALIKE);
    request["path"] = json!(format!("/{text}"));
    request["headers"][0]["value"]["text"] = json!(text);
    request["body"]["text"] = json!(text);
    asked
}

impl Told {
    /// What holds for all questions in all channels.
    fn check(&self, what: &str) {
        self.check_slack(what);
        self.check_teams(what);
        self.check_mail(what);
        self.check_hook(what);
    }

    /// The workspace takes nothing but text elements, so what is left is the text that Slack reads as markup.
    fn check_slack(&self, what: &str) {
        let message = &self.slack;
        let fallback = message["text"].as_str().unwrap();
        assert!(!fallback.contains(['<', '>']), "{what}: {fallback}");
        for after in fallback.split('&').skip(1) {
            assert!(["amp;", "lt;", "gt;"].iter().any(|name| after.starts_with(name)), "{what}: {fallback}");
        }
        let read = (&message["mrkdwn"], &message["parse"], &message["link_names"]);
        assert_eq!(read, (&json!(false), &json!("none"), &json!(false)), "{what}");
        let all = message.to_string();
        nothing_hides(&all, what);
        assert!(all.len() < 40_000, "{what}: {}", all.len());
    }

    fn check_teams(&self, what: &str) {
        assert!(self.teams.body.len() < 28 * 1024, "{what}: {}", self.teams.body.len());
        let sent = self.teams.json();
        let card = cards::card(&sent);
        assert_eq!(card["msteams"], json!({ "width": "Full" }), "{what}: no mentions");
        let text = cards::text(card);
        assert!(!text.contains("{{") && !text.contains("<at"), "{what}: {text}");
        nothing_hides(&text, what);
        nothing_links(&text, what);
    }

    fn check_mail(&self, what: &str) {
        let Opened { head, plain, html } = &self.mail;
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{what}: {head}");
        assert!(self.mail.field("Subject").chars().count() <= 150, "{what}: {head}");
        for line in plain.lines().filter(|line| !line.is_empty() && !line.contains(" asks for ")) {
            assert!(LINES.iter().any(|start| line.starts_with(start)), "{what}: {line}");
        }
        let link = format!("a href=\"{}\"", self.link);
        let own = [link.as_str(), "/a", "th align=\"left\" valign=\"top\"", "/th"];
        let tags: Vec<_> = html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
        for tag in &tags {
            assert!(TAGS.contains(tag) || own.contains(tag), "{what}: <{tag}> in {html}");
        }
        assert_eq!(tags.iter().filter(|tag| **tag == link).count(), 1, "{what}: {html}");
        for text in [self.mail.field("Subject"), plain, html] {
            nothing_hides(text, what);
            nothing_links(&text.replace(&self.link, "our own"), what);
        }
    }

    /// It is data: all of it as it came.
    fn check_hook(&self, what: &str) {
        assert!(self.hook.is_signed(SECRET), "{what}");
        assert_eq!(self.hook.json()["data"]["url"], self.link, "{what}");
    }
}

/// What cannot be seen is named, and its name is not named again.
fn nothing_hides(text: &str, what: &str) {
    assert!(!text.contains(HIDDEN), "{what}: {text}");
    assert!(!text.contains("⟨U+27E8⟩U+27E8⟩"), "{what}: {text}");
    assert!(what == "forged lines" || !text.contains("⟨U+27E8⟩"), "{what}: {text}");
}

/// Nothing is left of what programs take for an address.
fn nothing_links(text: &str, what: &str) {
    let text = text.to_lowercase();
    for link in ["://", "www.", ".example", "mailto:", "javascript:", "\\\\", "10.0.0.1", "example:8080"] {
        assert!(!text.contains(link), "{what}: {link} in {text}");
    }
}

/// Text as a letter has it, read back.
fn relinked(text: &str) -> String {
    text.replace("⟨.⟩", ".").replace("⟨:⟩", ":").replace("⟨\\⟩", "\\").replace("⟨\u{3002}⟩", "\u{3002}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_text_is_text_in_every_channel() {
    let everywhere = Everywhere::start().await;
    for (what, text) in TEXTS {
        let told = everywhere.tell(saying(text)).await;
        told.check(what);
        let visible = Visible(text, Lines::One).to_string();
        let card = cards::text(cards::card(&told.teams.json()));
        for (place, said) in [("Slack", &told.slack.to_string()), ("Teams", &card), ("mail", &told.mail.html)]
        {
            assert!(said.contains(CAREFUL), "{what} in {place}: {said}");
        }
        let says = format!("The caller says: {visible}\n");
        assert!(relinked(&told.mail.plain).contains(&says), "{what}: {}", told.mail.plain);
        assert!(told.slack.to_string().contains(&json!(visible).to_string()), "{what}: {}", told.slack);
        let data = &told.hook.json()["data"];
        assert_eq!((&data["justification"], &data["reasons"][0]), (&json!(text), &json!(text)), "{what}");
        assert_eq!((&data["request"]["authority"], &data["plain_host"]), (&json!(LOOKALIKE), &json!(false)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_very_long_is_cut_to_what_each_service_takes() {
    let everywhere = Everywhere::start().await;
    let told = everywhere.tell(large()).await;
    told.check("large");
    assert!(told.slack.to_string().contains("too long for a message"), "{}", told.slack);
    assert!(told.hook.body.len() < 20_000, "neither body nor headers: {}", told.hook.body.len());
    assert_eq!(told.hook.json()["data"]["plain_host"], true);
    for part in ["\\", "\u{1f980}", "{", ".a", "\u{e0041}", "word "] {
        everywhere.tell(saying(&part.repeat(2000))).await.check(part);
    }
}
