//! Whether Slack sent something (Slack, "Verifying requests from Slack", version `v0`).

use axum::http::HeaderMap;
use countersign_protocol::{Hash, UnixMillis};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How far the time of a request may be from ours, seconds.
const TOLERANCE: u64 = 5 * 60;

/// Why it cannot be believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSlack {
    #[error("there is no `x-slack-request-timestamp`, or no `x-slack-signature`")]
    Unsigned,
    #[error("it was signed more than five minutes ago, or is yet to be")]
    Old,
    #[error("the signature is not Slack's")]
    Wrong,
}

/// Checks it over the bytes as they came; returns the signature, which no other request has.
pub(super) fn check(
    secret: &str,
    headers: &HeaderMap,
    body: &[u8],
    now: UnixMillis,
) -> Result<Hash, NotSlack> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let (at, signature) =
        header("x-slack-request-timestamp").zip(header("x-slack-signature")).ok_or(NotSlack::Unsigned)?;
    let seconds: i64 = at.parse().map_err(|_| NotSlack::Unsigned)?;
    if (now / 1000).abs_diff(seconds) > TOLERANCE {
        return Err(NotSlack::Old);
    }
    let given: Hash =
        signature.strip_prefix("v0=").and_then(|hex| hex.parse().ok()).ok_or(NotSlack::Wrong)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| NotSlack::Wrong)?;
    mac.update(format!("v0:{at}:").as_bytes());
    mac.update(body);
    // In constant time.
    mac.verify_slice(&given.0).map_err(|_| NotSlack::Wrong)?;
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const AT: i64 = 1_531_420_618;

    fn checked(secret: &str, signature: &str, body: &[u8], now: i64) -> Result<(), NotSlack> {
        let mut headers = HeaderMap::new();
        headers.insert("x-slack-request-timestamp", AT.to_string().parse().unwrap());
        headers.insert("x-slack-signature", signature.parse().unwrap());
        check(secret, &headers, body, now * 1000).map(drop)
    }

    #[test]
    fn slack_s_own_example_is_slack_s() {
        assert_eq!(checked(SECRET, SIGNATURE, BODY, AT), Ok(()));
        assert_eq!(checked(SECRET, SIGNATURE, BODY, AT + 300), Ok(()));
    }

    #[test]
    fn nothing_else_is() {
        let other = SIGNATURE.replace("a2", "a3");
        for (secret, signature, body, now, why) in [
            ("another", SIGNATURE, BODY, AT, NotSlack::Wrong),
            (SECRET, other.as_str(), BODY, AT, NotSlack::Wrong),
            (SECRET, SIGNATURE, BODY.trim_ascii_end().split_first().unwrap().1, AT, NotSlack::Wrong),
            (SECRET, SIGNATURE.trim_start_matches("v0="), BODY, AT, NotSlack::Wrong),
            (SECRET, "v0=", BODY, AT, NotSlack::Wrong),
            (SECRET, SIGNATURE, BODY, AT + 301, NotSlack::Old),
            (SECRET, SIGNATURE, BODY, AT - 301, NotSlack::Old),
        ] {
            assert_eq!(checked(secret, signature, body, now), Err(why));
        }
        assert_eq!(check(SECRET, &HeaderMap::new(), BODY, AT * 1000), Err(NotSlack::Unsigned));
    }
}
