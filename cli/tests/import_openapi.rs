//! Documents modelled on real ones are imported; what comes of it loads, and a second import keeps what people wrote.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign_cli::import::{Arguments, Import, Plan};
use countersign_core::bundle::Bundle;
use countersign_core::engine::Rules;
use countersign_core::policy::PolicyLimits;

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name)
}

fn plan(file: &Path, into: &Path) -> Plan {
    let arguments = Arguments {
        file: file.into(),
        into: into.into(),
        name: None,
        hosts: Vec::new(),
        principals: Vec::new(),
    };
    Import::Openapi(arguments).plan().unwrap()
}

fn load(files: &BTreeMap<String, String>) -> Result<(), String> {
    let loaded = Bundle::from_files(files.clone())
        .and_then(|bundle| Rules::load(&bundle, &[], &PolicyLimits::default()));
    loaded.map(drop).map_err(|errors| errors.iter().map(|error| format!("{error}\n")).collect())
}

/// All that an import into an empty folder says and writes.
fn told(name: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&document(name), folder.path());
    load(&plan.files).unwrap_or_else(|errors| panic!("{errors}\n{:#?}", plan.files));
    let report: String = plan.report.iter().map(|line| format!("{line}\n")).collect();
    let files: String = plan.files.iter().map(|(name, text)| format!("=== {name}\n{text}")).collect();
    format!("{report}{files}")
}

#[test]
fn a_library_in_openapi_3_0() {
    insta::assert_snapshot!(told("library.json"));
}

#[test]
fn a_forge_in_openapi_3_1() {
    insta::assert_snapshot!(told("forge.yaml"));
}

/// A document with some of its text replaced, in a folder of its own.
fn changed(folder: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let mut text = std::fs::read_to_string(document("library.json")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let path = folder.join("library.json");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_second_import_keeps_what_people_wrote() {
    let (folder, documents) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let into = folder.path();
    plan(&document("library.json"), into).write(into).unwrap();
    assert_eq!(plan(&document("library.json"), into).changed, Vec::<String>::new());

    // A gate is taken into use, a route is tightened, another is taken out, and one is added by hand.
    let edit = |file: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(into.join(file)).unwrap();
        assert!(text.contains(from), "{from}\n{text}");
        std::fs::write(into.join(file), text.replacen(from, to, 1)).unwrap();
    };
    let gate = std::fs::read_to_string(into.join("city-library.cedar")).unwrap();
    let lines: Vec<_> = gate.lines().skip_while(|line| !line.contains("action removeBook")).collect();
    let commented = lines.get(1..5).unwrap().join("\n");
    edit("city-library.cedar", &commented, &commented.replace("// ", ""));
    edit("city-library.cedar", "@approval(\"owners\")", "@approval(\"librarians\")");
    std::fs::write(
        into.join("identities.yaml"),
        "groups: { librarians: { issuer: local, id: librarians } }\n",
    )
    .unwrap();
    edit(
        "routes.yaml",
        "limit: { from: \"query:limit\", type: Long, optional: true }",
        "limit: { from: \"query:limit\", type: Long, optional: true } # at most 100",
    );
    let routes = std::fs::read_to_string(into.join("routes.yaml")).unwrap();
    let mine = "\n  - match: { host: localhost, path: /health }\n    action: CityLibrary::Action::\"getBook\"\n    resource: CityLibrary::Books::\"none\"\n";
    std::fs::write(into.join("routes.yaml"), routes + mine).unwrap();

    let changes = [
        ("http://localhost:8080", "http://127.0.0.1:8080"),
        ("\"operationId\": \"returnLoan\"", "\"operationId\": \"giveBack\""),
        ("\"/imports\"", "\"/uploads\""),
    ];
    let again = plan(&changed(documents.path(), &changes), into);
    load(&again.files).unwrap_or_else(|errors| panic!("{errors}\n{:#?}", again.files));
    let news: Vec<_> = again.report.iter().filter(|line| !line.starts_with("skipped")).cloned().collect();
    insta::assert_snapshot!(news.join("\n"));
    let routes = again.files.get("routes.yaml").unwrap();
    assert!(routes.contains("# at most 100") && routes.contains("path: /health"), "{routes}");
    let gates = again.files.get("city-library.cedar").unwrap();
    assert!(
        gates.contains("\n@approval(\"librarians\")\n") && gates.contains("\n// @approval(\"owners\")\n"),
        "{gates}"
    );
}

#[test]
fn what_is_no_openapi_3_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let answer = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let arguments = Arguments {
            file: path.clone(),
            into: folder.path().join("new"),
            name: None,
            hosts: Vec::new(),
            principals: Vec::new(),
        };
        let error = Import::Openapi(arguments).plan().unwrap_err();
        format!("{:#}", error).replace(&path.display().to_string(), "a.yaml")
    };
    let nowhere = "openapi: 3.1.1\ninfo: { title: A }\npaths: { /a: { get: { responses: {} } } }";
    insta::assert_snapshot!(
        ["swagger: '2.0'", "openapi: 3.0.0\ninfo: {}\npaths: {}", "a: [", nowhere].map(answer).join("\n")
    );
}
