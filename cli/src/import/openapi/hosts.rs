//! On which hosts an API is, and below which path.

use serde_json::Value;

use super::Skipped;
use crate::import::Arguments;

/// Hosts with one path in front of all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) hosts: Vec<String>,
    /// Without a `/` at its end; empty for none.
    pub(super) path: String,
}

/// Most values that are filled in for a variable of a server.
const MOST_VALUES: usize = 32;

/// The bases of what `servers` names, one for each path.
pub(super) fn bases(
    servers: &[Value],
    arguments: &Arguments,
    place: &str,
    skipped: &mut Skipped,
) -> Vec<Base> {
    let mut bases: Vec<Base> = Vec::new();
    let fallback = [Value::from(serde_json::Map::from_iter([("url".to_owned(), Value::from("/"))]))];
    let servers = if servers.is_empty() { fallback.as_slice() } else { servers };
    for url in servers.iter().flat_map(urls) {
        let (host, path) = match split(&url) {
            Some((Some(host), path)) if arguments.hosts.is_empty() => (vec![host], path),
            Some((_, path)) if !arguments.hosts.is_empty() => (arguments.hosts.clone(), path),
            Some(_) => {
                skipped.tell(place, format!("server `{url}` names no host: give `--host`"));
                continue;
            }
            None => {
                skipped.tell(place, format!("server `{url}` is no address of a host"));
                continue;
            }
        };
        match bases.iter_mut().find(|base| base.path == path) {
            Some(base) => base.hosts.extend(host),
            None => bases.push(Base { hosts: host, path }),
        }
    }
    for base in &mut bases {
        base.hosts.sort();
        base.hosts.dedup();
    }
    bases
}

/// The addresses of a server, its variables filled in with all that they may be.
fn urls(server: &Value) -> Vec<String> {
    let Some(url) = server.get("url").and_then(Value::as_str) else { return Vec::new() };
    let mut urls = vec![url.to_owned()];
    let variables = server.get("variables").and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let listed = variable.get("enum").and_then(Value::as_array).into_iter().flatten();
        let values: Vec<_> = listed.chain(variable.get("default")).filter_map(Value::as_str).collect();
        let filled = |url: &String| {
            let with = |value: &&str| url.replace(&format!("{{{name}}}"), value);
            values.iter().map(with).collect::<Vec<_>>()
        };
        urls = urls.iter().flat_map(filled).take(MOST_VALUES).collect();
        urls.sort();
        urls.dedup();
    }
    urls
}

/// Host, if it names one, and path.
fn split(url: &str) -> Option<(Option<String>, String)> {
    let path = |path: &str| path.trim_end_matches('/').to_owned();
    let Some((_, rest)) = url.split_once("://") else {
        return (url.starts_with('/') && !url.contains('{')).then(|| (None, path(url)));
    };
    let (authority, below) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let good =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    (good && !below.contains('{')).then(|| (Some(host), path(below)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn go(servers: &Value, hosts: &[&str]) -> (Vec<Base>, Vec<String>) {
        let arguments = Arguments {
            file: "a".into(),
            into: "b".into(),
            name: None,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            principals: Vec::new(),
        };
        let mut skipped = Skipped::default();
        let bases = bases(servers.as_array().unwrap(), &arguments, "servers", &mut skipped);
        (bases, skipped.0)
    }

    #[test]
    fn servers_become_hosts_and_a_path() {
        let servers = json!([
            {"url": "https://API.example.com:8443/v1/"},
            {"url": "https://{region}.example.com/v1", "variables": {"region": {"default": "eu", "enum": ["eu", "us"]}}},
            {"url": "https://old.example.com"},
            {"url": "https://{tenant}.example.com"}
        ]);
        let (bases, skipped) = go(&servers, &[]);
        let hosts = ["api.example.com", "eu.example.com", "us.example.com"].map(str::to_owned).to_vec();
        assert_eq!(bases[0], Base { hosts, path: "/v1".into() });
        assert_eq!(bases[1], Base { hosts: vec!["old.example.com".into()], path: String::new() });
        assert_eq!(
            skipped,
            ["skipped: servers: server `https://{tenant}.example.com` is no address of a host"]
        );
    }

    #[test]
    fn a_host_that_is_given_stands_for_all() {
        let (bases, skipped) = go(&json!([{"url": "/v2"}]), &["a.example", "*.b.example"]);
        assert_eq!(
            bases[0],
            Base { hosts: vec!["*.b.example".into(), "a.example".into()], path: "/v2".into() }
        );
        assert!(skipped.is_empty());
        let (bases, skipped) = go(&json!([]), &[]);
        assert!(bases.is_empty() && skipped[0].contains("give `--host`"), "{skipped:?}");
    }
}
