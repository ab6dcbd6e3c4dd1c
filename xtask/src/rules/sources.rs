//! How a source file looks, and what it must not name.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use walkdir::{DirEntry, WalkDir};

use super::{Breach, tokens};

/// No file is longer, in lines.
const LONGEST: usize = 400;

/// What may be named in some files only.
struct Ban {
    /// The path, or its last segments; `std::fs` covers `std::fs::read`.
    path: &'static [&'static str],
    /// Where the ban holds: files whose path begins so.
    under: &'static str,
    /// Where it does not: files whose path begins so.
    but: &'static [&'static str],
    /// Why, to be read after "must not name `…`:".
    why: &'static str,
}

const NO_CLOCK: &str = "core reads no clock";
const NO_WORLD: &str = "core reads no environment, files or network and starts nothing";
const NO_LOG: &str = "core logs and prints nothing";
const NO_ORDER: &str = "core iterates nothing whose order is random: use the BTree one";

const fn core(path: &'static [&'static str], why: &'static str) -> Ban {
    Ban { path, under: "core/src/", but: &[], why }
}

/// What dependencies could do is not here: the list of core's dependencies keeps those out.
const BANS: [Ban; 26] = [
    Ban {
        path: &["cedar_policy"],
        under: "",
        but: &["core/src/policy"],
        why: "only `core/src/policy*` does",
    },
    Ban {
        path: &["cedar_policy_core"],
        under: "",
        but: &["core/src/policy"],
        why: "only `core/src/policy*` does",
    },
    Ban {
        path: &["proxy_wasm"],
        under: "",
        but: &["plugin/", "xtask/floor/"],
        why: "only `plugin/` does, and the empty filter that it is measured against",
    },
    core(&["SystemTime"], NO_CLOCK),
    core(&["Instant"], NO_CLOCK),
    core(&["Timestamp", "now"], NO_CLOCK),
    core(&["Zoned", "now"], NO_CLOCK),
    core(&["std", "env"], NO_WORLD),
    core(&["std", "fs"], NO_WORLD),
    core(&["std", "io", "stdin"], NO_WORLD),
    core(&["std", "process"], NO_WORLD),
    core(&["std", "thread"], NO_WORLD),
    core(&["TcpStream"], NO_WORLD),
    core(&["TcpListener"], NO_WORLD),
    core(&["UdpSocket"], NO_WORLD),
    core(&["ToSocketAddrs"], NO_WORLD),
    core(&["HashMap"], NO_ORDER),
    core(&["HashSet"], NO_ORDER),
    core(&["RandomState"], NO_ORDER),
    core(&["io", "stdout"], NO_LOG),
    core(&["io", "stderr"], NO_LOG),
    core(&["println"], NO_LOG),
    core(&["eprintln"], NO_LOG),
    core(&["print"], NO_LOG),
    core(&["eprint"], NO_LOG),
    core(&["dbg"], NO_LOG),
];

/// Checks every Rust source under `root`, but not what cargo made.
///
/// # Errors
/// When a source cannot be read, or is no Rust.
pub fn check(root: &Path) -> Result<Vec<Breach>> {
    let mut breaches = Vec::new();
    let entries = WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(is_source);
    for entry in entries {
        let entry = entry?;
        if entry.path().extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let place = entry.path().strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(entry.path()).with_context(|| place.clone())?;
        breaches.extend(shape(&place, &text));
        breaches.extend(names(&place, &text)?);
    }
    Ok(breaches)
}

fn is_source(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    entry.depth() == 0 || !(name.starts_with('.') || name == "target" || name == "node_modules")
}

fn shape(place: &str, text: &str) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let lines = text.lines().count();
    if lines > LONGEST {
        breaches.push(Breach::new(place, format!("has {lines} lines, more than {LONGEST}")));
    }
    if !text.starts_with("//! ") {
        breaches.push(Breach::new(place, "does not open with a `//!` sentence"));
    }
    if place.ends_with("/mod.rs") {
        breaches.push(Breach::new(place, "is a `mod.rs`: put `foo.rs` beside `foo/`"));
    }
    breaches
}

