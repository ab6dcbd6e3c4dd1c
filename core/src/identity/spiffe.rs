//! SPIFFE IDs (SPIFFE-ID specification, section 2).

/// The longest SPIFFE ID, bytes (section 2.3).
const MAX_ID: usize = 2048;

/// Whether `text` can be a trust domain (section 2.1).
pub(super) fn is_trust_domain(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(fits)
}

/// Whether `uri` is the SPIFFE ID of a workload in `trust_domain` (section 2.2): no user, port, query,
/// fragment or escape, no empty or relative segment.
pub(super) fn is_id_of(uri: &str, trust_domain: &str) -> bool {
    let path = uri.strip_prefix("spiffe://").and_then(|rest| rest.strip_prefix(trust_domain));
    let path = path.and_then(|rest| rest.strip_prefix('/'));
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let segment = |text: &str| !["", ".", ".."].contains(&text) && text.bytes().all(fits);
    uri.len() <= MAX_ID && path.is_some_and(|path| path.split('/').all(segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_workloads_of_the_domain() {
        assert!(is_id_of("spiffe://prod.example/ns/ci/sa/deployer", "prod.example"));
        let others = [
            "spiffe://prod.example",
            "spiffe://prod.example/",
            "spiffe://prod.example/a/",
            "spiffe://prod.example//a",
            "spiffe://prod.example/../a",
            "spiffe://prod.example/a%2fb",
            "spiffe://prod.example/a?b",
            "spiffe://prod.example/a#b",
            "spiffe://prod.example:8080/a",
            "spiffe://me@prod.example/a",
            "spiffe://prod.example.evil/a",
            "spiffe://evil/prod.example/a",
            "SPIFFE://prod.example/a",
            "https://prod.example/a",
            "",
        ];
        for uri in others {
            assert!(!is_id_of(uri, "prod.example"), "{uri}");
        }
        assert!(!is_id_of(&format!("spiffe://prod.example/{}", "a".repeat(2048)), "prod.example"));
        assert!(!is_trust_domain("Prod.example") && !is_trust_domain("") && !is_trust_domain("a/b"));
    }
}
