-- What is to be told where: a message for each channel and event of a request, written with the event itself.
CREATE TABLE outbox (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,  -- names the message, the same each time that it is tried
    channel      TEXT NOT NULL,
    ticket       TEXT NOT NULL REFERENCES tickets (id),
    event        INTEGER NOT NULL REFERENCES history (seq),
    at           INTEGER NOT NULL,
    state        TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'dead')),
    attempts     INTEGER NOT NULL DEFAULT 0,
    -- Whether it is the first of its request that waits for this channel: only that one is tried.
    ready        INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,  -- when to try it; while somebody does, when others may
    lease        TEXT,              -- who is trying it
    settled_at   INTEGER,
    error        TEXT,                         -- why the last try failed
    UNIQUE (channel, event)
) STRICT;
CREATE INDEX outbox_due ON outbox (channel, due_at) WHERE state = 'queued' AND ready = 1;
CREATE UNIQUE INDEX outbox_ready ON outbox (channel, ticket) WHERE state = 'queued' AND ready = 1;
CREATE INDEX outbox_queue ON outbox (channel, ticket, seq) WHERE state = 'queued';
CREATE INDEX outbox_dead ON outbox (channel, seq) WHERE state = 'dead';
CREATE INDEX outbox_ticket ON outbox (ticket, channel);

-- How each channel does: when it last took a message, and what it last said where it did not.
CREATE TABLE channel_health (
    channel   TEXT PRIMARY KEY,
    sent_at   INTEGER,
    failed_at INTEGER,
    error     TEXT
) STRICT;

-- Whether anybody was told of a request, and when others are told because it has no answer.
CREATE TABLE reach (
    ticket      TEXT PRIMARY KEY REFERENCES tickets (id),
    escalate_at INTEGER,  -- empty when it was, or is not to be
    notice_at   INTEGER,  -- when somebody is to have been told by; empty when it was looked at, or somebody was
    reached_at  INTEGER,  -- when a channel first took a message about it
    noticed_at  INTEGER   -- when it was written down that none does
) STRICT;
CREATE INDEX reach_notice ON reach (notice_at) WHERE notice_at IS NOT NULL;
CREATE INDEX reach_escalate ON reach (escalate_at) WHERE escalate_at IS NOT NULL;
CREATE INDEX reach_noticed ON reach (noticed_at) WHERE noticed_at IS NOT NULL AND reached_at IS NULL;

-- Where a message about a request stands that is written anew when something happens.
CREATE TABLE posts (
    channel TEXT NOT NULL,
    ticket  TEXT NOT NULL REFERENCES tickets (id),
    place   TEXT NOT NULL,
    ts      TEXT NOT NULL,
    hash    TEXT NOT NULL,  -- of what it says
    PRIMARY KEY (channel, ticket)
) STRICT, WITHOUT ROWID;

-- Who somebody is in a chat.
CREATE TABLE links (
    kind      TEXT NOT NULL,
    team      TEXT NOT NULL,
    id        TEXT NOT NULL,
    name      TEXT NOT NULL,  -- what the chat called them
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    linked_at INTEGER NOT NULL,
    PRIMARY KEY (kind, team, id),
    FOREIGN KEY (issuer, subject) REFERENCES accounts (issuer, subject) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX links_person ON links (issuer, subject);

-- Clicks that were taken: the same one again does nothing.
CREATE TABLE clicks (
    id TEXT PRIMARY KEY,  -- SHA-256 of the channel and its signature
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX clicks_age ON clicks (at);
