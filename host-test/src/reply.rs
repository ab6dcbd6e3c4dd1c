//! Answers of the gateway in place of the upstream's.

use crate::cluster::Fields;
use crate::fields;

/// An answer of the filter (`proxy_send_local_response`) or of the gateway.
#[derive(Debug, Clone, Default)]
pub(crate) struct LocalReply {
    pub(crate) status: u16,
    pub(crate) headers: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) grpc: Option<u32>,
    pub(crate) details: String,
}

impl LocalReply {
    pub(crate) fn new(status: u16, details: &str, body: &str) -> Self {
        Self { status, body: body.into(), details: details.into(), ..Self::default() }
    }

    /// Header fields and body as Envoy writes them (`Utility::prepareLocalReply`): a gRPC client gets its status
    /// in header fields alone, and so does one that sent `HEAD`.
    pub(crate) fn write(self, head: bool, grpc: bool) -> (Fields, Vec<u8>) {
        let mut headers = vec![(b":status".to_vec(), self.status.to_string().into_bytes())];
        headers.extend(self.headers);
        if grpc {
            let message = if head { &[][..] } else { &self.body };
            return (of_grpc(headers, self.status, self.grpc, message), Vec::new());
        }
        if self.body.is_empty() {
            fields::remove(&mut headers, b"content-length");
            fields::remove(&mut headers, b"content-type");
        } else {
            fields::set(&mut headers, b"content-length", self.body.len().to_string().as_bytes());
            if fields::first(&headers, b"content-type").is_none() {
                fields::add(&mut headers, b"content-type", b"text/plain");
            }
        }
        (headers, if head { Vec::new() } else { self.body })
    }
}

/// Whether a request is one of gRPC, by its content type.
pub(crate) fn is_grpc(request: &Fields) -> bool {
    let kind = fields::first(request, b"content-type").unwrap_or_default();
    kind == b"application/grpc" || kind.starts_with(b"application/grpc+")
}

fn of_grpc(mut headers: Fields, status: u16, code: Option<u32>, body: &[u8]) -> Fields {
    fields::set(&mut headers, b":status", b"200");
    fields::set(&mut headers, b"content-type", b"application/grpc");
    if fields::first(&headers, b"grpc-status").is_none() {
        let code = code.unwrap_or_else(|| code_of(status));
        fields::add(&mut headers, b"grpc-status", code.to_string().as_bytes());
    }
    if !body.is_empty() {
        fields::set(&mut headers, b"grpc-message", percent_encoded(body).as_bytes());
    }
    fields::remove(&mut headers, b"content-length");
    headers
}

/// The gRPC code that stands for an HTTP status (gRPC over HTTP/2, "HTTP to gRPC Status Code Mapping").
fn code_of(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// Everything but printable ASCII, and `%` itself, percent-encoded (gRPC over HTTP/2, "Percent-Encoded").
fn percent_encoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b' '..=b'~' if *byte != b'%' => out.push(char::from(*byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_a_length_and_a_type() {
        let (headers, body) = LocalReply::new(403, "", "no").write(false, false);
        assert_eq!(fields::first(&headers, b"content-length"), Some(&b"2"[..]));
        assert_eq!(fields::first(&headers, b"content-type"), Some(&b"text/plain"[..]));
        assert_eq!(body, b"no");
        let (headers, body) = LocalReply::new(403, "", "no").write(true, false);
        assert_eq!((fields::first(&headers, b"content-length"), body), (Some(&b"2"[..]), vec![]));
    }

    #[test]
    fn no_body_has_neither() {
        let mut reply = LocalReply::new(403, "", "");
        fields::add(&mut reply.headers, b"content-type", b"application/json");
        fields::add(&mut reply.headers, b"content-length", b"7");
        assert_eq!(reply.write(false, false).0, [(b":status".to_vec(), b"403".to_vec())]);
    }

    #[test]
    fn a_grpc_client_gets_header_fields_alone() {
        let kind = |kind: &str| vec![(b"content-type".to_vec(), kind.into())];
        assert!(is_grpc(&kind("application/grpc+proto")) && is_grpc(&kind("application/grpc")));
        assert!(!is_grpc(&kind("application/grpc-web")) && !is_grpc(&Fields::new()));
        let (headers, body) = LocalReply::new(403, "", "no 50%").write(false, true);
        assert_eq!(fields::first(&headers, b":status"), Some(&b"200"[..]));
        assert_eq!(fields::first(&headers, b"grpc-status"), Some(&b"7"[..]));
        assert_eq!(fields::first(&headers, b"grpc-message"), Some(&b"no 50%25"[..]));
        assert!(body.is_empty());
    }
}
