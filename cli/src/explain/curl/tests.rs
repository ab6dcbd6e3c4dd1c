//! Command lines as they are copied from browsers and documentation.

use super::*;

fn shown(line: &str) -> (Vec<(String, String)>, Option<String>) {
    let request = request(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let text = |bytes: Bytes| String::from_utf8(bytes.0).unwrap();
    let headers = request.headers.into_iter().map(|(name, value)| (name, text(value))).collect();
    (headers, request.body.map(text))
}

fn value(line: &str, name: &str) -> Vec<String> {
    let fields = shown(line).0.into_iter().filter(|(known, _)| known == name);
    fields.map(|(_, value)| value).collect()
}

#[test]
fn a_browsers_copy_is_read() {
    let line = r#"curl 'https://deploy.example/v1/keys/k1/rotations?dry=1' \
      -X 'POST' \
      -H 'Accept: application/json' \
      -H 'Content-Type: application/json' \
      -b 'session=1; theme=dark' \
      --data-raw $'{"why":"it\'s due"}' \
      --compressed --insecure"#;
    let (headers, body) = shown(line);
    let expected = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "deploy.example"),
        (":path", "/v1/keys/k1/rotations?dry=1"),
        ("user-agent", "curl"),
        ("content-length", "18"),
        ("cookie", "session=1; theme=dark"),
        ("accept-encoding", "deflate, gzip, br, zstd"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
    ];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, expected);
    assert_eq!(body.as_deref(), Some(r#"{"why":"it's due"}"#));
}

#[test]
fn data_makes_a_post_unless_it_is_said_otherwise() {
    let cases = [
        ("curl a", "GET", "/", None),
        ("curl a -d x=1 -d y=2", "POST", "/", Some("x=1&y=2")),
        ("curl -XPUT a -dx", "PUT", "/", Some("x")),
        ("curl -sSLXDELETE a", "DELETE", "/", None),
        ("curl -G a/b?c=1 -d x=1 --data-urlencode 'q=a b&c'", "GET", "/b?c=1&x=1&q=a%20b%26c", None),
        ("curl -I a", "HEAD", "/", None),
        ("curl --json '{\"a\":' --json '1}' a", "POST", "/", Some("{\"a\":1}")),
        ("curl --data-raw @a a", "POST", "/", Some("@a")),
        ("$ curl --url a -o out -w '%{http_code}' -m 5", "GET", "/", None),
        ("/usr/bin/curl -- a", "GET", "/", None),
    ];
    for (line, method, path, body) in cases {
        assert_eq!(value(line, ":method"), [method], "{line}");
        assert_eq!(value(line, ":path"), [path], "{line}");
        assert_eq!(shown(line).1.as_deref(), body, "{line}");
    }
}

#[test]
fn headers_are_those_that_curl_would_send() {
    let cases: [(&str, &str, &[&str]); 12] = [
        ("curl a -u me:secret", "authorization", &["Basic bWU6c2VjcmV0"]),
        ("curl http://me:secret@a", "authorization", &["Basic bWU6c2VjcmV0"]),
        ("curl a --oauth2-bearer t", "authorization", &["Bearer t"]),
        ("curl a -u me:x -H 'Authorization: Bearer t'", "authorization", &["Bearer t"]),
        ("curl a -A agent", "user-agent", &["agent"]),
        ("curl a -A ''", "user-agent", &[]),
        ("curl a -H Accept:", "accept", &[]),
        ("curl a -H 'X-Empty;'", "x-empty", &[""]),
        ("curl a -H 'Host: b.example'", ":authority", &["b.example"]),
        ("curl a -d x", "content-type", &["application/x-www-form-urlencoded"]),
        ("curl a --json 1", "content-type", &["application/json"]),
        ("curl a -H 'X-A: 1' -H 'X-A: 2' -b a=1 -b b=2", "x-a", &["1", "2"]),
    ];
    for (line, name, expected) in cases {
        assert_eq!(value(line, name), expected, "{line}");
    }
    assert_eq!(value("curl a -b a=1 -b b=2", "cookie"), ["a=1; b=2"]);
}

#[test]
fn data_may_be_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    std::fs::write(&path, "a\nb\r\n").unwrap();
    let path = path.display();
    assert_eq!(shown(&format!("curl h -d @{path}")).1.as_deref(), Some("ab"));
    assert_eq!(shown(&format!("curl h --data-binary @{path}")).1.as_deref(), Some("a\nb\r\n"));
}

#[test]
fn what_is_not_understood_is_named() {
    let cases = [
        ("wget a", "`wget` is not `curl`"),
        ("", "`` is not `curl`"),
        ("curl", "there is no address"),
        ("curl a b", "there is more than one request: `b`"),
        (
            "curl a -F x=1",
            "`-F` is not understood, and it may change the request: leave it out, or write the request as JSON",
        ),
        (
            "curl -sF x=1 a",
            "`-F` in `-sF` is not understood, and it may change the request: leave it out, or write the request \
             as JSON",
        ),
        (
            "curl --cert c.pem a",
            "`--cert` is not understood, and it may change the request: leave it out, or write the request as \
             JSON",
        ),
        ("curl a -H", "`-H` needs a value"),
        ("curl a -H x", "`-H x` is no header: write `name: value`"),
        ("curl a -b jar", "`-b jar` is a file of cookies: write them as `name=value`"),
        ("curl a -d @-", "`@-` is what is typed in: write it to a file"),
        (
            "curl a -H \"Authorization: $T\"",
            "`$T` is filled in by a shell: write its value, or quote it with '…'",
        ),
    ];
    for (line, message) in cases {
        assert_eq!(request(line).unwrap_err().to_string(), message, "{line}");
    }
}