fn names(place: &str, text: &str) -> Result<Vec<Breach>> {
    let paths = tokens::paths(text).map_err(|error| anyhow!("{place} is no Rust: {error}"))?;
    let holds_here =
        |ban: &&Ban| place.starts_with(ban.under) && !ban.but.iter().any(|but| place.starts_with(but));
    let bans = || BANS.iter().filter(holds_here);
    let breach = |path: &tokens::Path| {
        let holds = |ban: &&Ban| path.segments.windows(ban.path.len()).any(|part| part == ban.path);
        let ban = bans().find(holds)?;
        let what = format!("must not name `{}`: {}", ban.path.join("::"), ban.why);
        Some(Breach::new(format!("{place}:{}", path.line), what))
    };
    Ok(paths.iter().filter_map(breach).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is broken when `place` holds `text`, and nothing else is there.
    fn broken(place: &str, text: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        check(root.path()).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_source_that_keeps_the_rules_passes() {
        let text = "//! Says what it is.\nuse std::collections::BTreeMap;\nuse std::net::IpAddr;\n";
        assert!(broken("core/src/a.rs", text).is_empty());
        assert!(broken("core/src/policy/index.rs", "//! A.\nuse cedar_policy::Policy;\n").is_empty());
        assert!(broken("core/src/policy.rs", "//! A.\nuse cedar_policy::Policy;\n").is_empty());
        assert!(broken("plugin/src/lib.rs", "//! A.\nuse proxy_wasm::hostcalls;\n").is_empty());
        assert!(broken("xtask/floor/src/lib.rs", "//! A.\nuse proxy_wasm::hostcalls;\n").is_empty());
        assert!(broken("cli/src/main.rs", "//! A.\nuse std::fs;\n").is_empty());
        assert!(broken("core/target/a.rs", "println!()").is_empty());
    }

    #[test]
    fn what_core_must_not_touch_is_found() {
        let uses = [
            "use std::time::SystemTime;",
            "use std::{collections::{BTreeMap, HashMap as Map}};",
            "fn f() { std::env::var(\"A\"); }",
            "use std::{fs, env};",
            "use std::net::TcpStream;",
            "fn f() { println!(\"a\"); }",
            "fn f() { std::io::stdout().lock(); }",
            "use std::io::{self, stderr};",
            "fn f() { io::stderr(); }",
            "fn f() { Timestamp::now() }",
        ];
        for text in uses {
            let found = broken("core/src/a.rs", &format!("//! A.\n{text}\n"));
            assert!(!found.is_empty(), "{text}");
            assert!(found[0].starts_with("core/src/a.rs:2: must not name"), "{found:?}");
        }
    }

    #[test]
    fn engine_and_host_are_named_in_one_place_only() {
        for (place, text) in [
            ("core/src/routes.rs", "//! A.\nuse cedar_policy::Policy;\n"),
            ("cli/src/main.rs", "//! A.\nfn f(a: cedar_policy::Policy) {}\n"),
            ("core/src/facts.rs", "//! A.\nuse proxy_wasm::types::*;\n"),
            ("xtask/src/bench.rs", "//! A.\nuse proxy_wasm::types::*;\n"),
            ("xtask/floor/src/lib.rs", "//! A.\nuse cedar_policy::Policy;\n"),
            ("core/src/judge.rs", "//! A.\nuse cedar_policy_core::ast;\n"),
        ] {
            assert_eq!(broken(place, text).len(), 1, "{place}");
        }
    }

    #[test]
    fn the_shape_of_a_file_is_checked() {
        let long = format!("//! A.\n{}", "// a\n".repeat(LONGEST));
        assert_eq!(broken("cli/src/long.rs", &long), ["cli/src/long.rs: has 401 lines, more than 400"]);
        assert_eq!(
            broken("cli/src/a.rs", "fn f() {}\n"),
            ["cli/src/a.rs: does not open with a `//!` sentence"]
        );
        assert_eq!(broken("cli/src/a/mod.rs", "//! A.\n").len(), 1);
    }

    #[test]
    fn this_workspace_keeps_the_rules() {
        let workspace = crate::workspace::Workspace::find().unwrap();
        assert_eq!(check(workspace.root()).unwrap(), []);
    }
}
