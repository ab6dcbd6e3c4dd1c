//! A recorded request as HTTP/1.1: the bytes that its client writes, piece by piece.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use countersign_host_test::metadata_value;
use countersign_protocol::recording::{Bytes, Entry};

use crate::replay::Chunking;

/// The first of the clients' ports, as the gateway is told them: no recording has to have one.
const PORT: u16 = 1_024;

/// How many there are.
const PORTS: usize = 60_000;

/// What a client sends.
#[derive(Debug)]
pub(super) struct Message {
    /// Who it says it is (PROXY protocol, version 1), before anything else.
    pub(super) preface: Vec<u8>,
    /// The address and port that it says, if it does.
    pub(super) said: Option<SocketAddr>,
    /// Written one after the other, so that the gateway reads each by itself. Head first.
    pub(super) pieces: Vec<Vec<u8>>,
    /// Whether the connection is encrypted.
    pub(super) secure: bool,
    /// The name in the client's certificate.
    pub(super) uri_san: Option<String>,
    /// When the client leaves.
    pub(super) leaves: Option<Duration>,
    /// Whether the response has no body whatever it says.
    pub(super) bodiless: bool,
}

/// The field that carries the claims of a metadata key into the gateway, which takes it away before any other filter
/// sees the request.
pub(super) fn carrier(index: usize) -> String {
    format!("replay-claims-{index}")
}

/// What is sent for an entry, whose claims are under some of `keys`. Its port follows from its number.
///
/// # Errors
/// Why it cannot be sent: HTTP/1.1 has no form for it.
pub(super) fn message(
    entry: &Entry,
    number: usize,
    keys: &[String],
    chunking: Chunking,
) -> Result<Message, String> {
    let pseudo = |name: &str| one(&entry.request.headers, name);
    let (method, path) = (pseudo(":method")?, pseudo(":path")?);
    let mut head = [method.unwrap_or_default(), b" ", path.unwrap_or_default(), b" HTTP/1.1"].concat();
    if head.iter().filter(|byte| byte.is_ascii_whitespace()).count() > 2 {
        return Err("a space in its method or its path would end them".into());
    }
    head.extend(b"\r\n");
    if let Some(authority) = pseudo(":authority")? {
        field(&mut head, "host", authority)?;
    }
    for (index, key) in keys.iter().enumerate() {
        if let Some(claims) = entry.claims.get(key) {
            let claims = base64::engine::general_purpose::STANDARD.encode(metadata_value(claims));
            field(&mut head, &carrier(index), claims.as_bytes())?;
        }
    }
    for (name, value) in plain(&entry.request.headers)? {
        field(&mut head, name, &value.0)?;
    }
    let scheme = pseudo(":scheme")?;
    let port = PORT.saturating_add(u16::try_from(number % PORTS).unwrap_or(0));
    let said = entry.peer.address.map(|address| SocketAddr::new(address, port));
    Ok(Message {
        preface: preface(said),
        said,
        pieces: pieces(head, entry, chunking)?,
        secure: scheme == Some(b"https") || entry.peer.uri_san.is_some(),
        uri_san: entry.peer.uri_san.clone(),
        leaves: entry.leaves.map(|after| after.0),
        bodiless: method == Some(b"HEAD"),
    })
}

/// The value of a pseudo-header.
fn one<'a>(headers: &'a [(String, Bytes)], name: &str) -> Result<Option<&'a [u8]>, String> {
    let mut values = headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.0.as_slice());
    let value = values.next();
    match values.next() {
        Some(_) => Err(format!("it has `{name}` twice")),
        None => Ok(value),
    }
}

/// The fields that are no pseudo-headers.
fn plain(headers: &[(String, Bytes)]) -> Result<Vec<&(String, Bytes)>, String> {
    let known = [":method", ":scheme", ":authority", ":path"];
    if let Some((name, _)) =
        headers.iter().find(|(name, _)| name.starts_with(':') && !known.contains(&name.as_str()))
    {
        return Err(format!("there is no `{name}`"));
    }
    Ok(headers.iter().filter(|(name, _)| !name.starts_with(':')).collect())
}

fn field(head: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), String> {
    if name.contains(['\r', '\n', ':']) || value.contains(&b'\r') || value.contains(&b'\n') {
        return Err(format!("`{name}` would end before its end"));
    }
    head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    Ok(())
}

