//! gRPC services are imported: what their messages are, typed actions, a route for each method, gates to think about.

use std::path::{Path, PathBuf};

use countersign_cli::import::{GrpcArguments, Import, Plan};
use countersign_core::bundle::Bundle;
use countersign_core::engine::Rules;
use countersign_core::policy::PolicyLimits;

fn plan(file: &Path, into: &Path) -> anyhow::Result<Plan> {
    let arguments = GrpcArguments {
        file: file.into(),
        proto_path: Vec::new(),
        into: into.into(),
        name: None,
        hosts: vec!["orders.example".into()],
        principals: Vec::new(),
    };
    Import::Grpc(arguments).plan()
}

fn shop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/shop.proto")
}

#[test]
fn services_of_a_shop() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&shop(), folder.path()).unwrap();
    let report: String = plan.report.iter().map(|line| format!("{line}\n")).collect();
    let files: String = plan.files.iter().map(|(name, text)| format!("=== {name}\n{text}")).collect();
    insta::assert_snapshot!(format!("{report}{files}"));
}

fn loads(plan: &Plan) {
    let bundle = Bundle::from_files(plan.files.clone());
    let loaded = bundle.and_then(|bundle| Rules::load(&bundle, &[], &PolicyLimits::default()));
    assert!(loaded.is_ok(), "{:?}", loaded.err());
}

#[test]
fn a_service_without_messages_of_its_own_loads() {
    let (folder, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = sources.path().join("small.proto");
    let text = "syntax = \"proto3\"; package small; message No {} service S { rpc Do(No) returns (No); rpc Say(stream No) returns (No); }";
    std::fs::write(&path, text).unwrap();
    loads(&plan(&path, folder.path()).unwrap());
    std::fs::write(&path, text.replace("rpc Do(No) returns (No);", "")).unwrap();
    loads(&plan(&path, &folder.path().join("other")).unwrap());
}

#[test]
fn what_is_imported_loads_and_a_second_import_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = plan(&shop(), folder.path()).unwrap();
    loads(&first);
    first.write(folder.path()).unwrap();
    let second = plan(&shop(), folder.path()).unwrap();
    assert_eq!(second.changed, Vec::<String>::new());
    assert!(!second.report.iter().any(|line| line.contains("no longer")), "{:?}", second.report);
}

/// A file of these lines after `syntax`, under its name.
fn source(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("syntax = \"proto3\"; {text}")).unwrap();
    path
}

fn error(plan: anyhow::Result<Plan>) -> String {
    format!("{:#}", plan.map(|_| ()).unwrap_err())
}

#[test]
fn two_apis_share_a_type() {
    let (folder, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let api = |name: &str| {
        let text = format!(
            "package {name}; import \"money.proto\"; \
             service S {{ rpc Pay(Bill) returns (Bill); }} message Bill {{ repeated money.Money all = 1; }}"
        );
        source(sources.path(), &format!("{name}.proto"), &text)
    };
    let money = |fields: &str| {
        let text = format!("package money; message Money {{ int64 units = 1; {fields} }}");
        source(sources.path(), "money.proto", &text)
    };
    money("");
    let (a, b) = (api("a"), api("b"));
    let import = |file: &Path| {
        let plan = plan(file, folder.path()).unwrap();
        loads(&plan);
        plan.write(folder.path()).unwrap();
        plan
    };
    import(&a);
    let second = import(&b);
    assert_eq!(second.files["messages.yaml"].matches("money.Money:").count(), 1);
    for again in [&a, &b] {
        assert_eq!(import(again).changed, Vec::<String>::new());
    }
    // The type gets a field: the API that brought it goes first.
    money("int32 nanos = 2;");
    let refused = error(plan(&b, folder.path()));
    assert!(refused.contains("`messages.yaml`: `money.Money` is there from the import of `a`"), "{refused}");
    assert!(refused.contains("import `a` again with the same files"), "{refused}");
    assert_eq!(import(&a).changed, ["messages.yaml"]);
    assert_eq!(import(&b).changed, Vec::<String>::new());
}

#[test]
fn a_descriptor_set_says_the_same_as_its_source() {
    let (folder, sets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let set = protox::compile([shop()], [shop().parent().unwrap()]).unwrap();
    let path = sets.path().join("shop.binpb");
    std::fs::write(&path, prost::Message::encode_to_vec(&set)).unwrap();
    let (from_set, from_source) =
        (plan(&path, folder.path()).unwrap(), plan(&shop(), folder.path()).unwrap());
    assert_eq!(from_set.files, from_source.files);
    std::fs::write(&path, "syntax").unwrap();
    let none = "it cannot be read as a descriptor set of proto2 or proto3 with all that it imports: ";
    let refused = error(plan(&path, folder.path()));
    assert!(refused.contains(none), "{refused}");
    let mut set = set;
    for file in &mut set.file {
        file.syntax = Some("editions".to_owned());
    }
    std::fs::write(&path, prost::Message::encode_to_vec(&set)).unwrap();
    let refused = error(plan(&path, folder.path()));
    assert!(
        refused.contains(&format!("{none}`")) && refused.ends_with("` has the syntax `editions`"),
        "{refused}"
    );
}

#[test]
fn services_of_imported_files_are_another_api() {
    let (folder, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = "package base; message M { string id = 1; } service Jobs { rpc Get(M) returns (M); }";
    source(sources.path(), "base.proto", text);
    let text = "package app; import \"base.proto\"; service App { rpc Do(base.M) returns (base.M); }";
    let path = source(sources.path(), "app.proto", text);
    let set = protox::compile([&path], [sources.path()]).unwrap();
    let binary = sources.path().join("app.binpb");
    std::fs::write(&binary, prost::Message::encode_to_vec(&set)).unwrap();
    for file in [&path, &binary] {
        let plan = plan(file, folder.path()).unwrap();
        assert!(plan.files.contains_key("app.cedarschema"), "{:?}", plan.files.keys());
        assert!(!plan.files["routes.yaml"].contains("Jobs"));
        let told =
            "skipped: service base.Jobs: it is in a file that others import: import that file to have it";
        assert_eq!(plan.report.iter().filter(|line| line.starts_with("skipped")).collect::<Vec<_>>(), [told]);
        loads(&plan);
    }
    let path = source(sources.path(), "none.proto", "package none; import \"base.proto\";");
    let refused = error(plan(&path, folder.path()));
    assert!(refused.contains("it has no service\nskipped: service base.Jobs: "), "{refused}");
}
