//! Who may depend on whom.

use cargo_metadata::Metadata;

use super::Breach;

/// A package depends on another, for whatever purpose: to build, to test or to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Who depends.
    pub from: String,
    /// On whom.
    pub to: String,
    /// Only its tests do.
    pub dev: bool,
}

/// Every package of the workspace, and the packages of the workspace that it may depend on.
const WORKSPACE: [(&str, &[&str]); 12] = [
    ("countersign-protocol", &[]),
    ("countersign-core", &["countersign-protocol"]),
    ("countersign-plugin", &["countersign-core", "countersign-protocol"]),
    ("countersign-recordings", &["countersign-protocol"]),
    // What people are shown depends on the question alone, so that anybody can render it again.
    ("countersign-view", &["countersign-protocol"]),
    // A host for any filter: it knows nothing of what this one decides, only how it asks people.
    ("countersign-host-test", &["countersign-protocol"]),
    (
        "countersign-cli",
        &[
            "countersign-core",
            "countersign-host-test",
            "countersign-protocol",
            "countersign-recordings",
            "countersign-view",
        ],
    ),
    // Never core: the service cannot decide, it can only attest who answered what.
    ("countersign-approvals", &["countersign-protocol", "countersign-view"]),
    // Its tests hold the harness to what a real Envoy does: the same recordings through both,
    // and see that replays notice a missing guard.
    (
        "xtask",
        &[
            "countersign-cli",
            "countersign-core",
            "countersign-host-test",
            "countersign-protocol",
            "countersign-view",
        ],
    ),
    // What the filter is measured against must hold nothing of it.
    ("countersign-floor", &[]),
    ("deploy-agent", &[]),
    // A leaf: the fuzzers beside it, outside of the workspace, and its own tests run what it holds.
    ("countersign-fuzz-targets", &["countersign-core", "countersign-protocol"]),
];

/// All that core may use: nothing that reads a clock, the environment, files, a network or randomness.
const CORE: [&str; 18] = [
    "apollo-parser",
    "base64",
    "cedar-policy",
    "cedar-policy-core",
    "countersign-protocol",
    "ed25519-dalek",
    "granit-parser",
    "ipnet",
    "jiff",
    "miette",
    "p256",
    "rsa",
    "serde",
    "serde_json",
    "serde_path_to_error",
    "sha2",
    "strsim",
    "thiserror",
];

/// Packages that only these may use.
const RESERVED: [(&str, &[&str]); 3] = [
    ("cedar-policy", &["countersign-core"]),
    ("cedar-policy-core", &["countersign-core"]),
    ("proxy-wasm", &["countersign-plugin", "countersign-floor"]),
];

/// The direct dependencies of all packages of the workspace.
#[must_use]
pub fn edges(metadata: &Metadata) -> Vec<Edge> {
    let of = |package: &cargo_metadata::Package| {
        let from = package.name.to_string();
        let edge = |to: &cargo_metadata::Dependency| Edge {
            from: from.clone(),
            to: to.name.clone(),
            dev: to.kind == cargo_metadata::DependencyKind::Development,
        };
        package.dependencies.iter().map(edge).collect::<Vec<_>>()
    };
    metadata.packages.iter().flat_map(of).collect()
}

/// The edges that break a rule.
#[must_use]
pub fn check(edges: &[Edge]) -> Vec<Breach> {
    edges.iter().filter_map(|edge| breach(edge).map(|what| Breach::new(&edge.from, what))).collect()
}

fn breach(edge: &Edge) -> Option<String> {
    let Edge { from, to, dev } = edge;
    let Some((_, allowed)) = WORKSPACE.iter().find(|(name, _)| name == from) else {
        return Some("is not in the map of the architecture: add it to `xtask/src/rules/graph.rs`".into());
    };
    let ours = WORKSPACE.iter().any(|(name, _)| name == to);
    if ours && !allowed.contains(&to.as_str()) {
        return Some(format!("must not depend on `{to}`"));
    }
    if from == "countersign-core" && !dev && !CORE.contains(&to.as_str()) {
        return Some(format!("is pure and must not depend on `{to}`"));
    }
    let (_, owners) =
        RESERVED.iter().find(|(name, owners)| name == to && !owners.contains(&from.as_str()))?;
    Some(format!("must not depend on `{to}`: only `{}` may", owners.join("`, `")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(from: &str, to: &str, dev: bool) -> Vec<String> {
        let edge = Edge { from: from.into(), to: to.into(), dev };
        check(&[edge]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_edge_of_the_map_is_allowed() {
        assert!(broken("countersign-cli", "countersign-host-test", false).is_empty());
        assert!(broken("countersign-core", "proptest", true).is_empty());
        assert!(broken("countersign-floor", "proxy-wasm", false).is_empty());
    }

    #[test]
    fn an_edge_off_the_map_is_a_breach() {
        let cases = [
            ("countersign-approvals", "countersign-core", false),
            ("countersign-approvals", "countersign-core", true),
            ("countersign-protocol", "countersign-core", true),
            ("countersign-plugin", "countersign-host-test", false),
            ("deploy-agent", "countersign-protocol", false),
            ("countersign-core", "rand", false),
            ("countersign-cli", "cedar-policy", false),
            ("countersign-host-test", "proxy-wasm", true),
            ("xtask", "proxy-wasm", false),
            ("countersign-floor", "countersign-core", false),
            ("countersign-host-test", "countersign-core", true),
            ("countersign-host-test", "countersign-approvals", true),
            ("countersign-recordings", "countersign-core", true),
            ("countersign-plugin", "countersign-recordings", true),
            ("newcomer", "serde", false),
        ];
        for (from, to, dev) in cases {
            assert_eq!(broken(from, to, dev).len(), 1, "{from} -> {to}");
        }
    }

    #[test]
    fn the_edges_are_those_of_the_workspace() {
        let edges = edges(&crate::workspace::Workspace::find().unwrap().metadata);
        let edge = Edge { from: "countersign-core".into(), to: "countersign-protocol".into(), dev: false };
        assert!(edges.contains(&edge), "{edges:?}");
    }
}