fn preface(said: Option<SocketAddr>) -> Vec<u8> {
    let line = match said {
        None => "PROXY UNKNOWN\r\n".into(),
        Some(SocketAddr::V4(from)) => format!("PROXY TCP4 {} 127.0.0.1 {} 80\r\n", from.ip(), from.port()),
        Some(SocketAddr::V6(from)) => format!("PROXY TCP6 {} ::1 {} 80\r\n", from.ip(), from.port()),
    };
    line.into_bytes()
}

fn pieces(mut head: Vec<u8>, entry: &Entry, chunking: Chunking) -> Result<Vec<Vec<u8>>, String> {
    let request = &entry.request;
    let value = |name: &str| {
        let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.0.as_slice())
    };
    let (length, chunked) = (value("content-length"), value("transfer-encoding").is_some());
    let body = request.body.as_ref().map(|body| body.0.as_slice());
    match (body, length) {
        (None, _) if request.trailers.is_empty() => {
            if length.is_some_and(|length| length != b"0") {
                return Err("it says how long its body is, and has none".into());
            }
            head.extend(b"\r\n");
            Ok(vec![head])
        }
        (Some(body), Some(length)) if !chunked => {
            if !request.trailers.is_empty() {
                return Err("HTTP/1.1 has no trailers after a body with a length".into());
            }
            if length != body.len().to_string().as_bytes() {
                return Err("its body is not as long as it says".into());
            }
            head.extend(b"\r\n");
            let parts = chunking.parts(body, &request.chunks).into_iter().filter(|part| !part.is_empty());
            Ok([head].into_iter().chain(parts).collect())
        }
        _ => {
            if !chunked {
                field(&mut head, "transfer-encoding", b"chunked")?;
            }
            head.extend(b"\r\n");
            let chunks = chunks(chunking.parts(body.unwrap_or_default(), &request.chunks));
            let mut end = b"0\r\n".to_vec();
            for (name, value) in plain(&request.trailers)? {
                field(&mut end, name, &value.0)?;
            }
            end.extend(b"\r\n");
            Ok([head].into_iter().chain(chunks).chain([end]).collect())
        }
    }
}

fn chunks(parts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    let chunk = |part: Vec<u8>| [format!("{:x}\r\n", part.len()).as_bytes(), &part, b"\r\n"].concat();
    parts.map(chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rest: &str) -> Entry {
        let pseudo = r#"[":method","POST"],[":scheme","http"],[":authority","a.example"],[":path","/x"]"#;
        let line = format!(
            r#"{{"v":1,"id":"a","ts":0,"fidelity":"client","request":{{"headers":[{pseudo}{rest}}}}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    fn text(rest: &str) -> Result<Vec<String>, String> {
        let pieces = message(&entry(rest), 0, &[], Chunking::Recorded)?.pieces;
        Ok(pieces.iter().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect())
    }

    #[test]
    fn a_request_is_written_as_it_was_recorded() {
        let head = "POST /x HTTP/1.1\r\nhost: a.example\r\n";
        assert_eq!(text(r#",["B","2"],["a","1"]]"#).unwrap(), [format!("{head}B: 2\r\na: 1\r\n\r\n")]);
        assert_eq!(
            text(r#",["content-length","3"]],"body":"abc","chunks":[1]"#).unwrap(),
            [format!("{head}content-length: 3\r\n\r\n"), "a".into(), "bc".into()]
        );
        assert_eq!(
            text(r#"],"body":"abc","chunks":[1],"trailers":[["t","1"]]"#).unwrap(),
            [
                &format!("{head}transfer-encoding: chunked\r\n\r\n"),
                "1\r\na\r\n",
                "2\r\nbc\r\n",
                "0\r\nt: 1\r\n\r\n"
            ]
        );
    }

    #[test]
    fn what_has_no_form_is_refused() {
        for rest in [
            r#",[":path","/y"]]"#,
            r#",[":protocol","websocket"]]"#,
            r#",["a","b\r\nc: d"]]"#,
            r#",["content-length","3"]]"#,
            r#",["content-length","4"]],"body":"abc""#,
            r#",["content-length","3"]],"body":"abc","trailers":[["t","1"]]"#,
        ] {
            assert!(text(rest).is_err(), "{rest}");
        }
    }
}
