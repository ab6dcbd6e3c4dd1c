//! What keeps a request in the gateway while it waits, and evidence of all that happens.

use super::Mutant;

const STREAM: &str = "plugin/src/stream.rs";
const WORKER: &str = "plugin/src/worker.rs";
const CHAIN: &str = "protocol/src/evidence.rs";

pub(super) const ALL: [Mutant; 10] = [
    Mutant {
        name: "headers-callback",
        removes: "continues from the headers callback while the request waits",
        file: STREAM,
        old: "Some(worker.judge(self.id, facts, host::moment()?))",
        new: "match worker.judge(self.id, facts, host::moment()?) {
            Directive::Stay => Some(Directive::Continue(None)),
            other => Some(other),
        }",
    },
    Mutant {
        name: "body-callback",
        removes: "continues from the last body callback while the request waits",
        file: STREAM,
        old: "self.body_complete(worker, Vec::new())",
        new: "match self.body_complete(worker, Vec::new()) {
            Some(Directive::Stay) => Some(Directive::Continue(None)),
            other => other,
        }",
    },
    Mutant {
        name: "trailers-callback",
        removes: "continues from the trailers callback while the request waits",
        file: STREAM,
        old: "self.body_complete(worker, facts::sanitised(MapType::HttpRequestTrailers)?)",
        new: "match self.body_complete(worker, facts::sanitised(MapType::HttpRequestTrailers)?) {
            Some(Directive::Stay) => Some(Directive::Continue(None)),
            other => other,
        }",
    },
    Mutant {
        name: "body-under-way",
        removes: "continues from a body callback before the body is complete",
        file: WORKER,
        old: "if size <= self.engine.limits().body {
            return Directive::Stay;
        }
        self.with_body(id, now, |state, engine, journal| state.on_too_large(engine, journal, now))",
        new: "if size <= self.engine.limits().body {
            return Directive::Continue(None);
        }
        self.with_body(id, now, |state, engine, journal| state.on_too_large(engine, journal, now))",
    },
    Mutant {
        name: "body-limit",
        removes: "reads a body over the limit",
        file: WORKER,
        old: "if size <= self.engine.limits().body {
            return Directive::Stay;
        }
        self.with_body(id, now, |state, engine, journal| state.on_too_large(engine, journal, now))",
        new: "{ let _ = now; Directive::Stay }",
    },
    Mutant {
        name: "bytes-without-permit",
        removes: "continues when more of a request comes that has no permit",
        file: WORKER,
        old: "match self.permits.contains_key(&id) {
            true => Directive::Continue(None),
            false => Directive::Stay,
        }",
        new: "Directive::Continue(None)",
    },
    Mutant {
        name: "no-record-of-allow",
        removes: "makes no evidence of an allow",
        file: "core/src/life/permit.rs",
        old: "journal.plain(now, \"allowed\", members)",
        new: "{ let _ = members; Vec::new() }",
    },
    Mutant {
        name: "no-record-of-denial",
        removes: "makes no evidence of a denial",
        file: "core/src/life/deny.rs",
        old: "journal.plain(now, \"denied\", members)",
        new: "{ let _ = members; Vec::new() }",
    },
    Mutant {
        name: "skipped-number",
        removes: "leaves numbers out of a lane",
        file: CHAIN,
        old: "seq.saturating_add(1)",
        new: "seq.saturating_add(2)",
    },
    Mutant {
        name: "broken-chain",
        removes: "does not name the record before",
        file: CHAIN,
        old: "self.prev",
        new: "Hash::ZERO",
    },
];
