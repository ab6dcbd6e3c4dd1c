-- People of a provider whose accounts were removed: a log-in there does not make them again.
CREATE TABLE removed (
    issuer  TEXT NOT NULL,
    subject TEXT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
