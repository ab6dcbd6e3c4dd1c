//! Nobody approves what was not shown to them.

use countersign_protocol::Hash;
use serde_json::json;

use crate::service::{Service, TICKET, about, question, reply, view};

/// A question whose body and one header are no text.
fn with_bytes() -> String {
    let mut question = question(json!({ "base64": "iVBORw0KGgoAAAANSUhEUg==" }));
    question["request"]["headers"][0]["value"] = json!({ "base64": "AP8=" });
    question.to_string()
}

#[test]
fn the_hash_of_what_is_no_text_is_shown_only_below_all_of_it() {
    let asked = with_bytes();
    let (service, hash) = (Service::with(&asked), view(&asked).hash().to_string());
    let folded = service.said(&["show", "3f2a"]);
    assert!(folded.contains(&view(&asked).to_string()), "{folded}");
    assert!(!folded.contains(&hash) && !folded.contains("iVBOR"), "{folded}");
    assert!(folded.ends_with("what is no text was not shown: add `--full`, or approve it in the inbox\n"));
    let full = service.said(&["show", "3f2a", "--full"]);
    let end = format!("body in base64: iVBORw0KGgoAAAANSUhEUg==\nx-team in base64: AP8=\nshown {hash}\n");
    assert!(full.contains(&view(&asked).to_string()) && full.ends_with(&end), "{full}");
}

#[test]
fn what_is_no_text_is_not_approved_before_it_was_shown() {
    let asked = with_bytes();
    let (service, hash) = (Service::with(&asked), view(&asked).hash().to_string());
    let (done, said) = service.typed(&["approve", TICKET], "y\n");
    assert!(!done && said.contains("not approved: what is no text was not shown"), "{said}");
    assert!(!said.contains(&hash) && !said.contains("[y/N]"), "{said}");
    assert_eq!(service.posted(), []);
    let (done, said) = service.typed(&["approve", TICKET, "--full"], "y\n");
    assert!(done && said.contains("body in base64: iVBORw0KGgoAAAANSUhEUg=="), "{said}");
    let posted = service.posted();
    assert_eq!((posted.len(), &posted[0].1["shown"]), (1, &json!(hash)));
}

#[test]
fn text_is_shown_whole_at_once_and_approved_only_by_a_yes() {
    let asked = question(json!({ "text": "{\"build\":42}" })).to_string();
    let (service, hash) = (Service::with(&asked), view(&asked).hash().to_string());
    assert!(service.said(&["show", TICKET]).ends_with(&format!("\nshown {hash}\n")));
    for no in ["n\n", "\n", "yess\n"] {
        let (done, said) = service.typed(&["approve", TICKET], no);
        assert!(!done && said.contains("Approve exactly this? [y/N] "), "{said}");
    }
    let unasked = service.refused(&["approve", TICKET], 2);
    assert!(unasked.contains("no terminal to ask on: name what was shown with `--shown`"), "{unasked}");
    assert_eq!(service.posted(), []);
    let (done, said) = service.typed(&["approve", TICKET], "y\n");
    assert!(done, "{said}");
    assert_eq!(service.posted()[0].1["shown"], json!(hash));
}

#[test]
fn an_earlier_hash_is_compared_with_what_the_command_renders_itself() {
    let asked = with_bytes();
    let (service, hash) = (Service::with(&asked), view(&asked).hash().to_string());
    let other = Hash::of(b"other").to_string();
    let refused = service.refused(&["approve", TICKET, "--shown", &other], 1);
    assert!(refused.contains("other_shown") && !refused.contains(&hash), "{refused}");
    assert!(service.refused(&["approve", TICKET, "--shown", "yes"], 2).contains("64 lower-case"));
    assert_eq!(service.posted(), []);
    service.said(&["approve", TICKET, "--shown", &hash]);
    assert_eq!(service.posted()[0].1["shown"], json!(hash));
}

#[test]
fn a_service_that_shows_something_else_is_not_believed() {
    let asked = question(json!({ "text": "{\"build\":42}" })).to_string();
    let (mut about, other) = (about(&asked), Hash::of(b"other"));
    about["shown"] = json!(other);
    let service = Service::saying(vec![(TICKET.into(), reply(&about, &asked))]);
    let (ours, theirs) = (view(&asked).hash().to_string(), other.to_string());
    for words in [
        &["show", TICKET, "--full"][..],
        &["approve", TICKET],
        &["approve", TICKET, "--shown", &ours],
        &["approve", TICKET, "--shown", &theirs],
    ] {
        let refused = service.refused(words, 1);
        assert!(refused.contains("bring both to one version"), "{words:?}: {refused}");
    }
    assert_eq!(service.posted(), []);
}

/// What was written so, read back.
fn unnamed(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive('⟩') {
        let (plain, name) = part.split_once("⟨U+").unwrap_or((part, ""));
        out.push_str(plain);
        out.extend(u32::from_str_radix(name.trim_end_matches('⟩'), 16).ok().and_then(char::from_u32));
    }
    out
}

#[test]
fn json_is_shown_as_it_was_sent_where_that_is_asked_for() {
    let sent = "{\"a\": 1,\r\n\t\"\\u0061\":\"\\u202e\u{202e}⟨ ##[error]\",\n\n\"x\":1e0}";
    let asked = question(json!({ "text": sent })).to_string();
    let service = Service::with(&asked);
    assert!(!service.said(&["show", TICKET]).contains("as it was sent"));
    let shown = service.said(&["show", TICKET, "--raw"]);
    let (_, raw) = shown.split_once("body as it was sent:\n").unwrap();
    let lines: Vec<_> = raw.lines().map_while(|line| line.strip_prefix("    | ")).collect();
    let expected = [
        "{\"a\": 1,⟨U+000D⟩",
        "\t\"\\u0061\":\"\\u202e⟨U+202E⟩⟨U+27E8⟩ #⟨U+0023⟩[error]\",",
        "",
        "\"x\":1e0}",
    ];
    assert_eq!(lines, expected);
    assert_eq!(unnamed(&lines.join("\n")), sent, "every byte of it can be told");
    assert!(raw.ends_with(&format!("\nshown {}\n", view(&asked).hash())));
}

#[test]
fn a_tool_call_is_shown_as_the_message_that_it_was_sent_in() {
    let sent = "{ \"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\n\"params\":{\"name\":\"drop\",\"arguments\":{\"table\":\"a\"}}}";
    let service = Service::with(&question(json!({ "text": sent })).to_string());
    let shown = service.said(&["show", TICKET, "--raw"]);
    let (one, two) = sent.split_once('\n').unwrap();
    assert!(shown.contains(&format!("arguments as it was sent:\n    | {one}\n    | {two}\n")), "{shown}");
}
