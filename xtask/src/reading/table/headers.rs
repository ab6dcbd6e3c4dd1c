//! Rules about header fields, and about what makes a message of them.

use super::super::{FIXED, GET, Outcome, Request, Rule, Section, post};
use super::CODEC;

pub(super) const HEADERS: Section = Section {
    title: "Header fields",
    rules: &[
        REPEATED_HEADERS,
        JOINED_HEADERS,
        HEADER_TWINS,
        HEADER_NAMES,
        METHOD_OVERRIDE,
        PATH_OVERRIDE,
        HOST_OVERRIDE,
    ],
};

pub(super) const MESSAGE: Section = Section {
    title: "The message and its connection",
    rules: &[PSEUDO_HEADERS, HOP_BY_HOP, TRAILERS, UPGRADES],
};

const RFC9110: &str = "https://www.rfc-editor.org/rfc/rfc9110";
const RFC9112: &str = "https://www.rfc-editor.org/rfc/rfc9112";

const UNDERSCORE: Outcome = Outcome::Envoy(400, "http1.unexpected_underscore");

const fn with(fields: &'static [&'static [u8]]) -> Request {
    Request { fields, ..GET }
}

/// One that Envoy changes before any filter sees it.
const fn rewritten(fields: &'static [&'static [u8]], how: &'static str) -> Request {
    let outcome = Outcome::Rewritten(how);
    Request { fields, shipped: outcome, lenient: outcome, relaxed: outcome, ..GET }
}

