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
fn source(folder: &Path, name: &str, text: &str) -> std::io::Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, format!("syntax = \"proto3\"; {text}"))?;
    Ok(path)
}

fn error(plan: anyhow::Result<Plan>) -> String {
    plan.err().map(|error| format!("{error:#}")).unwrap_or_default()
}

#[test]
fn two_apis_share_a_type() {
    let (folder, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let api = |name: &str| {
        let text = format!(
            "package {name}; import \"money.proto\"; \
             service S {{ rpc Pay(Bill) returns (Bill); }} message Bill {{ repeated money.Money all = 1; }}"
        );
        source(sources.path(), &format!("{name}.proto"), &text).unwrap()
    };
    let money = |fields: &str| {
        let text = format!("package money; message Money {{ int64 units = 1; {fields} }}");
        source(sources.path(), "money.proto", &text).unwrap()
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

fn told(plan: &Plan) -> Vec<&str> {
    plan.report.iter().filter_map(|line| line.strip_prefix("skipped: ")).collect()
}

#[test]
fn what_a_map_holds_is_described() {
    let (folder, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = "package m; service S { rpc Do(In) returns (In); } \
                message In { map<string, Item> items = 1; map<int32, State> states = 2; map<bool, bytes> rest = 3; } \
                message Item { repeated Deep deep = 1; } message Deep {} enum State { NO = 0; }";
    let plan = plan(&source(sources.path(), "m.proto", text).unwrap(), folder.path()).unwrap();
    let messages = &plan.files["messages.yaml"];
    let expected = "
    items: { number: 1, type: \"map<string, m.Item>\" }
    states: { number: 2, type: \"map<int32, m.State>\" }
    rest: { number: 3, type: \"map<bool, bytes>\" }
";
    assert!(messages.contains(expected), "{messages}");
    for described in ["m.Item:\n", "m.Deep: {}\n", "m.State:\n    NO: 0\n"] {
        assert!(messages.contains(&format!("  {described}")), "{messages}");
    }
    loads(&plan);
}

#[test]
fn names_that_yaml_takes_for_nothing_are_quoted() {
    let (folder, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = "service S { rpc Do(Null) returns (Null); } enum True { null = 0; } \
                message Null { repeated Null NULL = 1; oneof null { string a = 2; True false = 3; } }";
    let arguments = GrpcArguments {
        file: source(sources.path(), "n.proto", text).unwrap(),
        proto_path: Vec::new(),
        into: folder.path().into(),
        name: Some("n".into()),
        hosts: vec!["n.example".into()],
        principals: Vec::new(),
    };
    let plan = Import::Grpc(arguments).plan().unwrap();
    let messages = &plan.files["messages.yaml"];
    let expected = "
  \"Null\":
    \"NULL\": { number: 1, type: \"Null\", repeated: true }
    a: { number: 2, type: string, oneof: \"null\" }
    \"false\": { number: 3, type: \"True\", oneof: \"null\" }
";
    assert!(messages.contains(expected), "{messages}");
    assert!(messages.contains("  S/Do: \"Null\"\n") && messages.contains("  \"True\":\n    \"null\": 0\n"));
    loads(&plan);
}

#[test]
fn more_facts_than_a_method_can_have_are_left_out() {
    let (folder, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Four levels of twenty messages: 160,000 ways.
    let level = |level: usize| {
        let inner = format!("M{}", level + 1);
        let fields: String = (1..=20).map(|n| format!("{inner} f{n} = {n}; ")).collect();
        format!("message M{level} {{ {fields} string last = 21; }} ")
    };
    let levels: String = (0..5).map(level).collect();
    let text = format!("package big; service S {{ rpc Do(M0) returns (M0); }} {levels} message M5 {{}}");
    let plan = plan(&source(sources.path(), "big.proto", &text).unwrap(), folder.path()).unwrap();
    assert_eq!(plan.files["routes.yaml"].matches("message:").count(), 128);
    assert!(plan.files["routes.yaml"].contains("\"message:last\""));
    let beyond: Vec<_> = told(&plan).into_iter().filter(|line| line.contains("128")).collect();
    assert_eq!(beyond, ["big.S/Do: its other fields: there are more than 128 facts in its request message"]);

    let exact = |count: usize| {
        let fields: String = (1..=count).map(|n| format!("string f{n} = {n}; ")).collect();
        format!("package few; service S {{ rpc Do(M) returns (M); }} message M {{ {fields} }}")
    };
    for (count, lines) in [(128, 0), (129, 1)] {
        let file = source(sources.path(), "few.proto", &exact(count)).unwrap();
        let plan = self::plan(&file, folder.path()).unwrap();
        assert_eq!(plan.files["routes.yaml"].matches("message:").count(), 128);
        assert_eq!(told(&plan).len(), lines);
        loads(&plan);
    }
}

#[test]
fn fields_with_a_default_of_their_own_are_no_facts() {
    let (folder, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = sources.path().join("old.proto");
    let text = "syntax = \"proto2\"; package old; service S { rpc Do(M) returns (M); } \
                message M { optional int64 limit = 1 [default = 100]; optional string note = 2; }";
    std::fs::write(&path, text).unwrap();
    let plan = plan(&path, folder.path()).unwrap();
    let why = "it has a default of its own, which the service sees where policy would see nothing";
    assert_eq!(told(&plan), [format!("old.S/Do: limit: {why}")]);
    assert!(!plan.files["routes.yaml"].contains("limit") && !plan.files["old.cedarschema"].contains("limit"));
    assert!(
        plan.files["routes.yaml"].contains("note: { from: \"message:note\", type: String, optional: true }")
    );
    loads(&plan);
}

#[test]
fn whether_a_message_is_there_is_a_fact() {
    let (folder, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = "package p; service S { rpc Do(In) returns (In); } \
                message In { Empty empty = 1; Blob blob = 2; oneof kind { Text text = 3; In again = 4; } \
                repeated Empty many = 5; map<string, Empty> by = 6; } \
                message Empty {} message Blob { bytes all = 1; double part = 2; } message Text { string text = 1; Empty end = 2; }";
    let plan = plan(&source(sources.path(), "p.proto", text).unwrap(), folder.path()).unwrap();
    let expected = "
    context:
      empty: { from: \"message:empty\", type: Bool }
      blob: { from: \"message:blob\", type: Bool }
      text:
        from: \"message:text\"
        optional: true
        fields:
          text: { from: \"message:text.text\", type: String }
          end: { from: \"message:text.end\", type: Bool }
      again: { from: \"message:again\", type: Bool }
";
    let routes = &plan.files["routes.yaml"];
    assert!(routes.ends_with(expected), "{routes}");
    let schema = &plan.files["p.cedarschema"];
    for member in ["empty: Bool,", "blob: Bool,", "text?: { text: String, end: Bool },", "again: Bool,"] {
        assert!(schema.contains(&format!("\n      {member}\n")), "{schema}");
    }
    loads(&plan);
}

#[test]
fn services_of_imported_files_are_another_api() {
    let (folder, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = "package base; message M { string id = 1; } service Jobs { rpc Get(M) returns (M); }";
    source(sources.path(), "base.proto", text).unwrap();
    let text = "package app; import \"base.proto\"; service App { rpc Do(base.M) returns (base.M); }";
    let path = source(sources.path(), "app.proto", text).unwrap();
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
    let path = source(sources.path(), "none.proto", "package none; import \"base.proto\";").unwrap();
    let refused = error(plan(&path, folder.path()));
    assert!(refused.contains("it has no service\nskipped: service base.Jobs: "), "{refused}");
}
