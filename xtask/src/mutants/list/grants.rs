//! What a grant or a receipt must say before it is used.

use super::Mutant;

const GRANT: &str = "core/src/grant.rs";
const QUORUM: &str = "protocol/src/quorum.rs";

pub(super) const ALL: [Mutant; 14] = [
    Mutant {
        name: "any-signature",
        removes: "believes a grant that another key signed",
        file: "protocol/src/jws.rs",
        old: "key.verify_strict(signed.as_bytes(), &Signature::from_bytes(&signature))
        .map_err(|_| JwsError::BadSignature)",
        new: "{ let _ = (key, signature); Ok::<(), JwsError>(()) }",
    },
    Mutant {
        name: "any-digest",
        removes: "believes a grant for another request",
        file: GRANT,
        old: "grant.digest != expected.digest",
        new: "false",
    },
    Mutant {
        name: "no-expiry",
        removes: "believes a grant that has lapsed",
        file: GRANT,
        old: "grant.exp <= seconds",
        new: "false",
    },
    Mutant {
        name: "any-audience",
        removes: "believes a grant for another gateway",
        file: GRANT,
        old: "aud != self.audience",
        new: "false",
    },
    Mutant {
        name: "own-approval",
        removes: "counts the yes of somebody who takes part in the request",
        file: QUORUM,
        old: "one.names.contains(&answer.person)",
        new: "false",
    },
    Mutant {
        name: "any-group",
        removes: "counts the yes of somebody who is in no group that is asked",
        file: QUORUM,
        old: "place.group == *group && place.since <= asked_at",
        new: "true",
    },
    Mutant {
        name: "one-factor",
        removes: "counts a yes without a second factor at severity high",
        file: QUORUM,
        old: "must_prove && !proven",
        new: "false",
    },
    Mutant {
        name: "no-quorum",
        removes: "is content with fewer people than the gate asks for",
        file: GRANT,
        old: "missing(expected.gates, grant.flaggers.len(), grant.asked_at, &grant.answers)",
        new: "0",
    },
    Mutant {
        name: "no-flags",
        removes: "asks for nobody more when somebody flagged",
        file: GRANT,
        old: "missing(expected.gates, grant.flaggers.len(), grant.asked_at, &grant.answers)",
        new: "missing(expected.gates, 0, grant.asked_at, &grant.answers)",
    },
    Mutant {
        name: "any-approver",
        removes: "does not ask the policies for approvers",
        file: "core/src/life/held.rs",
        old: "narrowing::check(engine, request, &grant, at.now)",
        new: "Ok(())",
    },
    Mutant {
        name: "any-nonce",
        removes: "believes the receipt of another claim",
        file: GRANT,
        old: "receipt.nonce == nonce",
        new: "true",
    },
    Mutant {
        name: "any-receipt",
        removes: "does not read receipts",
        file: "core/src/life/claiming.rs",
        old: "engine.trust.receipt(&receipt, &self.grant, (nonce, record), at.now)",
        new: "{
            let _ = receipt;
            let Grant { jti, ticket, digest, .. } = self.grant;
            let (iss, aud) = (String::new(), String::new());
            let unread = countersign_protocol::grant::Receipt {
                iss, aud, iat: 0, exp: 0, jti, ticket, digest, nonce, record
            };
            Ok::<_, Breach>(unread)
        }",
    },
    Mutant {
        name: "any-grant",
        removes: "does not check who answered",
        file: GRANT,
        old: "people(&grant, expected, identities)?",
        new: "()",
    },
    Mutant {
        name: "never-used-up",
        removes: "goes on when the claim is lost to a twin",
        file: "core/src/life/claiming.rs",
        old: "self.on_lost(engine, journal, state, at)",
        new: "{ let _ = state; self.on_won(engine, journal, at.now) }",
    },
];
