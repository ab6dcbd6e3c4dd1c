//! Policies to measure with: as many as wanted, all different, of which one permit matches the request.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// The host of the API that they are about.
pub(super) const HOST: &str = "api.forge.example";
/// The header that names the caller, and the caller that may do something.
pub(super) const CALLER: (&str, &str) = ("x-agent", "builder");
/// What is read and, with a body, written.
pub(super) const PATH: &str = "/v1/orgs/acme/repos/checkout";
/// The permit that lets the reading request pass, and the one for the writing request.
pub(super) const READ: &str = "builder-reads-acme";
pub(super) const WRITE: &str = "builder-writes-checkout";

/// Actions on a repository that carry no body.
const PLAIN: [&str; 6] = ["read", "list", "delete", "deploy", "archive", "tag"];

/// The same in every set, whatever its size: two permits for the requests that are measured, and rules that
/// no scope narrows, which are evaluated for each request. Companies have few of those.
const FIXED: &str = r#"@id("builder-reads-acme")
permit (principal == Forge::Agent::"builder", action == Forge::Action::"read", resource in Forge::Org::"acme");

@id("builder-writes-checkout")
permit (principal == Forge::Agent::"builder", action == Forge::Action::"write", resource == Forge::Repo::"acme/checkout")
when { context.lines <= 500 && context.branch like "release/*" && !context.force };

@id("one-host-only")
forbid (principal, action, resource) when { context.host != "api.forge.example" };

@id("public-is-for-all")
permit (principal, action == Forge::Action::"read", resource) when { context.path like "/v1/orgs/public/*" };
"#;

const SCHEMA: &str = r#"namespace Forge {
  entity User;
  entity Team;
  entity Agent in [Team] { owner: User };
  entity Org;
  entity Repo in [Org];

  action "read", "list", "delete", "deploy", "archive", "tag" appliesTo {
    principal: Agent, resource: Repo, context: { hour: Long, host: String, path: String },
  };
  action "write" appliesTo {
    principal: Agent, resource: Repo,
    context: { hour: Long, host: String, path: String, lines: Long, branch: String, force: Bool },
  };
}
"#;

const IDENTITIES: &str = "people:\n  Forge::User: { issuer: local }\nagents:\n  Forge::Agent: { owner: owner }\n\
    groups:\n  owners: { issuer: local, id: owners }\n";

/// The files of a bundle with exactly `count` policies.
///
/// # Errors
/// When `count` is less than the policies that are in every set.
pub(super) fn files(count: usize) -> Result<BTreeMap<String, String>> {
    let fixed = FIXED.matches("@id(").count();
    ensure!(count >= fixed, "at least {fixed} policies");
    let mut policies = FIXED.to_owned();
    for number in 0..count.saturating_sub(fixed) {
        write!(policies, "\n@id(\"policy-{number}\")\n{}\n", policy(number))?;
    }
    let files = [
        ("forge.cedar", policies),
        ("forge.cedarschema", SCHEMA.into()),
        ("entities.json", entities(count)?),
        ("routes.yaml", routes()),
        ("identities.yaml", IDENTITIES.into()),
    ];
    Ok(files.into_iter().map(|(name, text)| (name.to_owned(), text)).collect())
}

/// What the gateway knows the caller by.
pub(super) fn identity() -> Value {
    json!([{ "kind": "header", "name": CALLER.0, "peers": ["127.0.0.1/32"], "type": "Forge::Agent" }])
}

