//! What is refused without a rule of its own: what policy reads and cannot use, and messages that are none.

use super::super::{Outcome, Request, Rule, Section, post};

pub(super) const OTHERS: Section =
    Section { title: "What has no second reading", rules: &[BAD_FACT, BAD_MESSAGE, HEADER_MISMATCH] };

const JSON: &[&[u8]] = &[b"content-type: application/json"];

const RFC8259: &str = "https://www.rfc-editor.org/rfc/rfc8259";

const fn denied(
    start: &'static [u8],
    fields: &'static [&'static [u8]],
    body: &'static [u8],
    status: u16,
) -> Request {
    let outcome = Outcome::Denied(status);
    Request { shipped: outcome, lenient: outcome, relaxed: outcome, ..post(start, fields, body) }
}

const BAD_FACT: Rule = Rule {
    name: "bad_fact",
    attack: "A reader that stops at the end of a value passes over what follows it, one that works with doubles reads another number, and \
             one with a stack of its own size ends at some depth.",
    relaxed: None,
    references: &[("RFC 8259 §2, §6, §9", RFC8259)],
    requests: &[
        denied(b"POST /json", JSON, br#"{"amount":1} {"amount":9000}"#, 400),
        denied(b"POST /json", JSON, br#"{"amount":1,}"#, 400),
        denied(b"POST /json", JSON, br#"{"amount":9223372036854775808}"#, 400),
        denied(b"POST /json", JSON, br#"{"amount":1e3}"#, 400),
        denied(b"POST /json", JSON, br#"{"amount":"1"}"#, 400),
        denied(b"POST /json", JSON, br#"{}"#, 400),
        denied(b"POST /json", JSON, DEEP, 400),
        denied(b"POST /json", &[b"content-type: text/plain"], br#"{"amount":1}"#, 400),
    ],
};

/// Arrays in one another, 40 deep.
const DEEP: &[u8] =
    br#"{"amount":1,"x":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"#;

const NOVEMBER: &[&[u8]] = &[
    b"content-type: application/json",
    b"accept: application/json, text/event-stream",
    b"mcp-protocol-version: 2025-11-25",
];

const BAD_MESSAGE: Rule = Rule {
    name: "bad_message",
    attack: "A batch that a server takes although its version has none holds calls that nobody judged. So does a message with members that \
             only some readers know.",
    relaxed: None,
    references: &[
        ("MCP 2025-06-18, changes", "https://modelcontextprotocol.io/specification/2025-06-18/changelog"),
        ("JSON-RPC 2.0 §4", "https://www.jsonrpc.org/specification#request_object"),
    ],
    requests: &[
        denied(b"POST /mcp", NOVEMBER, br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400),
        denied(b"POST /mcp", NOVEMBER, br#"{"jsonrpc":"2.0","id":1,"method":"ping","also":{}}"#, 400),
    ],
};

const HEADER_MISMATCH: Rule = Rule {
    name: "header_mismatch",
    attack: "A gateway that routes by `Mcp-Method` or `Mcp-Name` and a server that reads the body see two calls.",
    relaxed: None,
    references: &[(
        "MCP 2026-07-28, transports",
        "https://modelcontextprotocol.io/specification/draft/basic/transports",
    )],
    requests: &[
        denied(
            b"POST /mcp",
            &[
                b"content-type: application/json",
                b"accept: application/json, text/event-stream",
                b"mcp-protocol-version: 2025-11-25",
                b"mcp-method: tools/list",
            ],
            br#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#,
            400,
        ),
        denied(
            b"POST /mcp",
            &[
                b"content-type: application/json",
                b"accept: application/json, text/event-stream",
                b"mcp-protocol-version: 2025-11-25",
                b"mcp-name: file:///b",
            ],
            br#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#,
            400,
        ),
    ],
};
