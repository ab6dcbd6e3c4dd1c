-- Times are milliseconds since the Unix epoch; tokens and hashes are lower-case hexadecimal.

CREATE TABLE tickets (
    id         TEXT PRIMARY KEY,
    capability TEXT NOT NULL UNIQUE,
    audience   TEXT NOT NULL,
    principal  TEXT NOT NULL,
    digest     TEXT NOT NULL,
    question   TEXT NOT NULL,  -- as the gateway sent it, byte for byte
    shown      TEXT NOT NULL,  -- SHA-256 of `question`
    asked_at   INTEGER NOT NULL,
    answer_by  INTEGER NOT NULL,
    cancel_at  INTEGER,        -- set when the last client left, cleared when the request comes again
    use_within INTEGER NOT NULL,
    use_by     INTEGER,
    uses       INTEGER NOT NULL CHECK (uses > 0),
    used       INTEGER NOT NULL DEFAULT 0 CHECK (used <= uses),
    state      TEXT NOT NULL DEFAULT 'pending' CHECK (state IN
        ('pending', 'approved', 'consumed', 'rejected', 'expired', 'revoked', 'cancelled')),
    settled_at INTEGER,
    reason     TEXT,
    jti        TEXT UNIQUE,
    grant_jws  TEXT,
    -- The deadline of the state that it is in; a final state has none.
    lapses_at  INTEGER AS (CASE state
        WHEN 'pending' THEN min(answer_by, ifnull(cancel_at, answer_by))
        WHEN 'approved' THEN use_by END) VIRTUAL,
    CHECK (state <> 'approved' OR (jti IS NOT NULL AND grant_jws IS NOT NULL AND use_by IS NOT NULL))
) STRICT;

-- What a question joins instead of becoming a ticket of its own.
CREATE UNIQUE INDEX tickets_open ON tickets (audience, principal, digest) WHERE state IN ('pending', 'approved');
CREATE INDEX tickets_lapse ON tickets (lapses_at) WHERE lapses_at IS NOT NULL;
CREATE INDEX tickets_age ON tickets (asked_at);

-- Tickets as they are at this moment, whether or not anything has written down yet that a deadline has passed.
CREATE VIEW current AS
SELECT tickets.*, clock.now,
    CASE
        WHEN lapses_at IS NULL OR lapses_at > clock.now THEN state
        WHEN state = 'pending' AND cancel_at < answer_by THEN 'cancelled'
        ELSE 'expired'
    END AS state_now
FROM tickets, (SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) AS now) AS clock;

CREATE TABLE asks (
    gateway TEXT NOT NULL,
    nonce   TEXT NOT NULL,
    ticket  TEXT NOT NULL REFERENCES tickets (id),
    at      INTEGER NOT NULL,
    PRIMARY KEY (gateway, nonce)
) STRICT;

