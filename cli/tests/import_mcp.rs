//! The answer to `tools/list` is imported: typed actions for tools, one route for the endpoint, gates to think about.

use std::path::{Path, PathBuf};

use countersign_cli::import::{Import, McpArguments, Plan};
use countersign_core::bundle::Bundle;
use countersign_core::engine::Rules;
use countersign_core::policy::PolicyLimits;

fn plan(file: &Path, into: &Path) -> anyhow::Result<Plan> {
    let arguments = McpArguments {
        file: file.into(),
        into: into.into(),
        server: "forge".into(),
        hosts: vec!["mcp.forge.example".into()],
        path: "/mcp".into(),
    };
    Import::Mcp(arguments).plan()
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/tools.json")
}

#[test]
fn tools_of_a_forge() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&tools(), folder.path()).unwrap();
    let mut shown = plan.files.clone();
    // They ship with the product.
    assert!(shown.remove("mcp.cedarschema").is_some() && shown.remove("http.cedarschema").is_some());
    let report: String = plan.report.iter().map(|line| format!("{line}\n")).collect();
    let files: String = shown.iter().map(|(name, text)| format!("=== {name}\n{text}")).collect();
    insta::assert_snapshot!(format!("{report}{files}"));
}

#[test]
fn its_schema_loads_and_a_second_import_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = plan(&tools(), folder.path()).unwrap();
    let mut files = first.files.clone();
    files.remove("routes.yaml");
    let loaded =
        Bundle::from_files(files).and_then(|bundle| Rules::load(&bundle, &[], &PolicyLimits::default()));
    assert!(loaded.is_ok(), "{:?}", loaded.err());
    first.write(folder.path()).unwrap();
    let second = plan(&tools(), folder.path()).unwrap();
    assert_eq!(second.changed, Vec::<String>::new());
    assert!(!second.report.iter().any(|line| line.contains("no longer")), "{:?}", second.report);
}

#[test]
fn the_result_alone_and_the_list_alone_are_the_same() {
    let (folder, documents) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let whole: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(tools()).unwrap()).unwrap();
    let files = plan(&tools(), folder.path()).unwrap().files;
    let path = documents.path().join("tools.json");
    for pointer in ["/result", "/result/tools"] {
        std::fs::write(&path, whole.pointer(pointer).unwrap().to_string()).unwrap();
        assert_eq!(plan(&path, folder.path()).unwrap().files, files, "{pointer}");
    }
    std::fs::write(&path, "{\"error\":{\"code\":-32601}}").unwrap();
    let error = plan(&path, folder.path()).map(|_| ()).unwrap_err();
    assert!(format!("{error:#}").ends_with("it has no list `tools`"), "{error:#}");
}
