//! From evidence and question to what somebody saw when they answered.

use std::path::PathBuf;

use countersign_protocol::evidence::{Chain, Lane, Members};
use countersign_protocol::person::Person;
use countersign_protocol::{Hash, Token};
use serde_json::json;
use tempfile::TempDir;

use crate::service::{Service, TICKET, about, question, reply, text, view};

/// A question as a gateway may spell it: with white space, and a number that JSON readers change.
fn asked() -> String {
    question(json!({ "text": "{\"build\":42}" })).to_string().replacen(
        "\"build\":42",
        "\"build\" :\t4.20e1",
        1,
    )
}

/// The records of a request that was answered, each answer to what has that hash.
fn records(answers: &[(&str, &str, &str, Hash)]) -> String {
    let mut chain = Chain::new(Token([9; 16]), Lane::Held);
    let ticket = Members::default().with("ticket", TICKET);
    let mut lines =
        vec![chain.append(1_700_000_000_000, "ticket_asked", &ticket.clone().with("detail", "edge"))];
    for (kind, who, why, shown) in answers {
        let person = Person { issuer: "local".into(), subject: (*who).into() };
        let rendering = if *shown == Hash::of(b"other") { 1 } else { countersign_view::VERSION };
        let members = ticket.clone().with("person", person).with("detail", why).with("shown", shown);
        let members = members.with("rendering", rendering);
        lines.push(chain.append(1_700_000_001_000, kind, &members));
    }
    lines.push(chain.append(1_700_000_002_000, "ticket_approved", &ticket));
    lines.iter().map(|record| format!("{}\n", record.line)).collect()
}

/// Keeps what a command prints.
fn kept(folder: &TempDir, name: &str, service: &Service, words: &[&str]) -> PathBuf {
    let (path, output) = (folder.path().join(name), service.run(words));
    assert!(output.status.success(), "{}", text(&output.stderr));
    std::fs::write(&path, output.stdout).unwrap();
    path
}

#[test]
fn an_auditor_renders_again_what_each_of_them_saw() {
    let (asked, folder) = (asked(), tempfile::tempdir().unwrap());
    let (shown, other) = (view(&asked).hash(), Hash::of(b"other"));
    let service = Service::saying(vec![(TICKET.into(), reply(&about(&asked), &asked))]);
    let evidence = records(&[
        ("ticket_flag", "cleo", "odd\nhour\u{202e}", shown),
        ("ticket_approve", "ben", "fine", shown),
        ("ticket_broke_glass", "gail", "it burns", shown),
        ("ticket_reject", "dora", "no", other),
    ]);
    service.script.lock().unwrap().evidence.clone_from(&evidence);
    let records = kept(&folder, "records", &service, &["evidence", "3f2a"]);
    let question = kept(&folder, "question", &service, &["show", "3f2a", "--question"]);
    assert_eq!(std::fs::read_to_string(&records).unwrap(), evidence, "as they are kept");
    assert_eq!(std::fs::read_to_string(&question).unwrap(), asked, "byte for byte");
    let [records, question] = [&records, &question].map(|path| path.to_str().unwrap());
    let output = service.run(&["render", question, "--answers", records]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(Hash::of(&output.stdout), shown);
    let hash = |line: usize| Hash::of(evidence.lines().nth(line).unwrap().as_bytes());
    let at = "2023-11-14 22:13:21 UTC";
    let expected = format!(
        "shown {shown}\n\
         answers among these records, which this command does not check:\n\
         cleo at local flagged this, {at} (record {}): odd⟨U+000A⟩hour⟨U+202E⟩\n\
         ben at local approved exactly this, {at} (record {}): fine\n\
         gail at local opened alone exactly this, {at} (record {}): it burns\n\
         dora at local rejected a rendering of version 1, not of 2 as this release makes it, {at} (record {}): no\n",
        hash(1),
        hash(2),
        hash(3),
        hash(4)
    );
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn an_answer_to_something_else_is_none_to_this() {
    let (asked, folder) = (asked(), tempfile::tempdir().unwrap());
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let service = Service::saying(vec![]);
    let shown = view(&asked).hash();
    let records = write("records", &records(&[("ticket_approve", "ben", "fine", shown)]));
    let changed = write("changed", &asked.replacen("4.20e1", "4.2e1", 1));
    let refused = service.refused(&["render", &changed, "--answers", &records], 1);
    assert!(refused.ends_with("no answer in these records was to this\n"), "{refused}");
    let asked = write("question", &asked);
    let broken = write("broken", "{\"v\":1}\n");
    let refused = service.refused(&["render", &asked, "--answers", &broken], 4);
    assert!(refused.contains("broken`, line 1: not an audit record: missing field"), "{refused}");
}