CREATE TABLE waiters (
    id      TEXT PRIMARY KEY,
    gateway TEXT NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT;

-- Which waiter is told about which ticket.
CREATE TABLE attachments (
    ticket     TEXT NOT NULL REFERENCES tickets (id),
    waiter     TEXT NOT NULL REFERENCES waiters (id) ON DELETE CASCADE,
    held_until INTEGER NOT NULL,
    left_at    INTEGER,
    PRIMARY KEY (ticket, waiter)
) STRICT;
CREATE INDEX attachments_waiter ON attachments (waiter);

CREATE TABLE events (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    waiter TEXT NOT NULL REFERENCES waiters (id) ON DELETE CASCADE,
    ticket TEXT NOT NULL REFERENCES tickets (id)
) STRICT;
CREATE INDEX events_waiter ON events (waiter, seq);

CREATE TABLE answers (
    id            TEXT PRIMARY KEY,
    ticket        TEXT NOT NULL REFERENCES tickets (id),
    kind          TEXT NOT NULL CHECK (kind IN ('approve', 'reject', 'flag')),
    issuer        TEXT NOT NULL,
    subject       TEXT NOT NULL,
    at            INTEGER NOT NULL,
    reason        TEXT,
    shown         TEXT NOT NULL,
    account_since INTEGER NOT NULL,
    memberships   TEXT NOT NULL,  -- JSON, as in the grant
    amr           TEXT NOT NULL,  -- JSON, as in the grant
    dropped       TEXT            -- why the gateway did not believe it
) STRICT;
CREATE UNIQUE INDEX answers_one_each ON answers (ticket, issuer, subject) WHERE dropped IS NULL;

CREATE TABLE claims (
    audience   TEXT NOT NULL,
    nonce      TEXT NOT NULL,
    ticket     TEXT NOT NULL REFERENCES tickets (id),
    jti        TEXT NOT NULL,
    digest     TEXT NOT NULL,
    record     TEXT NOT NULL UNIQUE,  -- one record, one use
    receipt    TEXT NOT NULL,
    at         INTEGER NOT NULL,
    forwarded_at INTEGER,
    status     INTEGER,
    PRIMARY KEY (audience, nonce)
) STRICT;
CREATE INDEX claims_ticket ON claims (ticket);

-- What happened to a ticket, refused attempts to answer among it.
CREATE TABLE history (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    ticket  TEXT NOT NULL REFERENCES tickets (id),
    at      INTEGER NOT NULL,
    event   TEXT NOT NULL,
    issuer  TEXT,
    subject TEXT,
    code    TEXT,
    detail  TEXT
) STRICT;
CREATE INDEX history_ticket ON history (ticket, seq);

CREATE TABLE producers (
    id      TEXT PRIMARY KEY,
    gateway TEXT NOT NULL
) STRICT;

CREATE TABLE lanes (
    producer TEXT NOT NULL REFERENCES producers (id),
    lane     TEXT NOT NULL,
    next     INTEGER NOT NULL DEFAULT 0,  -- all below are kept
    PRIMARY KEY (producer, lane)
) STRICT;

CREATE TABLE evidence (
    producer TEXT NOT NULL,
    lane     TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    prev     TEXT NOT NULL,
    hash     TEXT NOT NULL,
    ts       INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    line     TEXT NOT NULL,
    kept_at  INTEGER NOT NULL,
    PRIMARY KEY (producer, lane, seq),
    FOREIGN KEY (producer, lane) REFERENCES lanes (producer, lane)
) STRICT;
CREATE INDEX evidence_hash ON evidence (hash);

-- Where a lane does not hold together: a record is missing, or the hash of the one before is not the one named.
CREATE VIEW evidence_breaks AS
SELECT e.producer, e.lane, e.seq, CASE WHEN b.hash IS NULL AND e.seq > 0 THEN 'missing' ELSE 'broken' END AS why
FROM evidence AS e
LEFT JOIN evidence AS b ON b.producer = e.producer AND b.lane = e.lane AND b.seq = e.seq - 1
WHERE e.prev IS NOT CASE e.seq
    WHEN 0 THEN '0000000000000000000000000000000000000000000000000000000000000000'
    ELSE b.hash END;

-- Other bytes under a sequence number that is taken.
CREATE TABLE evidence_conflicts (
    producer TEXT NOT NULL,
    lane     TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    hash     TEXT NOT NULL,
    line     TEXT NOT NULL,
    gateway  TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (producer, lane, seq, hash)
) STRICT;

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,  -- SHA-256 of the secret
    subject    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    otp_at     INTEGER
) STRICT;

-- The last time step whose code each person used (RFC 6238, section 5.2).
CREATE TABLE totp_steps (
    subject TEXT PRIMARY KEY,
    step    INTEGER NOT NULL
) STRICT;

CREATE TABLE attempts (
    key          TEXT PRIMARY KEY,
    failures     INTEGER NOT NULL,
    locked_until INTEGER NOT NULL
) STRICT;
