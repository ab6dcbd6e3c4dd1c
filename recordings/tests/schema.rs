//! The JSON Schema of the native form says what its reader says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::path::Path;

use countersign_protocol::recording::{Decision, Doing, Entry, Fault, Fidelity, Operation, lost};
use countersign_recordings::{Imported, Options, open};
use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn written() -> Value {
    serde_json::from_str(&read("../protocol/recording.schema.json")).unwrap()
}

fn schema() -> Validator {
    jsonschema::options().should_validate_formats(true).build(&written()).unwrap()
}

/// Every word that an enumeration is read from: the reader names them when it gets another one.
fn words<T: DeserializeOwned>() -> Value {
    let error = serde_json::from_value::<T>(json!("?")).err().unwrap().to_string();
    error.split('`').skip(3).step_by(2).collect()
}

/// An entry with every member.
fn full() -> Value {
    json!({
        "v": 1, "id": "a", "ts": 1_767_323_045_678_i64,
        "source": { "kind": "har", "tool": "mitmproxy 11", "entry": 3 },
        "fidelity": "gateway", "lost": ["chunks"],
        "peer": { "address": "2001:db8::1", "uri_san": "spiffe://example.org/agent" },
        "route": "shop", "claims": { "jwt": { "sub": "agent" } },
        "request": {
            "headers": [[":method", "POST"], ["x-latin", { "b64": "6Q==" }]],
            "body": { "b64": "AP8=" }, "chunks": [1, 1], "trailers": [["x-checksum", "17"]]
        },
        "leaves": "30s",
        "people": [{ "after": "3s", "do": "approve", "by": "b", "issuer": "https://id.example", "groups": ["sre"], "amr": ["otp"], "reason": "fine" }],
        "service": [{ "from": "1s", "to": "2m", "is": "answer_lost", "on": ["ask", "evidence"] }],
        "expect": { "decision": "ask", "status": 200, "reason": "x", "policies": ["p"], "upstream": true, "records": ["held"] }
    })
}

#[test]
fn real_entries_fit() {
    let schema = schema();
    let fits = |value: &Value| schema.validate(value).map_err(|error| error.to_string());
    assert_eq!(fits(&full()), Ok(()));
    let again: Entry = serde_json::from_value(full()).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), full());
    for name in ["har/mitmproxy.har", "tap/streamed.pb", "vcr/ruby.yml", "audit/handmade.log"] {
        let file =
            std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name));
        for item in open(file.unwrap(), &Options::default()).unwrap() {
            if let Imported::Entry(entry) = item.unwrap() {
                assert_eq!(fits(&serde_json::to_value(&entry).unwrap()), Ok(()), "{name}");
            }
        }
    }
}

#[test]
fn the_examples_fit() {
    let schema = schema();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let examples = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = examples.filter(|path| path.is_dir()).flat_map(|path| std::fs::read_dir(path).unwrap());
    let files = files.map(|file| file.unwrap().path());
    let mut lines = 0;
    for path in files.filter(|path| path.extension().is_some_and(|name| name == "jsonl")) {
        for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            let error =
                schema.validate(&serde_json::from_str(line).unwrap()).err().map(|error| error.to_string());
            assert_eq!(error, None, "{}:{}", path.display(), number + 1);
            lines += 1;
        }
    }
    assert!(lines > 50, "{lines} entries");
}

#[test]
fn the_schema_names_every_word_that_is_read() {
    let schema = written();
    for (place, words) in [
        ("/fidelity", words::<Fidelity>()),
        ("/people/items/properties/do", words::<Doing>()),
        ("/service/items/properties/is", words::<Fault>()),
        ("/service/items/properties/on/items", words::<Operation>()),
        ("/expect/properties/decision", words::<Decision>()),
    ] {
        let named = schema.pointer(&format!("/properties{place}/enum")).unwrap().as_array().unwrap();
        let named: Value = named.iter().filter(|word| !word.is_null()).cloned().collect();
        assert_eq!(named, words, "{place}");
        let page = read("../docs/recordings.md");
        for word in named.as_array().unwrap().iter().filter_map(Value::as_str) {
            assert!(
                place.starts_with("/expect") || page.contains(&format!("`{word}`")),
                "the page lacks `{word}`"
            );
        }
    }
}

/// Each is wrong to both.
#[test]
fn wrong_entries_do_not_fit() {
    let schema = schema();
    let cases = [
        ("/v", json!("1")),
        ("/ts", json!(1.5)),
        ("/ts", json!("2026-01-01")),
        ("/fidelity", json!("exact")),
        ("/lost", json!("chunks")),
        ("/source", json!({ "kind": "har" })),
        ("/source/entry", json!(-1)),
        ("/peer/address", json!("localhost")),
        ("/peer", json!({ "port": 1 })),
        ("/claims", json!([])),
        ("/request", json!({})),
        ("/request/headers", json!({ "a": "b" })),
        ("/request/headers/0", json!(["a"])),
        ("/request/headers/0", json!(["a", "b", "c"])),
        ("/request/headers/0/1", json!(1)),
        ("/request/body", json!({ "b64": "not base64!" })),
        ("/request/body", json!({ "base64": "AP8=" })),
        ("/request/chunks", json!([-1])),
        ("/leaves", json!("3 s")),
        ("/people/0", json!({ "do": "approve" })),
        ("/people/0/do", json!("shrug")),
        ("/people/0/after", json!("1.5s")),
        ("/service/0", json!({ "from": "1s" })),
        ("/service/0/is", json!("slow")),
        ("/service/0/on", json!(["vote"])),
        ("/expect/decision", json!("maybe")),
        ("/expect/status", json!(70_000)),
        ("/expect", json!({ "verdict": "allow" })),
    ];
    for (pointer, wrong) in cases {
        let mut entry = full();
        *entry.pointer_mut(pointer).unwrap() = wrong.clone();
        assert!(!schema.is_valid(&entry), "the schema takes {wrong} at {pointer}");
        assert!(serde_json::from_value::<Entry>(entry).is_err(), "the reader takes {wrong} at {pointer}");
    }
    for name in ["v", "id", "ts", "fidelity", "request"] {
        let mut entry = full();
        entry.as_object_mut().unwrap().remove(name);
        assert!(
            !schema.is_valid(&entry) && serde_json::from_value::<Entry>(entry).is_err(),
            "without {name}"
        );
    }
}

#[test]
fn the_schema_names_every_word_of_what_is_lost() {
    let words = [
        lost::AUTHORITY,
        lost::BODY,
        lost::BODY_BYTES,
        lost::CHUNKS,
        lost::CONTENT_ENCODING,
        lost::CONTENT_LENGTH,
        lost::HEADER_BYTES,
        lost::HEADER_ORDER,
        lost::HEADERS,
        lost::HEADERS_AT_END,
        lost::METHOD,
        lost::PEER,
        lost::QUERY_ORDER,
        lost::SECRETS,
        lost::TIME,
        lost::TRAILERS,
    ];
    assert_eq!(written().pointer("/properties/lost/items/examples").unwrap(), &json!(words));
}
