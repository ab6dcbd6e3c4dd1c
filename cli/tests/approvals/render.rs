//! What was shown is made again of a question that was kept, byte for byte.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use countersign_protocol::Hash;
use serde_json::json;

use crate::service::{Service, question, text, view};

/// A question with what a terminal or a log would not print as it is.
fn asked() -> String {
    let mut asked = question(json!({ "text": "##[error]a\u{202e}\t::b\n::c" }));
    asked["request"]["path"] = json!("/##[group]?\u{1b}[2J=⟨");
    asked.to_string()
}

/// Renders these bytes: what was said, and on which standard stream.
fn rendered(question: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("question.json");
    std::fs::write(&path, question).unwrap();
    render(&path)
}

fn render(path: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    // Nothing is asked of any service, so it needs none.
    command.args(["approvals", "--url", "http://127.0.0.1:1", "render"]).arg(path);
    command.env_remove("COUNTERSIGN_TOKEN").env_remove("HOME").stdin(Stdio::null()).output().unwrap()
}

#[test]
fn what_is_printed_is_the_canonical_text_and_its_hash_is_that_which_answers_name() {
    let asked = asked();
    let output = rendered(asked.as_bytes());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), view(&asked).to_string());
    assert!(text(&output.stdout).contains("##[error]a⟨U+202E⟩\t::b\n    | ::c\n"), "as it is hashed");
    assert_eq!(Hash::of(&output.stdout), view(&asked).hash());
    assert_eq!(text(&output.stderr), format!("shown {}\n", view(&asked).hash()));
}

#[test]
fn one_byte_more_or_another_one_in_the_question_has_another_hash() {
    let (asked, shown) = (asked(), view(&asked()).hash());
    for changed in [
        asked.replacen("\"build\":42", "\"build\":43", 1),
        asked.replacen("\"build\":42", "\"build\": 42", 1),
        asked.replacen("second look", "second lo\u{43e}k", 1),
        asked.replacen("\\u001b", "\\u001B", 1),
        format!("{asked}\n"),
    ] {
        assert_ne!(changed, asked);
        let output = rendered(changed.as_bytes());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let hash = Hash::of(&output.stdout);
        assert_ne!(hash, shown, "{changed}");
        assert_eq!(text(&output.stderr), format!("shown {hash}\n"));
    }
}

#[test]
fn on_a_terminal_it_is_printed_as_everything_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("question.json");
    std::fs::write(&path, asked()).unwrap();
    let (done, said) = Service::saying(vec![]).typed(&["render", path.to_str().unwrap()], "");
    assert!(done && said.contains("#⟨U+0023⟩[error]a⟨U+202E⟩\t::b"), "{said}");
    assert!(said.ends_with(&format!("shown {}\n", view(&asked()).hash())), "{said}");
}

#[test]
fn what_is_no_question_is_not_rendered() {
    for (bytes, why) in [
        (&b"{}"[..], "this is no question that this version can read: missing field"),
        (b"", "this is no question that this version can read: EOF"),
        (b"\xff", "cannot read"),
    ] {
        let output = rendered(bytes);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(4), String::new()));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
    let output = render(Path::new("/there/is/none"));
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).starts_with("cannot read `/there/is/none`"));
}
