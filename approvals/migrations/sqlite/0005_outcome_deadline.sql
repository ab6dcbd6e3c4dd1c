-- When the gateway has to have said what became of a use; empty once it has, or once it is written down that it
-- did not. Uses from before get the five minutes that new ones get.
ALTER TABLE claims ADD COLUMN report_by INTEGER;
UPDATE claims SET report_by = at + 300000 WHERE forwarded_at IS NULL;
CREATE INDEX claims_report ON claims (report_by) WHERE report_by IS NOT NULL;

-- Uses as they are at this moment, whether or not anything has written down yet that a deadline has passed.
CREATE VIEW claims_now AS
SELECT claims.*, CASE
        WHEN forwarded_at IS NOT NULL THEN 'forwarded'
        WHEN report_by > CAST(round(unixepoch('subsec') * 1000) AS INTEGER) THEN 'awaited'
        ELSE 'unknown'
    END AS outcome
FROM claims;

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
-- The clock comes last, so that lists read the tickets in the order of an index.
FROM tickets CROSS JOIN (SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) AS now) AS clock;
