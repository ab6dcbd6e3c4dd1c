//! Rules about the path.

use super::super::{GET, Outcome, Request, Rule, Section, get, post};
use super::{CODEC, MCP, PATH as REFUSED_PATH, RFC3986};

pub(super) const PATH: Section = Section {
    title: "The path",
    rules: &[
        DOT_SEGMENTS,
        ENCODED_SEPARATORS,
        DOUBLE_ENCODING,
        INVALID_ESCAPES,
        EMPTY_SEGMENTS,
        FRAGMENTS,
        BACKSLASHES,
        PATH_PARAMETERS,
        RAW_BYTES,
        CONTROL_CHARACTERS,
        PATH_SPELLING,
        NOT_UTF8,
    ],
};

const FORM: &[u8] = b"content-type: application/x-www-form-urlencoded";

const PATH_SPELLING: Rule = Rule {
    name: "path-spelling",
    attack: "Many servers take `/Admin`, `/admin/` and `/admin.json` for `/admin`. A wide route, `/{rest*}` or `/{name}`, takes them too, and leads \
             round the gate of `/admin`. Refused is only what has another route in another spelling.",
    relaxed: Some("the route is that of the path as it is written"),
    references: &[
        ("RFC 3986 §6.2.2.1", RFC3986),
        ("CWE-178", "https://cwe.mitre.org/data/definitions/178.html"),
        ("CVE-2023-34034", "https://nvd.nist.gov/vuln/detail/CVE-2023-34034"),
    ],
    requests: &[
        get(b"GET /all/Keys"),
        get(b"GET /all/keys/"),
        get(b"GET /All/keys"),
        get(b"GET /all/keys.json"),
    ],
};

const DOT_SEGMENTS: Rule = Rule {
    name: "dot-segments",
    attack: "`/public/../admin` is below `/public` to who compares prefixes, and `/admin` to who resolves `..` first. \
             Encoded dots get past a proxy that resolves before it decodes. URIs in messages of MCP are read alike.",
    relaxed: Some("the segment stays as it is written; nothing is resolved"),
    references: &[
        ("RFC 3986 §5.2.4", RFC3986),
        ("CVE-2019-9901", "https://nvd.nist.gov/vuln/detail/CVE-2019-9901"),
        ("CVE-2021-41773", "https://nvd.nist.gov/vuln/detail/CVE-2021-41773"),
    ],
    requests: &[
        get(b"GET /all/public/../admin"),
        get(b"GET /all/public/%2e%2E/admin"),
        get(b"GET /all/."),
        post(
            b"POST /mcp",
            MCP,
            br#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///docs/../keys"}}"#,
        ),
    ],
};

const ENCODED_SEPARATORS: Rule = Rule {
    name: "encoded-separators",
    attack: "`/files/a%2fb` has one segment behind `files` to who splits before decoding, as the standard says, and two \
             to who decodes first. `%5c` is the same for who takes `\\` for `/`.",
    relaxed: Some(
        "the escape stays as it is written, in capitals: `a%2Fb`. Envoy's `path_with_escaped_slashes_action` must be \
                   `KEEP_UNCHANGED` too",
    ),
    references: &[
        ("RFC 3986 §2.2, §2.4", RFC3986),
        ("CVE-2021-29492", "https://nvd.nist.gov/vuln/detail/CVE-2021-29492"),
        ("CVE-2021-31920", "https://nvd.nist.gov/vuln/detail/CVE-2021-31920"),
    ],
    requests: &[
        Request { shipped: Outcome::Envoy(400, REFUSED_PATH), ..get(b"GET /all/a%2fb") },
        Request { shipped: Outcome::Envoy(400, REFUSED_PATH), ..get(b"GET /all/..%5Cb") },
    ],
};

const DOUBLE_ENCODING: Rule = Rule {
    name: "double-encoding",
    attack: "`%252e` is the text `%2e` when it is decoded once, and `.` when a proxy decodes and the server decodes again.",
    relaxed: Some("it is decoded once: the inner escape stays as it is written"),
    references: &[
        ("RFC 3986 §2.4", RFC3986),
        ("CVE-2021-42013", "https://nvd.nist.gov/vuln/detail/CVE-2021-42013"),
        ("CWE-174", "https://cwe.mitre.org/data/definitions/174.html"),
    ],
    requests: &[get(b"GET /all/%252e%252e/admin"), get(b"GET /items/a?q=%2541")],
};

const INVALID_ESCAPES: Rule = Rule {
    name: "invalid-escapes",
    attack: "`%zz` escapes nothing: some keep it, some drop the `%`, some drop the parameter that it stands in.",
    relaxed: Some("the `%` stays as it is written"),
    references: &[
        ("RFC 3986 §2.1", RFC3986),
        ("CVE-2022-2880", "https://nvd.nist.gov/vuln/detail/CVE-2022-2880"),
    ],
    requests: &[get(b"GET /all/a%zz"), get(b"GET /all/a%2"), get(b"GET /items/a?q=%")],
};

const EMPTY_SEGMENTS: Rule = Rule {
    name: "empty-segments",
    attack: "`/public//admin` has an empty segment in the middle, and is `/public/admin` to who merges slashes: a rule for the \
             one path does not see the other.",
    relaxed: Some("the empty segment stays"),
    references: &[
        ("RFC 3986 §3.3", RFC3986),
        ("CVE-2021-31920", "https://nvd.nist.gov/vuln/detail/CVE-2021-31920"),
    ],
    requests: &[get(b"GET /all/public//admin"), get(b"GET /all/public//")],
};

