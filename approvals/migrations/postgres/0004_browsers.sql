-- Browsers that somebody has logged in with: guesses from elsewhere do not lock them out there.
CREATE TABLE browsers (
    id      TEXT PRIMARY KEY,  -- SHA-256 of what the browser holds
    issuer  TEXT NOT NULL,
    subject TEXT NOT NULL,
    used_at BIGINT NOT NULL,
    FOREIGN KEY (issuer, subject) REFERENCES accounts (issuer, subject) ON DELETE CASCADE
);
CREATE INDEX browsers_person ON browsers (issuer, subject, used_at);

-- The session that a ceremony belongs to, where it belongs to one: each may have a few.
ALTER TABLE ceremonies ADD COLUMN session TEXT;
CREATE INDEX ceremonies_session ON ceremonies (session, kind);
