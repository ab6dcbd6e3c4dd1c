//! Rules about bodies that policy reads.

use super::super::{FIXED, Request, Rule, Section, post};
use super::MCP;

pub(super) const BODIES: Section = Section {
    title: "Bodies that policy reads",
    rules: &[
        JSON_DUPLICATE_KEYS,
        JSON_KEY_CASE,
        URI_SPELLING,
        MEDIA_TYPES,
        CHARSETS,
        CONTENT_ENCODINGS,
        MULTIPART_PARTS,
        MESSAGE_FIELDS,
    ],
};

const JSON: &[&[u8]] = &[b"content-type: application/json"];

const RFC8259: &str = "https://www.rfc-editor.org/rfc/rfc8259";

const MULTIPART: &[&[u8]] = &[b"content-type: multipart/form-data; boundary=b1"];

const JSON_DUPLICATE_KEYS: Rule = Rule {
    name: "json-duplicate-keys",
    attack: "The RFC leaves open which of two members of one name counts: some take the first, some the last, some both. The name \
             may be written with escapes in one of them.",
    relaxed: Some("the last counts"),
    references: &[
        ("RFC 8259 §4", RFC8259),
        ("CVE-2017-12635", "https://nvd.nist.gov/vuln/detail/CVE-2017-12635"),
        (
            "Bishop Fox, JSON interoperability vulnerabilities, 2021",
            "https://bishopfox.com/blog/json-interoperability-vulnerabilities",
        ),
    ],
    requests: &[
        post(b"POST /json", JSON, br#"{"amount":1,"amount":9000}"#),
        post(b"POST /json", JSON, br#"{"amount":1,"\u0061mount":9000}"#),
        post(b"POST /json", JSON, br#"{"amount":1,"deep":[{"a":{"b":1,"b":2}}]}"#),
    ],
};

const JSON_KEY_CASE: Rule = Rule {
    name: "json-key-case",
    attack: "Go's `encoding/json`, and other parsers that fill records, do not tell `amount` from `Amount`: the server takes the \
             member that policy took for another.",
    relaxed: Some("names are as they are written"),
    references: &[
        ("RFC 8259 §8.3", RFC8259),
        ("CWE-178", "https://cwe.mitre.org/data/definitions/178.html"),
        (
            "Trail of Bits, security footguns in Go's parsers, 2025",
            "https://blog.trailofbits.com/2025/06/17/unexpected-security-footguns-in-gos-parsers/",
        ),
    ],
    requests: &[
        post(b"POST /json", JSON, br#"{"amount":1,"Amount":9000}"#),
        post(
            b"POST /json",
            JSON,
            "{\"amount\":1,\"name\":\"ann\",\"other\":{\"key\":1,\"\u{212a}ey\":2}}".as_bytes(),
        ),
    ],
};

const URI_SPELLING: Rule = Rule {
    name: "uri-spelling",
    attack: "An MCP server that reads a resource's URI with a library gets it in another spelling: `FILE:///a` becomes `file:///a`, \
             `%61` becomes `a`. A policy that names the one does not see the other.",
    relaxed: Some("the URI is compared as it is written"),
    references: &[
        ("RFC 3986 §6.2", "https://www.rfc-editor.org/rfc/rfc3986#section-6.2"),
        ("WHATWG URL §4.5", "https://url.spec.whatwg.org/#url-serializing"),
        (
            "MCP 2025-11-25, resources",
            "https://modelcontextprotocol.io/specification/2025-11-25/server/resources",
        ),
    ],
    requests: &[post(b"POST /mcp", MCP, READ_UPPER), post(b"POST /mcp", MCP, READ_ESCAPED)],
};

const READ_UPPER: &[u8] =
    br#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"FILE:///keys"}}"#;

const READ_ESCAPED: &[u8] =
    br#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///k%65ys"}}"#;

const MEDIA_TYPES: Rule = Rule {
    name: "media-types",
    attack: "Of two parameters of one name some take the first, some the last; some split quoted text at `;`. So one reads the body \
             in another format, charset or with another boundary.",
    relaxed: None,
    references: &[
        ("RFC 9110 §8.3.1", "https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1"),
        ("CVE-2022-39955", "https://nvd.nist.gov/vuln/detail/CVE-2022-39955"),
    ],
    requests: &[
        fixed(
            b"POST /json",
            &[b"content-type: application/json; charset=utf-8; charset=utf-16"],
            br#"{"amount":1}"#,
        ),
        fixed(b"POST /json", &[b"content-type: application/json; x=\"a;b\""], br#"{"amount":1}"#),
    ],
};

const CHARSETS: Rule = Rule {
    name: "charsets",
    attack: "Bytes that are harmless text in UTF-8 are another text in UTF-7, UTF-16 or an EBCDIC code page, if the server believes \
             the charset.",
    relaxed: None,
    references: &[
        ("RFC 8259 §8.1", RFC8259),
        ("CVE-2022-39955", "https://nvd.nist.gov/vuln/detail/CVE-2022-39955"),
    ],
    requests: &[fixed(
        b"POST /json",
        &[b"content-type: application/json; charset=utf-16"],
        br#"{"amount":1}"#,
    )],
};

const CONTENT_ENCODINGS: Rule = Rule {
    name: "content-encodings",
    attack: "What is compressed is judged unread, or inflated by one and not by the other; and a few bytes may inflate to more than \
             the gateway has memory. The filter inflates nothing: a body that policy reads must come as it is. Where policy \
             reads no body, any encoding passes.",
    relaxed: None,
    references: &[
        ("RFC 9110 §8.4", "https://www.rfc-editor.org/rfc/rfc9110#section-8.4"),
        ("CWE-409", "https://cwe.mitre.org/data/definitions/409.html"),
    ],
    requests: &[
        fixed(b"POST /json", &[b"content-type: application/json", b"content-encoding: gzip"], GZIP),
        fixed(
            b"POST /json",
            &[b"content-type: application/json", b"content-encoding: br"],
            br#"{"amount":1}"#,
        ),
    ],
};

/// `{"amount":1}`, by gzip.
const GZIP: &[u8] =
    b"\x1f\x8b\x08\0\0\0\0\0\x02\xff\x01\x0c\0\xf3\xff{\"amount\":1}\x40\xb4\xed\x21\x0c\0\0\0";

const MULTIPART_PARTS: Rule = Rule {
    name: "multipart-parts",
    attack: "Parsers differ on line ends, on what is around the boundary, on a name that is there twice, unquoted or escaped, and on \
             encodings of a part: policy reads one field, the server another.",
    relaxed: None,
    references: &[
        ("RFC 7578 §4", "https://www.rfc-editor.org/rfc/rfc7578#section-4"),
        ("RFC 2046 §5.1", "https://www.rfc-editor.org/rfc/rfc2046#section-5.1"),
        ("CVE-2022-39956", "https://nvd.nist.gov/vuln/detail/CVE-2022-39956"),
    ],
    requests: &[
        fixed(
            b"POST /parts",
            MULTIPART,
            b"--b1\r\ncontent-disposition: form-data; name=\"name\"; name=\"other\"\r\n\r\nann\r\n--b1--\r\n",
        ),
        fixed(
            b"POST /parts",
            MULTIPART,
            b"--b1\r\ncontent-disposition: form-data; name=\"name\"\r\ncontent-transfer-encoding: base64\r\n\r\nYW5u\r\n--b1--\r\n",
        ),
        fixed(
            b"POST /parts",
            MULTIPART,
            b"preamble\r\n--b1\r\ncontent-disposition: form-data; name=\"name\"\r\n\r\nann\r\n--b1--\r\n",
        ),
    ],
};

const GRPC: &[&[u8]] = &[b"content-type: application/grpc", b"te: trailers"];

const MESSAGE_FIELDS: Rule = Rule {
    name: "message-fields",
    attack: "By the specification the last of two values counts, but not every reader holds to it: one that looks for a field stops \
             at the first, and one that merges takes both. Of two members of a `oneof`, or of a number that its type cannot hold, \
             readers keep different parts.",
    relaxed: None,
    references: &[(
        "Protocol Buffers, encoding: last one wins",
        "https://protobuf.dev/programming-guides/encoding/#last-one-wins",
    )],
    requests: &[
        fixed(b"POST /read.Orders/Name", GRPC, b"\0\0\0\0\x0a\x0a\x03ann\x0a\x03bob"),
        fixed(b"POST /read.Orders/Name", GRPC, b"\0\0\0\0\x0a\x0a\x03ann\x12\x03bob"),
        fixed(b"POST /read.Orders/Name", GRPC, b"\0\0\0\0\x04\x0a\x02\xc3("),
    ],
};

const fn fixed(start: &'static [u8], fields: &'static [&'static [u8]], body: &'static [u8]) -> Request {
    Request { start, fields, body, ..FIXED }
}
