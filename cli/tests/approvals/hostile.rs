//! Requests and services that want to act on whoever looks at them.

use std::io::{BufRead as _, BufReader};

use countersign_view::visible::{Lines, Piece, pieces};
use serde_json::{Value, json};

use crate::service::{Service, TICKET, about, question, reply, text};

/// Clears the screen, links, overwrites the line, turns text around, hides, and speaks to continuous integration.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]8;;http://a.example\u{1b}\\b\r\n::set-output name=c::d\n##[error]e\u{202e}\u{2066}\
    \u{200b}\u{a0}\u{ad}\u{e0041}\u{9b}1A\u{8}\u{feff}\u{2028}\u{2800}f";

/// What has to be one of a few words or the like.
const FIXED: [&str; 9] =
    ["ticket", "shown", "hash", "severity", "role", "body_sha256", "base64", "text", "id"];

/// The same with every other string hostile, and a hostile name in each object that may have any.
fn spoiled(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) => json!(format!("::error::{text}{HOSTILE}")),
        Value::Array(items) => items.iter().map(|item| spoiled(name, item)).collect(),
        Value::Object(members) => {
            let spoil = |(name, value): (&String, &Value)| {
                let fixed = FIXED.contains(&name.as_str());
                (name.clone(), if fixed { value.clone() } else { spoiled(name, value) })
            };
            let mut members: serde_json::Map<_, _> = members.iter().map(spoil).collect();
            if name == "context" {
                members.insert(HOSTILE.to_owned(), json!(HOSTILE));
            }
            Value::Object(members)
        }
        other => other.clone(),
    }
}

/// A question that is hostile wherever it can be, with this body.
fn asked(body: Value) -> String {
    let mut asked = spoiled("", &question(body));
    asked["gates"][0]["id"] = json!(format!("::error::{HOSTILE}"));
    asked["gates"][0]["group"]["id"] = json!(HOSTILE);
    asked["request"]["headers"] = json!([
        { "name": format!("::error::{HOSTILE}"), "value": { "text": HOSTILE }, "bound": false },
        { "name": HOSTILE, "value": { "base64": "AP8=" }, "bound": true },
    ]);
    asked.to_string()
}

/// Bodies: JSON with hostile names and strings, text that is none, and bytes.
fn bodies() -> [Value; 3] {
    let tree = "{\r\n\t\"##[error]\u{202e}\u{9b}\": \"::error::\u{200b}\u{e0041}\",\n\"::error::a\":[\"\\u001b[2J\"]}";
    [
        json!({ "text": tree }),
        json!({ "text": format!("{HOSTILE}\n  ::error::{HOSTILE}") }),
        json!({ "base64": "iVBORw0KGgoAAAANSUhEUg==" }),
    ]
}

fn service(body: Value) -> Service {
    let asked = asked(body);
    let about = spoiled("", &about(&asked));
    Service::saying(vec![(TICKET.into(), reply(&about, &asked))])
}

/// Nothing in it acts on a terminal, on its reader, or on the log of a job.
fn assert_tame(what: &str, said: &str) {
    let unseen = pieces(said, Lines::Many).find(|piece| matches!(piece, Piece::Unseen(_)));
    assert_eq!(unseen, None, "{what}: {said:?}");
    assert!(!said.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "{what}: {said:?}");
    assert!(!said.contains("##["), "{what}: {said:?}");
    let command = said.lines().find(|line| line.trim_start().starts_with("::"));
    assert_eq!(command, None, "{what}");
}

#[test]
fn nothing_of_a_request_acts_on_whoever_looks_at_it() {
    for body in bodies() {
        let service = service(body);
        for words in [
            &["ls"][..],
            &["show", TICKET],
            &["show", TICKET, "--full", "--raw"],
            &["reject", TICKET, "no"],
            &["flag", TICKET, "odd"],
        ] {
            let said = service.said(words);
            assert!(said.contains("⟨U+001B⟩[2J"), "{words:?} says it: {said:?}");
            assert_tame(&format!("{words:?}"), &said);
        }
    }
}

