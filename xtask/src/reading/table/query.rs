//! Rules about the query, and about forms, which are written alike.

use super::super::{FIXED, Request, Rule, Section, get, post};

pub(super) const QUERY: Section = Section {
    title: "Queries and forms",
    rules: &[QUERY_SEMICOLONS, QUERY_PLUS, QUERY_KEY_CASE, REPEATED_PARAMETERS],
};

const FORM: &[&[u8]] = &[b"content-type: application/x-www-form-urlencoded"];

const URLENCODED: (&str, &str) = ("WHATWG URL §5.1", "https://url.spec.whatwg.org/#urlencoded-parsing");

const QUERY_SEMICOLONS: Rule = Rule {
    name: "query-semicolons",
    attack: "HTML 4 recommended `;` beside `&`, and some servers still split there: `a=1;q=2` is one parameter or two.",
    relaxed: Some("`;` is a plain character"),
    references: &[
        URLENCODED,
        ("HTML 4.01 §B.2.2", "https://www.w3.org/TR/html401/appendix/notes.html#h-B.2.2"),
        ("CVE-2021-23336", "https://nvd.nist.gov/vuln/detail/CVE-2021-23336"),
        ("CVE-2022-2880", "https://nvd.nist.gov/vuln/detail/CVE-2022-2880"),
    ],
    requests: &[get(b"GET /items/a?x=1;q=2"), post(b"POST /form", FORM, b"name=a;name=b")],
};

const QUERY_PLUS: Rule = Rule {
    name: "query-plus",
    attack: "`+` is a space in a form. In a URL it is a plus by the RFC and a space by most frameworks: `q=a+b` has two values.",
    relaxed: Some("it is a space"),
    references: &[URLENCODED, ("RFC 3986 §2.2", "https://www.rfc-editor.org/rfc/rfc3986#section-2.2")],
    requests: &[get(b"GET /items/a?q=a+b")],
};

const QUERY_KEY_CASE: Rule = Rule {
    name: "query-key-case",
    attack: "ASP.NET does not tell `Q` from `q`; PHP and Rails take `q[]` and `q[x]` for `q`. Policy reads one, the server \
             another. Parts of a multipart body have names alike.",
    relaxed: Some("names are as they are written"),
    references: &[
        ("CWE-178", "https://cwe.mitre.org/data/definitions/178.html"),
        (
            "PHP: variables from external sources",
            "https://www.php.net/manual/en/language.variables.external.php",
        ),
    ],
    requests: &[
        get(b"GET /items/a?Q=root"),
        get(b"GET /items/a?q[]=root"),
        post(b"POST /form", FORM, b"name=ann&NAME=root"),
    ],
};

const REPEATED_PARAMETERS: Rule = Rule {
    name: "repeated-parameters",
    attack: "Of `q=1&q=2` some take the first, some the last, some both joined by a comma (HTTP parameter pollution). What \
             is there more than once is for a `Set`.",
    relaxed: None,
    references: &[
        (
            "Carettoni and di Paola, HTTP Parameter Pollution, 2009",
            "https://owasp.org/www-pdf-archive/AppsecEU09_CarettoniDiPaola_v0.8.pdf",
        ),
        ("CWE-235", "https://cwe.mitre.org/data/definitions/235.html"),
    ],
    requests: &[
        Request { start: b"GET /items/a?q=1&q=2", ..FIXED },
        Request { start: b"POST /form", fields: FORM, body: b"name=ann&name=root", ..FIXED },
    ],
};
