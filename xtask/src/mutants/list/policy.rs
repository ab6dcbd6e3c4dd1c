//! What policy, routes and identities rule out.

use super::Mutant;

const EVALUATE: &str = "core/src/policy/evaluate.rs";
const SOURCE: &str = "core/src/identity/source.rs";

pub(super) const ALL: [Mutant; 9] = [
    Mutant {
        name: "policy-error",
        removes: "counts a forbid that cannot be evaluated as not satisfied",
        file: EVALUATE,
        old: "*role != Role::Permit",
        new: "false",
    },
    Mutant {
        name: "no-forbids",
        removes: "does not heed absolute forbids",
        file: EVALUATE,
        old: "!self.forbids.is_empty()",
        new: "false",
    },
    Mutant {
        name: "default-allow",
        removes: "allows what no policy permits",
        file: EVALUATE,
        old: "self.permits.is_empty()",
        new: "false",
    },
    Mutant {
        name: "no-gates",
        removes: "lets everything through gates",
        file: EVALUATE,
        old: "required(&self.gates)",
        new: "None::<Required>",
    },
    Mutant {
        name: "no-route",
        removes: "judges what no route of a closed host matches as plain HTTP",
        file: "core/src/routes.rs",
        old: "fallback.map_or(!closed, |fallback| fallback == Fallback::Http)",
        new: "true",
    },
    Mutant {
        name: "unread-body",
        removes: "judges without the body that a gate needs",
        file: "core/src/judge.rs",
        old: "facts.body.is_none() && (target.needs_body() || bound)",
        new: "bound && false",
    },
    Mutant {
        name: "any-peer",
        removes: "believes a header that names the caller, whoever sent it",
        file: SOURCE,
        old: "!peer.is_some_and(|peer| peers.iter().any(|network| network.contains(&peer)))",
        new: "{ let _ = (peer, peers); false }",
    },
    Mutant {
        name: "any-trust-domain",
        removes: "believes a certificate of another trust domain",
        file: SOURCE,
        old: "!spiffe::is_id_of(uri, trust_domain)",
        new: "false",
    },
    Mutant {
        name: "any-actor",
        removes: "takes the subject of a token that names an actor for the caller",
        file: "core/src/identity/claims.rs",
        old: "claims.get(\"act\")",
        new: "None::<&Json>",
    },
];
