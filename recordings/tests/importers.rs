//! What each importer makes of what real tools wrote: the fixtures' README says how they were recorded.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use countersign_protocol::recording::{Bytes, Entry};
use countersign_recordings::{Format, Imported, Options, in_order, native, open};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn read(bytes: &[u8]) -> Vec<Imported> {
    open(bytes, &Options::default()).unwrap().map(|item| item.unwrap()).collect()
}

fn import(name: &str) -> Vec<Imported> {
    read(&std::fs::read(fixture(name)).unwrap())
}

fn text(bytes: &Bytes) -> String {
    let text = String::from_utf8(bytes.0.clone());
    text.unwrap_or_else(|_| serde_json::to_string(bytes).unwrap())
}

/// An entry to be read by people. What differs from one recording to the next is left out.
fn show(out: &mut String, entry: &Entry) {
    let source = entry.source.as_ref().unwrap();
    let tool = source.tool.as_deref().unwrap_or("-");
    writeln!(out, "{} at {} by {tool}, {:?}", entry.id, entry.ts, entry.fidelity).unwrap();
    writeln!(out, "  lost {}", entry.lost.join(" ")).unwrap();
    if let Some(address) = entry.peer.address {
        writeln!(out, "  peer {address}").unwrap();
    }
    for (key, claims) in &entry.claims {
        writeln!(out, "  claims {key} {claims}").unwrap();
    }
    for (name, value) in &entry.request.headers {
        writeln!(out, "  {name}: {}", text(value)).unwrap();
    }
    if let Some(body) = &entry.request.body {
        writeln!(out, "  = {}", text(body).escape_debug()).unwrap();
    }
    if !entry.request.chunks.is_empty() {
        writeln!(out, "  chunks {:?}", entry.request.chunks).unwrap();
    }
    for (name, value) in &entry.request.trailers {
        writeln!(out, "  trailer {name}: {}", text(value)).unwrap();
    }
}

fn shown(items: &[Imported]) -> String {
    let mut out = String::new();
    for item in items {
        match item {
            Imported::Entry(entry) => show(&mut out, entry),
            Imported::Skipped(note) => writeln!(out, "{note}").unwrap(),
        }
    }
    out
}

fn entries(items: Vec<Imported>) -> Vec<Entry> {
    let entry = |item| match item {
        Imported::Entry(entry) => Some(*entry),
        Imported::Skipped(_) => None,
    };
    items.into_iter().filter_map(entry).collect()
}

const FIXTURES: [(&str, Format); 18] = [
    ("har/chromium-http1.har", Format::Har),
    ("har/chromium-http1-sanitized.har", Format::Har),
    ("har/chromium-http2.har", Format::Har),
    ("har/chromium-http2-sanitized.har", Format::Har),
    ("har/mitmproxy.har", Format::Har),
    ("har/firefox-dialect.handmade.har", Format::Har),
    ("har/safari-dialect.handmade.har", Format::Har),
    ("tap/buffered-bytes.json", Format::EnvoyTap),
    ("tap/buffered-string.json", Format::EnvoyTap),
    ("tap/buffered.pb", Format::EnvoyTap),
    ("tap/streamed-bytes.json", Format::EnvoyTap),
    ("tap/streamed.pb", Format::EnvoyTap),
    ("vcr/ruby.yml", Format::Vcr),
    ("vcr/ruby-exact.yml", Format::Vcr),
    ("vcr/ruby-exact.json", Format::Vcr),
    ("vcr/vcrpy.yaml", Format::Vcr),
    ("vcr/vcrpy.json", Format::Vcr),
    ("audit/handmade.log", Format::KubernetesAudit),
];

#[test]
fn fixtures_are_read_as_they_should_be() {
    for (name, format) in FIXTURES {
        let bytes = std::fs::read(fixture(name)).unwrap();
        assert_eq!(open(bytes.as_slice(), &Options::default()).unwrap().format(), format, "{name}");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name.replace(['/', '.'], "-"), shown(&read(&bytes)));
        });
    }
}

#[test]
fn every_fixture_becomes_a_native_recording() {
    for (name, _) in FIXTURES {
        let mut writer = native::Writer::new(Vec::new());
        let bytes = std::fs::read(fixture(name)).unwrap();
        for item in in_order(open(bytes.as_slice(), &Options::default()).unwrap()) {
            if let Imported::Entry(entry) = item.unwrap() {
                writer.write(&entry).unwrap();
            }
        }
        let written = writer.finish().unwrap();
        let again = entries(read(&written));
        assert_eq!(again.len(), entries(import(name)).len(), "{name}");
    }
}

