-- Who may see a request: the groups of its gates, and those in whose name it was sent.
CREATE TABLE ticket_readers (
    ticket TEXT NOT NULL REFERENCES tickets (id),
    kind   TEXT NOT NULL CHECK (kind IN ('group', 'person')),
    issuer TEXT NOT NULL,
    id     TEXT NOT NULL,
    PRIMARY KEY (ticket, kind, issuer, id)
);
-- PostgreSQL reads no JSON with the escape of U+0000, wherever in it that stands.
INSERT INTO ticket_readers
SELECT tickets.id, 'group', gate -> 'group' ->> 'issuer', gate -> 'group' ->> 'id'
FROM tickets, json_array_elements(replace(question, '\u0000', '\ufffd')::json -> 'gates') AS gate
UNION
SELECT tickets.id, 'group', gate -> 'break_glass' -> 'group' ->> 'issuer', gate -> 'break_glass' -> 'group' ->> 'id'
FROM tickets, json_array_elements(replace(question, '\u0000', '\ufffd')::json -> 'gates') AS gate
WHERE gate -> 'break_glass' -> 'group' ->> 'id' IS NOT NULL
UNION
SELECT tickets.id, 'person', person ->> 'issuer', person ->> 'subject'
FROM tickets, json_array_elements(replace(question, '\u0000', '\ufffd')::json -> 'involved') AS one, json_array_elements(one -> 'names') AS person;

-- What lists are filtered by: `search` is what people look for, in lower case.
ALTER TABLE tickets ADD COLUMN severity TEXT NOT NULL DEFAULT 'medium';
ALTER TABLE tickets ADD COLUMN action TEXT NOT NULL DEFAULT '';
ALTER TABLE tickets ADD COLUMN search TEXT NOT NULL DEFAULT '';
-- The version of the rendering that `shown` is the hash of.
ALTER TABLE tickets ADD COLUMN rendering BIGINT NOT NULL DEFAULT 0;
UPDATE tickets SET severity = coalesce(asked.it -> 'terms' ->> 'severity', 'medium'),
    action = coalesce(asked.it -> 'cedar' ->> 'action', ''),
    search = lower(concat_ws(' ', asked.it -> 'cedar' ->> 'principal', asked.it -> 'cedar' ->> 'action',
        asked.it -> 'cedar' ->> 'resource', asked.it -> 'request' ->> 'method', (asked.it -> 'request' ->> 'authority')
        || (asked.it -> 'request' ->> 'path')))
FROM (SELECT id, replace(question, '\u0000', '\ufffd')::json AS it FROM tickets) AS asked
WHERE asked.id = tickets.id;
CREATE INDEX tickets_action ON tickets (audience, action, settled_at);
CREATE INDEX answers_person ON answers (issuer, subject, at, id);

-- The same as before, with these columns.
DROP VIEW current;
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

-- What lists read: a ticket as it is at this moment, without what is long.
CREATE VIEW outlines AS
SELECT id, capability, audience, principal, digest, coalesce(outline, question) AS question, shown, asked_at,
    answer_by, use_by, uses, used, outcomes_unknown, state, state_now, reason, grant_jws, lapses_at, now, severity,
    action, search, settled_at, CASE WHEN jti IS NULL THEN 0 ELSE 1 END AS approved
FROM current;
CREATE INDEX tickets_deadline ON tickets (state, lapses_at, id) WHERE lapses_at IS NOT NULL;
DROP INDEX tickets_age;
CREATE INDEX tickets_age ON tickets (asked_at, id);

-- How many requests are open, and at which gates: one that is closed waits at none.
CREATE TABLE open_gates (
    audience TEXT NOT NULL,
    gate     TEXT NOT NULL,
    ticket   TEXT NOT NULL REFERENCES tickets (id),
    PRIMARY KEY (audience, gate, ticket)
);
CREATE INDEX open_gates_ticket ON open_gates (ticket);
INSERT INTO open_gates SELECT audience, gate, ticket FROM ticket_gates JOIN tickets ON tickets.id = ticket
WHERE state IN ('pending', 'approved');
DROP TABLE ticket_gates;
CREATE TABLE open_count (count BIGINT NOT NULL);
INSERT INTO open_count SELECT count(*) FROM tickets WHERE state IN ('pending', 'approved');
CREATE FUNCTION ticket_opened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE open_count SET count = count + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER tickets_opened AFTER INSERT ON tickets
FOR EACH ROW WHEN (NEW.state IN ('pending', 'approved')) EXECUTE FUNCTION ticket_opened();
CREATE FUNCTION ticket_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE open_count SET count = count - 1;
    DELETE FROM open_gates WHERE ticket = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER tickets_closed AFTER UPDATE OF state ON tickets FOR EACH ROW
WHEN (OLD.state IN ('pending', 'approved') AND NEW.state NOT IN ('pending', 'approved'))
EXECUTE FUNCTION ticket_closed();

-- A waiter is one of its gateway: what another calls so is another.
ALTER TABLE waiters ADD COLUMN name TEXT;
UPDATE waiters SET name = id;
CREATE UNIQUE INDEX waiters_name ON waiters (gateway, name);

-- What happened to one ticket, among all that is kept.
CREATE INDEX evidence_ticket ON evidence (ticket) WHERE ticket IS NOT NULL;
