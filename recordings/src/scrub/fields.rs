//! The secret parts of header field values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `value` of the secret field `name` with its secrets hidden: what stays is a scheme (`Bearer `), the names of cookies
/// and the attributes of a cookie that is set.
pub(super) fn hide(name: &str, value: &[u8], hide: &mut dyn FnMut(&[u8]) -> String) -> Vec<u8> {
    match name.to_ascii_lowercase().as_str() {
        "authorization" | "proxy-authorization" => credentials(value, hide),
        "cookie" => {
            let cookies: Vec<_> = value.split(|&byte| byte == b';').map(|pair| cookie(pair, hide)).collect();
            cookies.join(&b';')
        }
        "set-cookie" => {
            let (pair, attributes) = split(value, b';');
            [&cookie(pair, hide), attributes].concat()
        }
        _ => whole(value, hide),
    }
}

fn whole(value: &[u8], hide: &mut dyn FnMut(&[u8]) -> String) -> Vec<u8> {
    if value.is_empty() { Vec::new() } else { hide(value).into_bytes() }
}

/// A scheme and a token (RFC 9110 section 11.4). Basic ones hold a password, which is a secret by itself.
fn credentials(value: &[u8], hide: &mut dyn FnMut(&[u8]) -> String) -> Vec<u8> {
    let (scheme, rest) = split(value, b' ');
    let token = rest.trim_ascii();
    if token.is_empty() {
        return whole(value, hide);
    }
    if scheme.eq_ignore_ascii_case(b"basic")
        && let Ok(pair) = STANDARD.decode(token)
    {
        let (_, password) = split(&pair, b':');
        hide(&pair);
        hide(password.strip_prefix(b":").unwrap_or(password));
    }
    [scheme, b" ", hide(token).as_bytes()].concat()
}

fn cookie(pair: &[u8], hide: &mut dyn FnMut(&[u8]) -> String) -> Vec<u8> {
    let (name, value) = split(pair, b'=');
    match value.strip_prefix(b"=") {
        Some(value) => [name, b"=", whole(value, hide).as_slice()].concat(),
        None if name.trim_ascii().is_empty() => name.to_vec(),
        None => whole(name, hide),
    }
}

/// What is before the first `at`, and the rest with it.
fn split(value: &[u8], at: u8) -> (&[u8], &[u8]) {
    let end = value.iter().position(|&byte| byte == at).unwrap_or(value.len());
    value.split_at_checked(end).unwrap_or((value, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_secret_stays() {
        for (name, value, hidden, secrets) in [
            ("Authorization", "Bearer  abc", "Bearer #", "abc"),
            ("authorization", "abc", "#", "abc"),
            ("proxy-authorization", "Basic dTpwOnA=", "Basic #", "u:p:p|p:p|dTpwOnA="),
            ("cookie", "a=1; b=2=3;c; d=", "a=#; b=#;#; d=", "1|2=3|c"),
            ("set-cookie", "a=1; Path=/; Secure", "a=#; Path=/; Secure", "1"),
            ("x-api-key", "k e y", "#", "k e y"),
            ("x-api-key", "", "", ""),
        ] {
            let mut seen = Vec::new();
            let out = hide(name, value.as_bytes(), &mut |secret| {
                seen.push(String::from_utf8(secret.to_vec()).unwrap());
                "#".into()
            });
            assert_eq!(
                (String::from_utf8(out).unwrap().as_str(), seen.join("|").as_str()),
                (hidden, secrets)
            );
        }
    }
}