/// The requests of all forms of a tap are the same.
#[test]
fn the_forms_of_a_tap_agree() {
    let requests = |name: &str| -> Vec<_> {
        let kept = |(name, _): &(String, Bytes)| name != "x-request-id";
        let request = |entry: Entry| {
            let headers: Vec<_> = entry.request.headers.into_iter().filter(kept).collect();
            (headers, entry.request.body, entry.request.trailers, entry.lost.contains(&"body".to_owned()))
        };
        let mut all: Vec<_> = entries(import(name)).into_iter().map(request).collect();
        all.sort_by(|one, other| {
            one.0.iter().map(|pair| &pair.1.0).cmp(other.0.iter().map(|pair| &pair.1.0))
        });
        all
    };
    let buffered = requests("tap/buffered.pb");
    assert_eq!(buffered.len(), 9);
    for name in ["tap/buffered-bytes.json", "tap/streamed-bytes.json", "tap/streamed.pb"] {
        assert_eq!(requests(name), buffered, "{name}");
    }
}

/// Segments of many traces, one of each in turn.
#[test]
fn segments_of_traces_may_come_in_turn() {
    let bytes = std::fs::read(fixture("tap/streamed-bytes.json")).unwrap();
    let values: Vec<serde_json::Value> =
        serde_json::Deserializer::from_slice(&bytes).into_iter().collect::<Result<_, _>>().unwrap();
    let id = |value: &serde_json::Value| value["http_streamed_trace_segment"]["trace_id"].clone();
    let mut by_trace: Vec<Vec<serde_json::Value>> = Vec::new();
    for value in values {
        match by_trace.iter_mut().find(|trace| id(&trace[0]) == id(&value)) {
            Some(trace) => trace.push(value),
            None => by_trace.push(vec![value]),
        }
    }
    let mut mixed = String::new();
    for turn in 0..8 {
        for value in by_trace.iter().filter_map(|trace| trace.get(turn)) {
            mixed.push_str(&value.to_string());
        }
    }
    let plain = |items| entries(items).into_iter().map(|entry| (entry.request, entry.ts)).collect::<Vec<_>>();
    assert_eq!(plain(read(mixed.as_bytes())), plain(import("tap/streamed-bytes.json")));
}

#[test]
fn what_is_cut_short_gives_what_is_there_and_then_an_error() {
    for (name, _) in FIXTURES {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let cut = &bytes[..bytes.len() * 9 / 10];
        let options = Options { name: Some("cut.file".into()), ..Options::default() };
        let items: Vec<_> = open(cut, &options).unwrap().collect();
        assert!(items.len() > 1, "{name}");
        if name.starts_with("vcr/") && !name.ends_with("json") {
            continue; // A list that ends early is whole in YAML.
        }
        let error = items.last().unwrap().as_ref().unwrap_err().to_string();
        assert!(error.starts_with("cut.file: "), "{error}");
    }
}

#[test]
fn a_format_can_be_given() {
    let options = Options { format: Some(Format::Har), name: Some("a.log".into()), ..Options::default() };
    let error = open(&b"{}"[..], &options).unwrap().next().unwrap().unwrap_err().to_string();
    assert!(error.starts_with("a.log: after 0 entries: has no `log`"), "{error}");
    let unknown = open(&b"hello"[..], &Options::default()).err().unwrap().to_string();
    assert!(unknown.contains("name the format"), "{unknown}");
}

#[test]
fn requests_without_a_time_get_that_of_their_neighbours() {
    let request = |time: &str| {
        let request = r#"{"method":"GET","url":"http://a.example/","headers":[],"httpVersion":"","cookies":[],"queryString":[],"headersSize":-1,"bodySize":-1}"#;
        format!(r#"{{{time}"request":{request}}}"#)
    };
    let time = |day: u8| format!(r#""startedDateTime":"2026-01-0{day}T00:00:00Z","#);
    let entries = [request(""), request(&time(2)), request(""), request(&time(3))].join(",");
    let har = format!(
        r#"{{"log":{{"version":"1.2","creator":{{"name":"t","version":"1"}},"entries":[{entries}]}}}}"#
    );
    let times: Vec<_> = read(har.as_bytes())
        .into_iter()
        .map(|item| match item {
            Imported::Entry(entry) => (entry.ts, entry.lost.iter().any(|lost| lost == "time")),
            Imported::Skipped(note) => panic!("{note}"),
        })
        .collect();
    let (second, third) = (1_767_312_000_000, 1_767_398_400_000);
    assert_eq!(times, [(second, true), (second, false), (second, true), (third, false)]);
}

#[test]
fn aliases_that_grow_are_refused() {
    let repeated = |times: usize| vec!["*a"; times].join(", ");
    let text = "x".repeat(1 << 20);
    let cassette =
        format!("http_interactions:\n- request:\n    note: &a {text}\n    more: [{}]\n", repeated(70));
    let refused = open(cassette.as_bytes(), &Options::default()).unwrap().find_map(Result::err).unwrap();
    assert!(refused.to_string().contains("an interaction has more than"), "{refused}");
}
