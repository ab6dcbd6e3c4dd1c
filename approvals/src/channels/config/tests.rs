//! What the file may say, and what is said of one that is wrong.

use std::collections::BTreeSet;
use std::path::Path;

use countersign_protocol::person::GroupId;

use super::parse;
use crate::channels::Channels;
use crate::files::private_file;

/// Reads `text` in a folder with secrets.
fn read(text: &str) -> Result<Channels, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, secret) in [
        ("token", "xoxb-1"),
        ("signing", "8f742231b10e8888abcd99yyyzzz85a5"),
        ("hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"),
        ("workflow", "https://flow.example/invoke?sig=secret"),
        ("nowhere", "not an address"),
        ("empty", " \n"),
    ] {
        private_file(&folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name), secret).unwrap();
    }
    open(&folder.path().join("open"));
    parse(text, folder.path(), "local")
        .map_err(|error| error.replace(&folder.path().display().to_string(), "."))
}

/// A file that everybody can read.
fn open(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, "secret").unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

const SLACK: &str = "[channels.s]\nkind = \"slack\"\nchannel = \"C0\"\ntoken = { file = \"token\" }\nsigning_secret = { file = \"signing\" }\n";
const HOOK: &str = "kind = \"webhook\"\nurl = \"https://hook.example\"\nsecrets = [{ file = \"hook\" }]\n";
const HOOK_W: &str =
    "[channels.w]\nkind = \"webhook\"\nurl = \"https://hook.example\"\nsecrets = [{ file = \"hook\" }]\n";
const MAIL: &str = "[channels.m]\nkind = \"mail\"\nserver = \"mail.example\"\nfrom = \"a@example.com\"\n";

#[test]
fn a_file_that_is_right_says_who_is_told_what() {
    let text = format!(
        "[escalation]\nafter = \"10m\"\nto = [\"two\", {{ group = \"oncall\" }}]\n\
         [channels.one]\n{HOOK}groups = [\"sre\", {{ issuer = \"https://id.example\", id = \"7\" }}]\n\
         [channels.one.escalation]\nafter = \"90s\"\nto = [{{ group = \"oncall\", issuer = \"local\" }}]\n\
         [channels.two]\n{HOOK}gate_channels = [\"#prod\"]\n[channels.three]\n{HOOK}groups = [\"oncall\"]\n{SLACK}\
         {MAIL}to = [\"b@example.com\"]\n[channels.t]\nkind = \"teams\"\nworkflow = {{ file = \"workflow\" }}\n"
    );
    let Channels { channels, routes } = read(&text).unwrap();
    let kinds: Vec<_> =
        channels.values().map(|channel| (channel.name.as_str(), channel.kind.name())).collect();
    let expected = [
        ("m", "mail"),
        ("one", "webhook"),
        ("s", "slack"),
        ("t", "teams"),
        ("three", "webhook"),
        ("two", "webhook"),
    ];
    assert_eq!(kinds, expected);
    let group = |issuer: &str, id: &str| GroupId { issuer: issuer.into(), id: id.into() };
    let one = &routes.channels["one"];
    assert_eq!(one.groups, BTreeSet::from([group("local", "sre"), group("https://id.example", "7")]));
    let own = one.escalation.as_ref().unwrap();
    assert_eq!((own.after, &own.to), (90_000, &BTreeSet::from(["three".to_owned()])));
    let general = routes.channels["two"].escalation.as_ref().unwrap();
    assert_eq!((general.after, general.to.len()), (600_000, 2));
    assert!(routes.channels["two"].names.contains("#prod") && routes.channels["t"].sparing);
    let said = format!("{channels:?}");
    for secret in ["xoxb", "8f742", "MfKQ", "sig=secret"] {
        assert!(!said.contains(secret), "{said}");
    }
}