/// One that Envoy does not take, whatever its options.
const fn never(start: &'static [u8], fields: &'static [&'static [u8]], answer: Outcome) -> Request {
    Request { start, fields, shipped: answer, lenient: answer, relaxed: answer, ..GET }
}

const REPEATED_HEADERS: Rule = Rule {
    name: "repeated-headers",
    attack: "Of two fields of one name some take the first, some the last, some both. In a header that has one value, and in one \
             that policy reads as one, that is two requests. Envoy itself joins two of some names, such as `content-type`, by \
             a comma: then it is `joined-headers`.",
    relaxed: Some("policy reads the first"),
    references: &[
        ("RFC 9110 §5.3", RFC9110),
        ("CVE-2020-25017", "https://nvd.nist.gov/vuln/detail/CVE-2020-25017"),
    ],
    requests: &[
        with(&[b"idempotency-key: 1", b"idempotency-key: 2"]),
        with(&[b"x-mode: read", b"x-mode: write"]),
        Request {
            shipped: Outcome::RefusedBy("joined-headers"),
            lenient: Outcome::RefusedBy("joined-headers"),
            relaxed: Outcome::Rewritten("joined by a comma"),
            ..with(&[b"content-type: text/plain", b"content-type: application/json"])
        },
    ],
};

const JOINED_HEADERS: Rule = Rule {
    name: "joined-headers",
    attack: "A proxy may join two fields to one with a comma. In a header of one value nobody knows then whether the comma \
             belongs to the value, and servers take either half.",
    relaxed: Some("the value is read as it is, comma and all"),
    references: &[("RFC 9110 §5.2, §5.5", RFC9110)],
    requests: &[
        with(&[b"content-type: text/plain, application/json"]),
        with(&[b"content-encoding: identity, gzip"]),
        with(&[b"x-mode: read, write"]),
    ],
};

const HEADER_TWINS: Rule = Rule {
    name: "header-twins",
    attack: "CGI and what came of it (WSGI, PHP, Rack) writes `-` as `_`: to such a server `x_mode` is `x-mode`, so a client can \
             add one that the gateway never checked.",
    relaxed: Some("the names are two. Envoy's `headers_with_underscores_action` must be `ALLOW` too"),
    references: &[
        ("RFC 3875 §4.1.18", "https://www.rfc-editor.org/rfc/rfc3875#section-4.1.18"),
        ("CVE-2015-0219", "https://nvd.nist.gov/vuln/detail/CVE-2015-0219"),
    ],
    requests: &[
        Request { shipped: UNDERSCORE, ..with(&[b"x-mode: read", b"x_mode: write"]) },
        Request { shipped: UNDERSCORE, ..with(&[b"content_type: text/plain"]) },
    ],
};

const HEADER_NAMES: Rule = Rule {
    name: "header-names",
    attack: "A name with a space or another odd byte is another name to who cuts, trims or skips it. `content-length :` is how \
             requests are smuggled past a proxy that does not know the name.",
    relaxed: Some(
        "the name stays, its odd bytes escaped, and no route can name it; Envoy refuses it all the same",
    ),
    references: &[
        ("RFC 9110 §5.1, §5.6.2", RFC9110),
        ("RFC 9112 §5.1", RFC9112),
        ("CVE-2019-16276", "https://nvd.nist.gov/vuln/detail/CVE-2019-16276"),
    ],
    requests: &[
        never(b"GET /items/a", &[b"x(odd): 1"], Outcome::Envoy(400, CODEC)),
        never(b"GET /items/a", &[b"x-mode : read"], Outcome::Envoy(400, CODEC)),
    ],
};

const METHOD_OVERRIDE: Rule = Rule {
    name: "method-override",
    attack: "Frameworks let a `POST` say that it is a `DELETE`, for clients that can send forms alone: in a header, or as \
             `_method`. The gateway judges what the server does not do. A body is looked into only where a route reads it: \
             behind other routes, a form may hold one.",
    relaxed: Some("the header or parameter is one like any other"),
    references: &[
        ("CWE-650", "https://cwe.mitre.org/data/definitions/650.html"),
        (
            "Symfony: http_method_override",
            "https://symfony.com/doc/current/reference/configuration/framework.html#http-method-override",
        ),
    ],
    requests: &[
        with(&[b"x-http-method-override: DELETE"]),
        with(&[b"X-HTTP-Method: DELETE"]),
        Request { start: b"GET /items/a?_method=DELETE", ..GET },
        Request { start: b"GET /items/a?%5fmethod=DELETE", ..GET },
        Request { start: b"GET /items/a?+.method=DELETE", ..GET },
        post(
            b"POST /form",
            &[b"content-type: application/x-www-form-urlencoded"],
            b"name=ann&_method=DELETE",
        ),
        post(b"POST /json", &[b"content-type: application/json"], br#"{"amount":1,"_method":"DELETE"}"#),
    ],
};

const PATH_OVERRIDE: Rule = Rule {
    name: "path-override",
    attack: "Modules for IIS, and frameworks that know of them, take the path from a header: the gateway judges `/public`, the \
             server does `/admin`.",
    relaxed: Some("the header is one like any other"),
    references: &[("CVE-2018-14773", "https://nvd.nist.gov/vuln/detail/CVE-2018-14773")],
    requests: &[with(&[b"x-original-url: /admin"]), with(&[b"X-Rewrite-URL: /admin"])],
};

const HOST_OVERRIDE: Rule = Rule {
    name: "host-override",
    attack: "Frameworks that expect a proxy in front take the host from a header: the gateway judges `public.example`, the server \
             serves `admin.example`. A header that says the same as `:authority` passes.",
    relaxed: Some("the header is one like any other"),
    references: &[
        ("RFC 7239 §5.3", "https://www.rfc-editor.org/rfc/rfc7239#section-5.3"),
        ("CWE-644", "https://cwe.mitre.org/data/definitions/644.html"),
    ],
    requests: &[
        with(&[b"x-forwarded-host: admin.example"]),
        with(&[b"forwarded: for=192.0.2.1;host=\"admin.example\""]),
    ],
};

const PSEUDO_HEADERS: Rule = Rule {
    name: "pseudo-headers",
    attack: "Method, scheme, host and path must be there once and be what they say, or the request is for another server than was \
             judged. `CONNECT` opens a tunnel through which anything goes.",
    relaxed: None,
    references: &[
        ("RFC 9113 §8.3.1", "https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1"),
        ("RFC 9112 §3.2", RFC9112),
        ("RFC 9110 §7.2, §9.3.6", RFC9110),
    ],
    requests: &[
        Request { usual: &[b"host: read.example:99999", b"connection: close"], ..FIXED },
        Request { usual: &[b"host: ann@read.example", b"connection: close"], ..FIXED },
        Request { usual: &[b"host: read.example", b"host: other.example", b"connection: close"], ..FIXED },
        Request {
            usual: &[b"connection: close"],
            ..never(b"GET /items/a", &[], Outcome::Envoy(400, "missing_host_header"))
        },
        Request { start: b"CONNECT read.example:443", ..FIXED },
        never(b"get /items/a", &[], Outcome::Envoy(400, CODEC)),
    ],
};

const HOP_BY_HOP: Rule = Rule {
    name: "hop-by-hop",
    attack: "A header that `connection` names is taken out by the next proxy: a client can so take away what the gateway set. \
             Two framings of one body are two ends of the request (request smuggling).",
    relaxed: Some("it stays, as far as Envoy leaves it"),
    references: &[
        ("RFC 9110 §7.6.1", RFC9110),
        ("RFC 9112 §6.3, §11.2", RFC9112),
        ("CVE-2022-1388", "https://nvd.nist.gov/vuln/detail/CVE-2022-1388"),
    ],
    requests: &[
        Request {
            usual: &[b"host: read.example", b"x-user: ann"],
            ..rewritten(&[b"connection: close, x-mode", b"x-mode: read"], "without `x-mode`")
        },
        rewritten(&[b"te: gzip"], "without `te`"),
        Request {
            body: b"1\r\nx\r\n0\r\n\r\n",
            ..never(
                b"POST /items/a",
                &[b"transfer-encoding: gzip, chunked"],
                Outcome::Envoy(501, "http1.invalid_transfer_encoding"),
            )
        },
        Request {
            start: b"POST /items/a",
            body: b"1\r\nx\r\n0\r\n\r\n",
            shipped: Outcome::Envoy(400, "http1.content_length_and_chunked_not_allowed"),
            ..rewritten(&[b"transfer-encoding: chunked", b"content-length: 11"], "without `content-length`")
        },
        Request {
            body: b"x",
            ..never(
                b"POST /items/a",
                &[b"content-length: 1", b"content-length: 2"],
                Outcome::Envoy(400, CODEC),
            )
        },
    ],
};

const TRAILERS: Rule = Rule {
    name: "trailers",
    attack: "A trailer comes when headers were judged already; over HTTP/2 Envoy always lets it come. A server that merges it into the headers takes another method, \
             length or type than policy saw. Where no body is waited for, the request went on before: then such trailers are taken out.",
    relaxed: Some("the trailer is one like any other"),
    references: &[("RFC 9110 §6.5.1", RFC9110)],
    requests: &[Request {
        shipped: Outcome::Rewritten("without trailers"),
        ..post(
            b"POST /json",
            &[b"content-type: application/json", b"transfer-encoding: chunked"],
            b"c\r\n{\"amount\":1}\r\n0\r\nx-http-method-override: DELETE\r\n\r\n",
        )
    }],
};

const UPGRADES: Rule = Rule {
    name: "upgrades",
    attack: "After a switch to WebSocket or to HTTP/2 without TLS the connection carries what nobody judged or countersigned, such \
             as requests for other paths.",
    relaxed: Some("people are asked, and once they approve the connection is a tunnel"),
    references: &[
        ("RFC 9110 §7.8", RFC9110),
        ("RFC 6455 §1.3", "https://www.rfc-editor.org/rfc/rfc6455#section-1.3"),
        ("Bishop Fox, h2c Smuggling, 2020", "https://bishopfox.com/blog/h2c-smuggling-request"),
    ],
    requests: &[Request {
        start: b"GET /keys/a",
        usual: &[b"host: read.example", b"x-user: ann"],
        shipped: Outcome::Envoy(403, "upgrade_failed"),
        relaxed: Outcome::Held,
        ..with(&[
            b"connection: upgrade",
            b"upgrade: websocket",
            b"sec-websocket-version: 13",
            b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
        ])
    }],
};
