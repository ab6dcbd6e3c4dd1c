//! What an approval is bound to.

use super::Mutant;

const DIGEST: &str = "core/src/digest.rs";

pub(super) const ALL: [Mutant; 3] = [
    Mutant {
        name: "unbound-body",
        removes: "does not bind the body",
        file: DIGEST,
        old: "encoder.body(body, loose)",
        new: "()",
    },
    Mutant {
        name: "unbound-headers",
        removes: "does not bind header fields",
        file: DIGEST,
        old: "encoder.fields(&facts.headers, volatile)",
        new: "()",
    },
    Mutant {
        name: "unbound-path",
        removes: "does not bind the path",
        file: DIGEST,
        old: "[audience, &reading.method, &reading.scheme, &reading.authority, &reading.path]",
        new: "[audience, &reading.method, &reading.scheme, &reading.authority, &reading.host]",
    },
];
