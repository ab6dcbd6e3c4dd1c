//! The answer to `tools/list` is imported: typed actions for tools, one route for the endpoint, gates to think about.

use std::collections::BTreeMap;
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
        principals: Vec::new(),
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

fn loads(files: BTreeMap<String, String>) {
    let loaded =
        Bundle::from_files(files).and_then(|bundle| Rules::load(&bundle, &[], &PolicyLimits::default()));
    assert!(loaded.is_ok(), "{:?}", loaded.err());
}

#[test]
fn callers_of_ones_own_and_a_gate_that_is_used_load_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let own = "namespace Desk { entity User; entity Agent { owner?: User }; }\n";
    let people = "people: { Desk::User: { issuer: local } }\nagents: { Desk::Agent: { owner: owner } }\n\
                  groups: { maintainers: { issuer: local, id: maintainers } }\n";
    std::fs::write(folder.path().join("desk.cedarschema"), own).unwrap();
    std::fs::write(folder.path().join("identities.yaml"), people).unwrap();
    let arguments = McpArguments {
        file: tools(),
        into: folder.path().into(),
        server: "forge".into(),
        hosts: vec!["mcp.forge.example".into()],
        path: "/mcp".into(),
        principals: vec!["Desk::Agent".into(), "Desk::User".into()],
    };
    let first = Import::Mcp(arguments.clone()).plan().unwrap();
    assert!(!first.files.contains_key("http.cedarschema"));
    assert!(first.files["mcp.cedarschema"].contains("principal: [Desk::Agent, Desk::User]"));
    loads(first.files.clone());
    first.write(folder.path()).unwrap();
    // Somebody takes the comment marks of a gate away, and names a group.
    let path = folder.path().join("forge.cedar");
    let gates = std::fs::read_to_string(&path).unwrap();
    let (before, gate) = gates.split_once("\n// @").unwrap();
    let (gate, rest) = gate.split_once("\n\n").unwrap_or((gate, ""));
    let used = format!("// @{gate}").replace("// ", "").replace("owners", "maintainers");
    std::fs::write(&path, format!("{before}\n{used}\n\n{rest}")).unwrap();
    let second = Import::Mcp(arguments).plan().unwrap();
    assert!(second.files["forge.cedar"].contains(used.trim_end()), "{}", second.files["forge.cedar"]);
    assert_eq!(second.changed, Vec::<String>::new());
    loads(second.files);
}

#[test]
fn other_callers_than_the_folder_has_are_told() {
    let import = |folder: &Path, principals: &[&str]| {
        let arguments = McpArguments {
            file: tools(),
            into: folder.into(),
            server: "forge".into(),
            hosts: vec!["mcp.forge.example".into()],
            path: "/mcp".into(),
            principals: principals.iter().map(ToString::to_string).collect(),
        };
        Import::Mcp(arguments).plan().unwrap()
    };
    let notes = |plan: &Plan| {
        plan.report.iter().filter(|line| line.starts_with("note: ")).cloned().collect::<Vec<_>>()
    };
    let (plain, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (folder, principals, others, told) in [
        (
            &plain,
            &[][..],
            &["Desk::User"][..],
            "[Http::Client, Http::User], and those of the imported tools [Desk::User]",
        ),
        (
            &own,
            &["Desk::User"],
            &[],
            "[Desk::User], and those of the imported tools [Http::Client, Http::User]",
        ),
        (
            &own,
            &["Desk::User"],
            &["Desk::Agent", "Desk::User"],
            "[Desk::User], and those of the imported tools [Desk::Agent, Desk::User]",
        ),
    ] {
        let first = import(folder.path(), principals);
        assert_eq!(notes(&first), Vec::<String>::new());
        first.write(folder.path()).unwrap();
        assert_eq!(notes(&import(folder.path(), principals)), Vec::<String>::new());
        let expected = format!(
            "note: the callers of mcp.cedarschema are {told}: name the first by `--principal`, or change that file"
        );
        assert_eq!(notes(&import(folder.path(), others)), [expected]);
    }
}

#[test]
fn its_schema_loads_and_a_second_import_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = plan(&tools(), folder.path()).unwrap();
    loads(first.files.clone());
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
