-- The tables of SQLite's migrations 1 to 7. Times are milliseconds since the Unix epoch; tokens and hashes are
-- lower-case hexadecimal.

-- The time at which a statement came: what a transaction waited for before is over then.
CREATE VIEW clock AS SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint AS now;

CREATE TABLE tickets (
    id         TEXT PRIMARY KEY,
    capability TEXT NOT NULL UNIQUE,
    audience   TEXT NOT NULL,
    principal  TEXT NOT NULL,
    digest     TEXT NOT NULL,
    question   TEXT NOT NULL,  -- as the gateway sent it, byte for byte
    outline    TEXT,           -- the question without what is long: what lists are made of
    shown      TEXT NOT NULL,  -- SHA-256 of `question`
    asked_at   BIGINT NOT NULL,
    answer_by  BIGINT NOT NULL,
    cancel_at  BIGINT,         -- set when the last client left, cleared when the request comes again
    use_within BIGINT NOT NULL,
    use_by     BIGINT,
    uses       BIGINT NOT NULL CHECK (uses > 0),
    used       BIGINT NOT NULL DEFAULT 0 CHECK (used <= uses),
    state      TEXT NOT NULL DEFAULT 'pending' CHECK (state IN
        ('pending', 'approved', 'consumed', 'rejected', 'expired', 'revoked', 'cancelled')),
    settled_at BIGINT,
    reason     TEXT,
    jti        TEXT UNIQUE,
    grant_jws  TEXT,
    -- The deadline of the state that it is in; a final state has none.
    lapses_at  BIGINT GENERATED ALWAYS AS (CASE state
        WHEN 'pending' THEN LEAST(answer_by, cancel_at)
        WHEN 'approved' THEN use_by END) STORED,
    CHECK (state <> 'approved' OR (jti IS NOT NULL AND grant_jws IS NOT NULL AND use_by IS NOT NULL))
);

-- What a question joins instead of becoming a ticket of its own.
CREATE UNIQUE INDEX tickets_open ON tickets (audience, principal, digest) WHERE state IN ('pending', 'approved');
CREATE INDEX tickets_lapse ON tickets (lapses_at) WHERE lapses_at IS NOT NULL;
CREATE INDEX tickets_age ON tickets (asked_at);

-- Who waits for an ask and until when, and whether its client left.
CREATE TABLE asks (
    gateway    TEXT NOT NULL,
    nonce      TEXT NOT NULL,
    ticket     TEXT NOT NULL REFERENCES tickets (id),
    at         BIGINT NOT NULL,
    waiter     TEXT,
    held_until BIGINT NOT NULL DEFAULT 0,
    left_at    BIGINT,
    PRIMARY KEY (gateway, nonce)
);
CREATE INDEX asks_ticket ON asks (ticket, waiter);

CREATE TABLE waiters (
    id      TEXT PRIMARY KEY,
    gateway TEXT NOT NULL,
    seen_at BIGINT NOT NULL
);

-- Which waiter is told about which ticket.
CREATE TABLE attachments (
    ticket     TEXT NOT NULL REFERENCES tickets (id),
    waiter     TEXT NOT NULL REFERENCES waiters (id) ON DELETE CASCADE,
    held_until BIGINT NOT NULL,
    left_at    BIGINT,
    PRIMARY KEY (ticket, waiter)
);
CREATE INDEX attachments_waiter ON attachments (waiter);

CREATE TABLE events (
    seq    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    waiter TEXT NOT NULL REFERENCES waiters (id) ON DELETE CASCADE,
    ticket TEXT NOT NULL REFERENCES tickets (id)
);
CREATE INDEX events_waiter ON events (waiter, seq);
CREATE VIEW last_event AS SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS seq FROM events_seq_seq;

CREATE TABLE answers (
    id            TEXT PRIMARY KEY,
    ticket        TEXT NOT NULL REFERENCES tickets (id),
    kind          TEXT NOT NULL CHECK (kind IN ('approve', 'reject', 'flag')),
    issuer        TEXT NOT NULL,
    subject       TEXT NOT NULL,
    at            BIGINT NOT NULL,
    reason        TEXT,
    shown         TEXT NOT NULL,
    account_since BIGINT NOT NULL,
    memberships   TEXT NOT NULL,  -- JSON, as in the grant
    amr           TEXT NOT NULL,  -- JSON, as in the grant
    dropped       TEXT            -- why the gateway did not believe it
);
CREATE UNIQUE INDEX answers_one_each ON answers (ticket, issuer, subject) WHERE dropped IS NULL;

CREATE TABLE claims (
    audience     TEXT NOT NULL,
    nonce        TEXT NOT NULL,
    ticket       TEXT NOT NULL REFERENCES tickets (id),
    jti          TEXT NOT NULL,
    digest       TEXT NOT NULL,
    record       TEXT NOT NULL UNIQUE,  -- one record, one use
    receipt      TEXT NOT NULL,
    at           BIGINT NOT NULL,
    forwarded_at BIGINT,
    status       BIGINT,
    report_by    BIGINT,  -- when the gateway has to have said what became of it
    PRIMARY KEY (audience, nonce)
);
CREATE INDEX claims_ticket ON claims (ticket);
CREATE INDEX claims_report ON claims (report_by) WHERE report_by IS NOT NULL;

