-- Who may see a request: the groups of its gates, and those in whose name it was sent.
CREATE TABLE ticket_readers (
    ticket TEXT NOT NULL REFERENCES tickets (id),
    kind   TEXT NOT NULL CHECK (kind IN ('group', 'person')),
    issuer TEXT NOT NULL,
    id     TEXT NOT NULL,
    PRIMARY KEY (ticket, kind, issuer, id)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO ticket_readers
SELECT tickets.id, 'group', gate.value ->> '$.group.issuer', gate.value ->> '$.group.id'
FROM tickets, json_each(tickets.question, '$.gates') AS gate
UNION
SELECT tickets.id, 'group', gate.value ->> '$.break_glass.group.issuer', gate.value ->> '$.break_glass.group.id'
FROM tickets, json_each(tickets.question, '$.gates') AS gate
WHERE gate.value ->> '$.break_glass.group.id' IS NOT NULL
UNION
SELECT tickets.id, 'person', person.value ->> '$.issuer', person.value ->> '$.subject'
FROM tickets, json_each(tickets.question, '$.involved') AS one, json_each(one.value, '$.names') AS person;

-- What lists are filtered by: `search` is what people look for, in lower case.
ALTER TABLE tickets ADD COLUMN severity TEXT NOT NULL DEFAULT 'medium';
ALTER TABLE tickets ADD COLUMN action TEXT NOT NULL DEFAULT '';
ALTER TABLE tickets ADD COLUMN search TEXT NOT NULL DEFAULT '';
-- The version of the rendering that `shown` is the hash of.
ALTER TABLE tickets ADD COLUMN rendering INTEGER NOT NULL DEFAULT 0;
UPDATE tickets SET severity = coalesce(question ->> '$.terms.severity', 'medium'),
    action = coalesce(question ->> '$.cedar.action', ''),
    search = lower(concat_ws(' ', question ->> '$.cedar.principal', question ->> '$.cedar.action',
        question ->> '$.cedar.resource', question ->> '$.request.method', (question ->> '$.request.authority')
        || (question ->> '$.request.path')));
CREATE INDEX tickets_action ON tickets (audience, action, settled_at);
CREATE INDEX answers_person ON answers (issuer, subject, at, id);

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
) STRICT, WITHOUT ROWID;
CREATE INDEX open_gates_ticket ON open_gates (ticket);
INSERT INTO open_gates SELECT audience, gate, ticket FROM ticket_gates JOIN tickets ON tickets.id = ticket
WHERE state IN ('pending', 'approved');
DROP TABLE ticket_gates;
CREATE TABLE open_count (count INTEGER NOT NULL) STRICT;
INSERT INTO open_count SELECT count(*) FROM tickets WHERE state IN ('pending', 'approved');
CREATE TRIGGER tickets_opened AFTER INSERT ON tickets WHEN NEW.state IN ('pending', 'approved')
BEGIN
    UPDATE open_count SET count = count + 1;
END;
CREATE TRIGGER tickets_closed AFTER UPDATE OF state ON tickets
WHEN OLD.state IN ('pending', 'approved') AND NEW.state NOT IN ('pending', 'approved')
BEGIN
    UPDATE open_count SET count = count - 1;
    DELETE FROM open_gates WHERE ticket = NEW.id;
END;

-- A waiter is one of its gateway: what another calls so is another.
ALTER TABLE waiters ADD COLUMN name TEXT;
UPDATE waiters SET name = id;
CREATE UNIQUE INDEX waiters_name ON waiters (gateway, name);

-- What happened to one ticket, among all that is kept.
CREATE INDEX evidence_ticket ON evidence (ticket) WHERE ticket IS NOT NULL;