/// A policy that is about somebody or something else than the measured requests: most are narrowed by a
/// principal and a resource, some by one of them, and one in eight by its action and its condition alone.
fn policy(number: usize) -> String {
    let agent = format!(r#"principal == Forge::Agent::"agent-{number}""#);
    let org = format!(r#"resource in Forge::Org::"org-{number}""#);
    let repo = format!(r#"resource == Forge::Repo::"org-{number}/repo""#);
    let action = |name: &str| format!(r#"action == Forge::Action::"{name}""#);
    let either = r#"action in [Forge::Action::"read", Forge::Action::"list"]"#;
    let plain = PLAIN.get(number / 8 % PLAIN.len()).copied().unwrap_or_default();
    // Not `read`: how many policies are evaluated for the measured request must not grow with the set.
    let other = PLAIN.get(1 + number / 8 % (PLAIN.len() - 1)).copied().unwrap_or_default();
    let anybody = "principal is Forge::Agent";
    match number % 8 {
        0 | 1 => format!("permit ({agent}, {either}, {org});"),
        2 => format!("permit ({agent}, {}, {repo});", action(plain)),
        3 => format!(r#"permit (principal in Forge::Team::"team-{number}", {}, {repo});"#, action("write")),
        4 => {
            let hours = "context.hour >= 6 && context.hour < 22";
            format!("permit ({anybody}, {}, {org})\nwhen {{ {hours} }};", action(plain))
        }
        5 => format!("forbid ({agent}, {}, resource);", action("delete")),
        6 => {
            let gate = r#"@approval("owners") @quorum("1") @reason("Deploys are countersigned by an owner")"#;
            format!("{gate}\nforbid ({anybody}, {}, {org});", action("deploy"))
        }
        _ => {
            let here = format!(r#"context.path like "/v1/orgs/org-{number}/*" && context.hour < 20"#);
            format!("permit (principal, {}, resource)\nwhen {{ {here} }};", action(other))
        }
    }
}

/// The caller, and an agent for every tenth policy, each in a team and with an owner.
fn entities(count: usize) -> Result<String> {
    let agents = (0..count / 10).map(|number| format!("agent-{number}"));
    let agents = agents.chain([CALLER.1.to_owned()]).enumerate().map(|(number, agent)| {
        json!({
            "uid": { "type": "Forge::Agent", "id": agent },
            "attrs": { "owner": { "__entity": { "type": "Forge::User", "id": format!("user-{number}") } } },
            "parents": [{ "type": "Forge::Team", "id": format!("team-{number}") }],
        })
    });
    Ok(serde_json::to_string(&agents.collect::<Vec<_>>())?)
}

fn routes() -> String {
    let mut routes = "routes:\n".to_owned();
    let place = "/v1/orgs/{org}/repos/{repo}";
    let mut add = |method: &str, path: &str, action: &str| {
        let route = format!(
            "  - match: {{ host: {HOST}, method: {method}, path: \"{path}\" }}\n    action: Forge::Action::\"{action}\"\n\
             \x20   resource: Forge::Repo::\"{{path.org}}/{{path.repo}}\"\n    parents: Forge::Org::\"{{path.org}}\"\n"
        );
        routes.push_str(&route);
    };
    for action in PLAIN.iter().filter(|action| !["read", "delete"].contains(*action)) {
        add("POST", &format!("{place}/{action}"), action);
    }
    add("GET", place, "read");
    add("DELETE", place, "delete");
    add("PUT", place, "write");
    routes.push_str(
        "    context:\n      lines: { from: \"body:/change/lines\", type: Long }\n\
         \x20     branch: { from: \"body:/branch\", type: String }\n\
         \x20     force: { from: \"body:/force\", type: Bool }\n",
    );
    routes
}

/// A JSON body of exactly `length` bytes that the writing permit reads three members of.
pub(super) fn body(length: usize) -> String {
    let make = |padding: usize| {
        let files: Vec<_> = (0..8).map(|number| json!({ "path": format!("src/file-{number}.rs") })).collect();
        let message = "x".repeat(padding);
        json!({
            "branch": "release/2.4", "force": false, "message": message,
            "change": { "lines": 120, "files": files, "author": "builder" },
        })
        .to_string()
    };
    make(length.saturating_sub(make(0).len()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_set_has_as_many_policies_as_wanted_and_all_differ() {
        for count in [10, 1_000, 10_000] {
            let files = files(count).unwrap();
            let text = files.get("forge.cedar").unwrap();
            let ids: BTreeSet<_> = text.lines().filter(|line| line.starts_with("@id(")).collect();
            assert_eq!(ids.len(), count);
            assert_eq!(text.matches("permit (").count() + text.matches("forbid (").count(), count);
        }
        assert!(files(3).is_err());
    }

    #[test]
    fn only_the_fixed_permits_are_about_the_measured_request() {
        let files = files(10_000).unwrap();
        let policies = files.get("forge.cedar").unwrap().split("@id(\"");
        let about = policies.filter(|policy| policy.contains("\"builder\"") || policy.contains("\"acme"));
        let names: Vec<_> = about.map(|policy| policy.split('"').next().unwrap()).collect();
        assert_eq!(names, [READ, WRITE]);
        // No further policy on reading that only its condition narrows.
        let open = |number: &usize| {
            let policy = policy(*number);
            policy.contains("(principal, ") && policy.contains("\"read\"")
        };
        assert_eq!((0..10_000).filter(open).count(), 0);
    }

    #[test]
    fn a_body_has_the_length_that_is_said() {
        assert_eq!(body(1024).len(), 1024);
        assert!(serde_json::from_str::<Value>(&body(1024)).is_ok());
    }
}