-- Uses as they are at this moment, whether or not anything has written down yet that a deadline has passed.
CREATE VIEW claims_now AS
SELECT claims.*, CASE
        WHEN forwarded_at IS NOT NULL THEN 'forwarded'
        WHEN report_by > clock.now THEN 'awaited'
        ELSE 'unknown'
    END AS outcome
FROM claims CROSS JOIN clock;

-- Tickets as they are at this moment, likewise.
CREATE VIEW current AS
SELECT tickets.*, clock.now,
    CASE
        WHEN lapses_at IS NULL OR lapses_at > clock.now THEN state
        WHEN state = 'pending' AND cancel_at < answer_by THEN 'cancelled'
        ELSE 'expired'
    END AS state_now,
    (SELECT count(*) FROM claims_now AS claim
        WHERE claim.ticket = tickets.id AND claim.outcome = 'unknown') AS outcomes_unknown
FROM tickets CROSS JOIN clock;

-- What happened to a ticket, refused attempts to answer among it.
CREATE TABLE history (
    seq     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket  TEXT NOT NULL REFERENCES tickets (id),
    at      BIGINT NOT NULL,
    event   TEXT NOT NULL,
    issuer  TEXT,
    subject TEXT,
    code    TEXT,
    detail  TEXT
);
CREATE INDEX history_ticket ON history (ticket, seq);

CREATE TABLE producers (
    id         TEXT PRIMARY KEY,
    gateway    TEXT NOT NULL,
    seen_at    BIGINT NOT NULL DEFAULT 0,
    stopped_at BIGINT
);
CREATE INDEX producers_seen ON producers (seen_at) WHERE stopped_at IS NULL;

CREATE TABLE lanes (
    producer TEXT NOT NULL REFERENCES producers (id),
    lane     TEXT NOT NULL,
    next     BIGINT NOT NULL DEFAULT 0,  -- all below are kept
    ends     BIGINT NOT NULL DEFAULT 0,  -- one more than the highest number that is kept
    said     BIGINT NOT NULL DEFAULT 0,  -- how many records a heartbeat or stop counts
    PRIMARY KEY (producer, lane)
);
CREATE INDEX lanes_cut ON lanes (producer) WHERE said > ends;

CREATE TABLE evidence (
    producer TEXT NOT NULL,
    lane     TEXT NOT NULL,
    seq      BIGINT NOT NULL,
    prev     TEXT NOT NULL,
    hash     TEXT NOT NULL,
    ts       BIGINT NOT NULL,
    kind     TEXT NOT NULL,
    line     TEXT NOT NULL,
    kept_at  BIGINT NOT NULL,
    ticket   TEXT,
    PRIMARY KEY (producer, lane, seq),
    FOREIGN KEY (producer, lane) REFERENCES lanes (producer, lane)
);
CREATE INDEX evidence_hash ON evidence (hash);

-- Where a lane does not hold together: a record is missing, or the hash of the one before is not the one named.
CREATE VIEW evidence_breaks AS
SELECT e.producer, e.lane, e.seq, CASE WHEN b.hash IS NULL AND e.seq > 0 THEN 'missing' ELSE 'broken' END AS why
FROM evidence AS e
LEFT JOIN evidence AS b ON b.producer = e.producer AND b.lane = e.lane AND b.seq = e.seq - 1
WHERE e.prev IS DISTINCT FROM CASE e.seq WHEN 0 THEN repeat('0', 64) ELSE b.hash END;

-- Other bytes under a sequence number that is taken.
CREATE TABLE evidence_conflicts (
    producer TEXT NOT NULL,
    lane     TEXT NOT NULL,
    seq      BIGINT NOT NULL,
    hash     TEXT NOT NULL,
    line     TEXT NOT NULL,
    gateway  TEXT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (producer, lane, seq, hash)
);

-- The last time step whose code each person used (RFC 6238, section 5.2).
CREATE TABLE totp_steps (
    subject TEXT PRIMARY KEY,
    step    BIGINT NOT NULL
);

CREATE TABLE attempts (
    key          TEXT PRIMARY KEY,
    failures     BIGINT NOT NULL,
    locked_until BIGINT NOT NULL
);

CREATE TABLE accounts (
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    name       TEXT,
    created_at BIGINT NOT NULL,
    password   TEXT,     -- Argon2id, PHC string format; none where another provider logs them in
    totp       TEXT,     -- base32
    totp_since BIGINT,
    login_at   BIGINT,  -- when a provider last vouched for them
    PRIMARY KEY (issuer, subject)
);

