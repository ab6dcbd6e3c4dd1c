//! Tokens that another implementation signed, by each algorithm: whom they make the principal, and in which groups.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::example::Call;
use xtask::stack::client::{HOST, Prepared};

use super::{AUDIENCE, ISSUER};
use crate::mcp::packages::Packages;
use crate::world::{World, filters, settings};

const PARTNER: &str = "https://partner.example";

const SCHEMA: &str = "
entity Group; entity User in [Group] { team?: String }; entity Agent; entity Partner; entity Doc;
action read appliesTo { principal: [User, Agent, Partner], resource: Doc };
";

const POLICIES: &str = r#"
@id("readers") permit (principal in Group::"readers", action, resource);
@id("first-agent") permit (principal == Agent::"bot-1", action, resource);
@id("partners") permit (principal == Partner::"acme", action, resource);
@id("not-blocked") forbid (principal is User, action, resource) when { principal has team && principal.team == "blocked" };
"#;

/// What each token comes to: the status, and of a denial the code.
const CASES: [(&str, u16, &str); 18] = [
    ("RS256", 200, ""),
    ("PS256", 200, ""),
    ("ES256", 200, ""),
    ("EdDSA", 200, ""),
    ("RS512", 401, "bad_identity"),
    ("none", 401, "bad_identity"),
    ("no exp", 401, "bad_identity"),
    ("ended", 401, "bad_identity"),
    ("another audience", 401, "bad_identity"),
    ("another issuer", 401, "bad_identity"),
    ("in no group", 403, "forbidden"),
    ("in no group claim", 401, "bad_identity"),
    ("of a blocked team", 403, "forbidden"),
    // The subject's groups are not the agent's: it has a permit of its own.
    ("acting", 200, ""),
    ("acting, 5 deep", 200, ""),
    ("acting, 6 deep", 401, "bad_identity"),
    ("partner", 200, ""),
    ("partner by a key of the first", 401, "bad_identity"),
];

pub(super) async fn by_another_implementation(world: &World) -> Result<()> {
    let packages = Packages::install().await?;
    let mut command = packages.python_of("tokens", "sign.py");
    let made = command.args([ISSUER, PARTNER, AUDIENCE]).output().await?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout)?;
    let text = |name: &str| made.get(name).map(Value::to_string).with_context(|| format!("no `{name}`"));
    let routes = format!(
        "routes:\n  - {{ match: {{ host: {HOST}, path: /v1/builds }}, action: 'Action::\"read\"', resource: 'Doc::\"it\"' }}\n"
    );
    let files = [
        ("a.cedarschema", SCHEMA.to_owned()),
        ("a.cedar", POLICIES.to_owned()),
        ("routes.yaml", routes),
        ("first.jwks.json", text("keys")?),
        ("partner.jwks.json", text("partner")?),
    ];
    let files: BTreeMap<_, _> = files.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    let mut configuration = world.stack.configuration_of(&files)?;
    filters(&mut configuration)?
        .retain(|filter| filter.get("name") != Some(&json!("envoy.filters.http.jwt_authn")));
    let sources = json!([
        { "kind": "bearer", "issuer": ISSUER, "audiences": [AUDIENCE], "keys": "first.jwks.json",
          "principal": { "type": "User" }, "actor": { "type": "Agent" },
          "groups": { "claim": "groups", "type": "Group" },
          "attributes": { "team": { "claim": "/profile/team", "type": "String", "optional": true } } },
        { "kind": "bearer", "issuer": PARTNER, "audiences": [AUDIENCE], "keys": "partner.jwks.json",
          "principal": { "type": "Partner" } },
    ]);
    settings(&mut configuration)?.insert("identity".into(), sources);
    let gateway = world.stack.gateway("signed", &configuration).await?;
    for (name, status, code) in CASES {
        let token = made.pointer(&format!("/tokens/{name}")).and_then(Value::as_str).context(name)?;
        let path = format!("/v1/builds?run=signed-{}", name.replace([' ', ','], "-"));
        let call = Call { method: "GET".into(), path, justification: None, body: None };
        let request = Prepared::new(&call, Some(token))?;
        let answer = request.send(gateway.address()).await?;
        ensure!(
            answer.status == status && (status == 200 || answer.code() == code),
            "{name}: answered {}: {}",
            answer.status,
            answer.body
        );
        match status {
            200 => drop(world.stage().arrived_once(&request).await?),
            _ => world.stage().arrived_never(&request).await?,
        }
    }
    gateway.stop().await
}