const FRAGMENTS: Rule = Rule {
    name: "fragments",
    attack: "No client sends what is behind `#`. A server that gets `/admin#x` all the same cuts there or does not, and a rule \
             for `/admin` misses it.",
    relaxed: Some("the `#` stays as it is written, where Envoy lets it come"),
    references: &[
        ("RFC 3986 §3.5", RFC3986),
        ("CVE-2021-32779", "https://nvd.nist.gov/vuln/detail/CVE-2021-32779"),
        ("CVE-2021-39156", "https://nvd.nist.gov/vuln/detail/CVE-2021-39156"),
    ],
    requests: &[Request {
        shipped: Outcome::Envoy(400, REFUSED_PATH),
        lenient: Outcome::Rewritten("cut before `#`"),
        relaxed: Outcome::Rewritten("cut before `#`"),
        ..get(b"GET /all/a#b")
    }],
};

const BACKSLASHES: Rule = Rule {
    name: "backslashes",
    attack: "The URL standard of browsers, and servers on Windows, take `\\` for `/`; the RFC does not even allow it. So \
             `/public\\..\\admin` is one segment or a way out.",
    relaxed: Some("the `\\` stays as it is written"),
    references: &[("RFC 3986 §2", RFC3986), ("WHATWG URL §4.4", "https://url.spec.whatwg.org/#path-state")],
    requests: &[get(b"GET /all/public\\..\\admin")],
};

const PATH_PARAMETERS: Rule = Rule {
    name: "path-parameters",
    attack: "Servlet containers cut a segment at `;`, most others do not: `/public/..;/admin` has a segment `..;` to the proxy \
             and is `/admin` to the server.",
    relaxed: Some("the `;` stays as it is written"),
    references: &[
        ("RFC 3986 §3.3", RFC3986),
        (
            "Orange Tsai, Breaking Parser Logic, 2018",
            "https://i.blackhat.com/us-18/Wed-August-8/us-18-Orange-Tsai-Breaking-Parser-Logic-Take-Your-Path-Normalization-Off-And-Pop-0days-Out-2.pdf",
        ),
        ("CVE-2020-5902", "https://nvd.nist.gov/vuln/detail/CVE-2020-5902"),
    ],
    requests: &[get(b"GET /all/public/..;/admin"), get(b"GET /all/admin;x=1")],
};

const RAW_BYTES: Rule = Rule {
    name: "raw-bytes",
    attack: "A byte beyond visible ASCII must be escaped. Where it is not, one takes it for UTF-8, another for Latin-1; and who \
             splits at spaces sees another target. A form that policy reads is read alike.",
    relaxed: Some("UTF-8 is taken as it is"),
    references: &[
        ("RFC 3986 §2", RFC3986),
        ("RFC 9112 §3", "https://www.rfc-editor.org/rfc/rfc9112#section-3"),
        ("WHATWG URL §5.1", "https://url.spec.whatwg.org/#urlencoded-parsing"),
    ],
    requests: &[
        Request {
            shipped: Outcome::Envoy(400, CODEC),
            lenient: Outcome::Envoy(400, CODEC),
            relaxed: Outcome::Envoy(400, CODEC),
            ..get("GET /all/ü".as_bytes())
        },
        post(b"POST /form", &[FORM], "name=ü".as_bytes()),
        post(b"POST /form", &[FORM], b"name=a b"),
    ],
};

const CONTROL_CHARACTERS: Rule = Rule {
    name: "control-characters",
    attack: "Who keeps text as C does ends it at `%00`: `/admin%00.png` is `/admin`. `%0d%0a` begins a new header line where \
             it is written into one. A NUL in JSON that policy reads is the same.",
    relaxed: Some("the escape stays as it is written: `%00`; a NUL in JSON or a part stays a NUL"),
    references: &[
        ("RFC 3986 §7.3", RFC3986),
        ("CWE-158", "https://cwe.mitre.org/data/definitions/158.html"),
        ("CWE-93", "https://cwe.mitre.org/data/definitions/93.html"),
    ],
    requests: &[
        get(b"GET /all/admin%00.png"),
        get(b"GET /all/a%0d%0ax-user:%20root"),
        get(b"GET /items/a?q=%00"),
        post(b"POST /json", &[b"content-type: application/json"], br#"{"amount":1,"name":"root\u0000x"}"#),
    ],
};

const NOT_UTF8: Rule = Rule {
    name: "not-utf8",
    attack: "`%c0%af` is no UTF-8, and `/` to a lax decoder. Other bytes are replaced, dropped, or read in an old code page.",
    relaxed: Some(
        "escapes in path and query stay as they are written; a header, form or part that policy reads must be UTF-8 \
                   all the same",
    ),
    references: &[
        ("RFC 3629 §3, §10", "https://www.rfc-editor.org/rfc/rfc3629#section-10"),
        ("CVE-2000-0884", "https://nvd.nist.gov/vuln/detail/CVE-2000-0884"),
    ],
    requests: &[
        get(b"GET /all/..%c0%afadmin"),
        get(b"GET /items/a?q=%ff"),
        Request { fields: &[b"x-mode: \xff"], relaxed: Outcome::Refused, ..GET },
    ],
};