CREATE TABLE memberships (
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    group_issuer TEXT NOT NULL,
    group_id     TEXT NOT NULL,
    since        BIGINT NOT NULL,
    source       TEXT NOT NULL CHECK (source IN ('admin', 'claim')),
    PRIMARY KEY (issuer, subject, group_issuer, group_id),
    FOREIGN KEY (issuer, subject) REFERENCES accounts (issuer, subject) ON DELETE CASCADE
);
CREATE INDEX memberships_group ON memberships (group_issuer, group_id);

-- Keys that prove presence (WebAuthn), by the id of the credential in base64url.
CREATE TABLE passkeys (
    id         TEXT PRIMARY KEY,
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    name       TEXT NOT NULL,
    credential TEXT NOT NULL,  -- JSON: algorithm and public key
    counter    BIGINT NOT NULL,  -- of signatures, as its authenticator last gave it
    created_at BIGINT NOT NULL,
    used_at    BIGINT,
    FOREIGN KEY (issuer, subject) REFERENCES accounts (issuer, subject) ON DELETE CASCADE
);
CREATE INDEX passkeys_person ON passkeys (issuer, subject);

-- Accounts, with since when they have a passkey.
CREATE VIEW members AS
SELECT accounts.*, (SELECT min(created_at) FROM passkeys
    WHERE passkeys.issuer = accounts.issuer AND passkeys.subject = accounts.subject) AS passkey_since
FROM accounts;

-- What a browser was sent away with, and has to come back with: used once, within minutes.
CREATE TABLE ceremonies (
    id         TEXT PRIMARY KEY,  -- SHA-256 of what the browser holds
    kind       TEXT NOT NULL,
    state      TEXT NOT NULL,     -- JSON
    expires_at BIGINT NOT NULL
);
CREATE INDEX ceremonies_end ON ceremonies (expires_at);

CREATE TABLE api_tokens (
    id         TEXT PRIMARY KEY,
    hash       TEXT NOT NULL UNIQUE,  -- SHA-256 of the token
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    name       TEXT NOT NULL,
    scopes     TEXT NOT NULL,         -- JSON
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    FOREIGN KEY (issuer, subject) REFERENCES accounts (issuer, subject) ON DELETE CASCADE
);
CREATE INDEX api_tokens_person ON api_tokens (issuer, subject);

CREATE TABLE gateways (
    name         TEXT PRIMARY KEY,
    audience     TEXT NOT NULL,
    token_sha256 TEXT UNIQUE,
    certificate  TEXT UNIQUE,  -- a name in it: URI or DNS
    created_at   BIGINT NOT NULL,
    CHECK (token_sha256 IS NOT NULL OR certificate IS NOT NULL)
);

CREATE TABLE sessions (
    id          TEXT PRIMARY KEY,  -- SHA-256 of the secret
    issuer      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    method      TEXT NOT NULL,     -- how they logged in (RFC 8176)
    credentials TEXT NOT NULL,     -- what the account's password and second factor were when it began
    created_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    otp_at      BIGINT,           -- when a one-time code was proven
    passkey_at  BIGINT,           -- when a passkey was, for changes of the account alone
    FOREIGN KEY (issuer, subject) REFERENCES accounts (issuer, subject) ON DELETE CASCADE
);

-- What was changed about the service itself, and by whom; nobody where the command line did it.
CREATE TABLE changes (
    seq     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      BIGINT NOT NULL,
    event   TEXT NOT NULL,
    issuer  TEXT,
    subject TEXT,
    detail  TEXT NOT NULL  -- JSON
);

-- Requests whose gate somebody opened alone: on the list until somebody else has looked at them.
CREATE TABLE reviews (
    ticket     TEXT PRIMARY KEY REFERENCES tickets (id),
    issuer     TEXT NOT NULL,  -- who opened it
    subject    TEXT NOT NULL,
    opened_at  BIGINT NOT NULL,
    closed_at  BIGINT,
    by_issuer  TEXT,           -- who looked at it
    by_subject TEXT,
    note       TEXT
);
CREATE INDEX reviews_open ON reviews (opened_at) WHERE closed_at IS NULL;
CREATE INDEX tickets_principal ON tickets (audience, principal, asked_at);

ALTER TABLE answers ADD COLUMN break_glass BIGINT NOT NULL DEFAULT 0;  -- whether it opens gates alone
ALTER TABLE answers ADD COLUMN uses BIGINT;        -- how many uses they said yes to, where fewer than asked for
ALTER TABLE answers ADD COLUMN use_within BIGINT;  -- for how long, likewise, milliseconds
ALTER TABLE answers ADD COLUMN assertion TEXT;      -- the WebAuthn assertion over this request, JSON

-- Which gates a request is to pass, to count those that wait at each.
CREATE TABLE ticket_gates (
    ticket TEXT NOT NULL REFERENCES tickets (id),
    gate   TEXT NOT NULL,
    PRIMARY KEY (gate, ticket)
);

-- The last answer to the same request, to remember a rejection by.
CREATE INDEX tickets_digest ON tickets (audience, principal, digest, settled_at);

CREATE INDEX answers_ticket ON answers (ticket);