/// A file that is right but for this, and what is said of it: what is replaced by what, and what stands behind it.
type Wrong = (&'static str, (&'static str, &'static str), &'static str, &'static str);

const SAME: (&str, &str) = ("", "");
const WRONG: [Wrong; 31] = [
    ("", SAME, "", "it names no channel: write `[channels.<name>]`"),
    ("", SAME, "[channels", "line 1: "),
    ("", SAME, "[channels.x]\nkind = \"pigeon\"", "line 2: `channels.x.kind`: unknown variant `pigeon`"),
    ("", SAME, "[channels.x]\nurl = \"https://x\"", "missing field `kind`"),
    ("", SAME, "[channel.x]\n", "unknown field `channel`, expected `escalation` or `channels`"),
    (SLACK, SAME, "chanel = \"C0\"", "unknown field `chanel`"),
    (
        SLACK,
        SAME,
        "url = \"https://x.example\"",
        "`channels.s.url`: a channel of kind `slack` has no such key",
    ),
    (
        SLACK,
        ("[channels.s]", "[channels.\"a b\"]"),
        "",
        "`channels.a b`: a channel's name has 1 to 64 letters",
    ),
    (
        "",
        SAME,
        "[channels.s]\nkind = \"slack\"",
        "`channels.s.channel`: it is missing: write the id of a Slack",
    ),
    (SLACK, ("C0", "#sre"), "", "`channels.s.channel`: `#sre` is no id of a Slack channel: copy it"),
    (SLACK, ("{ file = \"token\" }", "\"xoxb-1\""), "", "`channels.s.token`: a secret is `{ file = \"…\" }`"),
    (SLACK, ("file = \"token\"", "file = \"none\""), "", "`channels.s.token`: cannot read `./none`"),
    (
        SLACK,
        ("file = \"token\"", "file = \"open\""),
        "",
        "(its mode is 644): take that away, `chmod 600 ./open`",
    ),
    (SLACK, ("file = \"token\"", "file = \"empty\""), "", "`channels.s.token`: the secret is empty"),
    (
        SLACK,
        ("file = \"token\"", "env = \"NO_SUCH\""),
        "",
        "the environment has no variable `NO_SUCH`: set it",
    ),
    (SLACK, SAME, "api = \"http://slack.example\"", "`channels.s.api`: it is no `https://` address"),
    (SLACK, SAME, "groups = [\"\"]", "`channels.s.groups`: a group has an id"),
    (HOOK_W, ("\"hook\"", "\"token\""), "", "`channels.w.secrets`: a secret is `whsec_`"),
    (HOOK_W, ("[{ file = \"hook\" }]", "[]"), "", "`channels.w.secrets`: there is none"),
    (HOOK_W, ("https", "ftp"), "", "`channels.w.url`: it is no `https://` address"),
    (
        "",
        SAME,
        "[channels.t]\nkind = \"teams\"\nworkflow = { file = \"nowhere\" }",
        "`channels.t.workflow`: what is there is no address",
    ),
    (MAIL, SAME, "", "`channels.m.to`: it is missing: write the addresses to send to"),
    (MAIL, SAME, "to = []", "`channels.m.to`: it has 1 to 50 addresses"),
    (MAIL, SAME, "to = [\"a@b.c\\r\\nBcc: x@y.z\"]", "`channels.m.to`: "),
    (MAIL, SAME, "to = [\"b@example.com\"]\ntls = \"none\"", "`channels.m.tls`: mail without encryption"),
    (MAIL, SAME, "to = [\"b@example.com\"]\nuser = \"x\"", "`user` and `password` go together"),
    (
        MAIL,
        SAME,
        "to = [\"b@example.com\"]\nca_file = \"none\"",
        "`channels.m.ca_file`: cannot read `./none`",
    ),
    (SLACK, SAME, "[escalation]\nafter = \"soon\"\nto = [\"s\"]", "`escalation.after`: `soon` is no time"),
    (SLACK, SAME, "[escalation]\nafter = \"1h\"\nto = []", "`escalation.to`: it names nobody"),
    (
        SLACK,
        SAME,
        "[escalation]\nafter = \"1h\"\nto = [\"x\"]",
        "there is no channel `x`: write `[channels.x]`",
    ),
    (SLACK, SAME, "[escalation]\nafter = \"1h\"\nto = [{ group = \"x\" }]", "no channel has the group `x`"),
];

#[test]
fn what_is_wrong_is_named_with_what_to_do() {
    for (right, (from, to), more, said) in WRONG {
        let text = if from.is_empty() { right.to_owned() } else { right.replace(from, to) } + more;
        let error = read(&text).err().unwrap_or_else(|| panic!("nothing is wrong with\n{text}"));
        assert!(error.contains(said), "{error}\nand not\n{said}\nfor\n{text}");
        assert!(!error.contains("xoxb-1"), "{error}");
    }
}
