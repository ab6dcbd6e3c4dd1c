-- What the queries read that differs between SQLite and PostgreSQL: the clock, in milliseconds since the Unix epoch,
-- and the last number that any event was given.
CREATE VIEW clock AS SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) AS now;
CREATE VIEW last_event AS
SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS seq;

CREATE TABLE accounts (
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    name       TEXT,
    created_at INTEGER NOT NULL,
    password   TEXT,     -- Argon2id, PHC string format; none where another provider logs them in
    totp       TEXT,     -- base32
    totp_since INTEGER,
    login_at   INTEGER,  -- when a provider last vouched for them
    PRIMARY KEY (issuer, subject)
) STRICT;

CREATE TABLE memberships (
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    group_issuer TEXT NOT NULL,
    group_id     TEXT NOT NULL,
    since        INTEGER NOT NULL,
    source       TEXT NOT NULL CHECK (source IN ('admin', 'claim')),
    PRIMARY KEY (issuer, subject, group_issuer, group_id),
    FOREIGN KEY (issuer, subject) REFERENCES accounts (issuer, subject) ON DELETE CASCADE
) STRICT;
CREATE INDEX memberships_group ON memberships (group_issuer, group_id);

-- Keys that prove presence (WebAuthn), by the id of the credential in base64url.
CREATE TABLE passkeys (
    id         TEXT PRIMARY KEY,
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    name       TEXT NOT NULL,
    credential TEXT NOT NULL,  -- JSON: algorithm and public key
    counter    INTEGER NOT NULL,  -- of signatures, as its authenticator last gave it
    created_at INTEGER NOT NULL,
    used_at    INTEGER,
    FOREIGN KEY (issuer, subject) REFERENCES accounts (issuer, subject) ON DELETE CASCADE
) STRICT;
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
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX ceremonies_end ON ceremonies (expires_at);

CREATE TABLE api_tokens (
    id         TEXT PRIMARY KEY,
    hash       TEXT NOT NULL UNIQUE,  -- SHA-256 of the token
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    name       TEXT NOT NULL,
    scopes     TEXT NOT NULL,         -- JSON
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    FOREIGN KEY (issuer, subject) REFERENCES accounts (issuer, subject) ON DELETE CASCADE
) STRICT;
CREATE INDEX api_tokens_person ON api_tokens (issuer, subject);

CREATE TABLE gateways (
    name         TEXT PRIMARY KEY,
    audience     TEXT NOT NULL,
    token_sha256 TEXT UNIQUE,
    certificate  TEXT UNIQUE,  -- a name in it: URI or DNS
    created_at   INTEGER NOT NULL,
    CHECK (token_sha256 IS NOT NULL OR certificate IS NOT NULL)
) STRICT;

DROP TABLE IF EXISTS sessions;
CREATE TABLE sessions (
    id          TEXT PRIMARY KEY,  -- SHA-256 of the secret
    issuer      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    method      TEXT NOT NULL,     -- how they logged in (RFC 8176)
    credentials TEXT NOT NULL,     -- what the account's password and second factor were when it began
    created_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    otp_at      INTEGER,           -- when a one-time code was proven
    passkey_at  INTEGER,           -- when a passkey was, for changes of the account alone
    FOREIGN KEY (issuer, subject) REFERENCES accounts (issuer, subject) ON DELETE CASCADE
) STRICT;

-- What was changed about the service itself, and by whom; nobody where the command line did it.
CREATE TABLE changes (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    event   TEXT NOT NULL,
    issuer  TEXT,
    subject TEXT,
    detail  TEXT NOT NULL  -- JSON
) STRICT;

-- Requests whose gate somebody opened alone: on the list until somebody else has looked at them.
CREATE TABLE reviews (
    ticket     TEXT PRIMARY KEY REFERENCES tickets (id),
    issuer     TEXT NOT NULL,  -- who opened it
    subject    TEXT NOT NULL,
    opened_at  INTEGER NOT NULL,
    closed_at  INTEGER,
    by_issuer  TEXT,           -- who looked at it
    by_subject TEXT,
    note       TEXT
) STRICT;
CREATE INDEX reviews_open ON reviews (opened_at) WHERE closed_at IS NULL;
CREATE INDEX tickets_principal ON tickets (audience, principal, asked_at);

ALTER TABLE answers ADD COLUMN break_glass INTEGER NOT NULL DEFAULT 0;  -- whether it opens gates alone
ALTER TABLE answers ADD COLUMN uses INTEGER;        -- how many uses they said yes to, where fewer than asked for
ALTER TABLE answers ADD COLUMN use_within INTEGER;  -- for how long, likewise, milliseconds
ALTER TABLE answers ADD COLUMN assertion TEXT;      -- the WebAuthn assertion over this request, JSON

-- Which gates a request is to pass, to count those that wait at each.
CREATE TABLE ticket_gates (
    ticket TEXT NOT NULL REFERENCES tickets (id),
    gate   TEXT NOT NULL,
    PRIMARY KEY (gate, ticket)
) STRICT;

-- The last answer to the same request, to remember a rejection by.
CREATE INDEX tickets_digest ON tickets (audience, principal, digest, settled_at);

-- The question without what is long: what lists are made of. Tickets from before have none, and their question is read.
ALTER TABLE tickets ADD COLUMN outline TEXT;

CREATE INDEX answers_ticket ON answers (ticket);