#[test]
fn json_for_programs_is_what_the_service_said_and_acts_on_nobody() {
    let service = service(bodies()[0].clone());
    let sent: Value = serde_json::from_str(&service.script.lock().unwrap().requests[0].1).unwrap();
    for words in [&["ls", "--json"][..], &["show", TICKET, "--json"], &["reject", TICKET, "no", "--json"]] {
        let said = service.said(words);
        assert_tame(&format!("{words:?}"), &said);
        let said: Value = serde_json::from_str(&said).unwrap();
        let members = said.as_object().unwrap();
        assert!(members.len() > 10 && said["method"].as_str().unwrap().ends_with(HOSTILE), "{said}");
        members.iter().for_each(|(name, value)| assert_eq!(value, &sent[name], "{words:?}"));
    }
}

#[test]
fn nothing_of_a_request_acts_on_the_terminal_where_it_is_approved() {
    for body in bodies() {
        let service = service(body);
        let (done, said) = service.typed(&["approve", TICKET, "--full", "--raw"], "y\n");
        assert!(done && said.contains("⟨U+001B⟩[2J"), "{said:?}");
        assert_tame("approve", &said);
        for words in [&["show", TICKET, "--question"][..], &["ls"], &["show", TICKET, "--full", "--raw"]] {
            let (done, said) = service.typed(words, "");
            assert!(done, "{said:?}");
            assert_tame(&format!("{words:?}"), &said);
        }
    }
}

#[test]
fn nothing_of_a_request_acts_on_whoever_watches() {
    for words in [&["watch"][..], &["watch", "--json"]] {
        let service = service(bodies()[0].clone());
        let mut watch = service.command(words).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(watch.stdout.take().unwrap()).read_line(&mut line).unwrap();
        watch.kill().unwrap();
        watch.wait().unwrap();
        assert!(line.contains("POST"), "{line:?}");
        assert_tame(&format!("{words:?}"), &line);
    }
}

#[test]
fn nothing_that_the_service_says_acts_on_its_reader() {
    let refusing = service(bodies()[0].clone());
    let said = format!("::error::{HOSTILE}");
    refusing.script.lock().unwrap().refusal = Some(json!({ "code": said, "detail": said }));
    let refused = refusing.refused(&["reject", TICKET, "no"], 1);
    assert!(refused.contains("⟨U+001B⟩[2J"), "{refused:?}");
    assert_tame("a refusal", &refused);
    // What is no request at all, and a ticket that is none.
    for reply in [json!(said).to_string(), format!("{{\"ticket\":{}}}", json!(said)), said.clone()] {
        let service = Service::saying(vec![(TICKET.into(), reply)]);
        for words in [&["show", TICKET][..], &["ls"]] {
            assert_tame(&format!("{words:?}"), &service.refused(words, 1));
        }
    }
    let asked = question(json!({ "text": "" })).to_string();
    let mut about = about(&asked);
    about["ticket"] = json!(said);
    let service = Service::saying(vec![(TICKET.into(), reply(&about, &asked))]);
    for words in [&["ls"][..], &["show", TICKET]] {
        assert_tame(&format!("{words:?}"), &service.said(words));
    }
}

#[test]
fn nothing_in_a_file_acts_on_whoever_renders_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(bodies()[0].clone());
    let path = folder.path().join("question.json");
    std::fs::write(&path, service.run(&["show", TICKET, "--question"]).stdout).unwrap();
    let (done, said) = service.typed(&["render", path.to_str().unwrap()], "");
    assert!(done && said.contains("⟨U+001B⟩[2J"), "{said:?}");
    assert_tame("render", &said);
    std::fs::write(&path, format!("{{\"cedar\":\"{HOSTILE}")).unwrap();
    let output = service.run(&["render", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4));
    assert_tame("no question", &text(&output.stderr));
}
