//! The rules of the one reading.

use super::Mutant;

const HEADERS: &str = "core/src/reading/headers.rs";
const PATH: &str = "core/src/reading/path.rs";
const STRIP: &str = "core/src/reading/strip.rs";

pub(super) const ALL: [Mutant; 9] = [
    Mutant {
        name: "encoded-slash",
        removes: "decodes `%2f` in a path",
        file: PATH,
        old: "separates == PATH",
        new: "false",
    },
    Mutant {
        name: "dot-segments",
        removes: "takes dot segments for names",
        file: PATH,
        old: "decoded == \".\" || decoded == \"..\"",
        new: "false",
    },
    Mutant {
        name: "duplicate-keys",
        removes: "takes the last of two equal keys in JSON",
        file: "core/src/routes/json.rs",
        old: "key == next",
        new: "false",
    },
    Mutant {
        name: "repeated-header",
        removes: "takes the first of two values of a header that has one",
        file: HEADERS,
        old: "self.values(name).nth(1).is_some()",
        new: "false",
    },
    Mutant {
        name: "method-override",
        removes: "does not mind a header that names another method",
        file: HEADERS,
        old: "names.iter().any(|name| same_to_cgi(key, name))",
        new: "{ let _ = (key, names); false }",
    },
    Mutant {
        name: "host-override",
        removes: "does not mind a header that names another host",
        file: HEADERS,
        old: "host(named).ok().as_deref() != Some(own)",
        new: "{ let _ = own; false }",
    },
    Mutant {
        name: "trailers-as-headers",
        removes: "does not mind trailers that speak of the connection",
        file: HEADERS,
        old: "name.starts_with(':') || names.into_iter().any(|header| same_to_cgi(&name, header))",
        new: "{ let _ = names; false }",
    },
    Mutant {
        name: "own-headers",
        removes: "passes on `countersign-` headers of clients",
        file: STRIP,
        old: "starts_with(name, b\"countersign-\")",
        new: "false",
    },
    Mutant {
        name: "steering-headers",
        removes: "passes on headers that steer the router",
        file: STRIP,
        old: "starts_with(name, b\"x-envoy-fault-\") || STEERING.iter().any(steers)",
        new: "{ let _ = steers; false }",
    },
];
