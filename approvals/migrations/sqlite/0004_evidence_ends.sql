-- What shows that evidence was cut off: when anything of a producer last came, whether it stopped in good order,
-- and how far it says that its lanes reach.
ALTER TABLE producers ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE producers ADD COLUMN stopped_at INTEGER;
ALTER TABLE lanes ADD COLUMN ends INTEGER NOT NULL DEFAULT 0;  -- one more than the highest number that is kept
ALTER TABLE lanes ADD COLUMN said INTEGER NOT NULL DEFAULT 0;  -- how many records a heartbeat or stop counts

UPDATE producers SET
    seen_at = ifnull((SELECT max(kept_at) FROM evidence AS e WHERE e.producer = producers.id), 0),
    stopped_at = (SELECT min(kept_at) FROM evidence AS e
        WHERE e.producer = producers.id AND e.lane = 'plain' AND e.kind = 'stop');
UPDATE lanes SET ends = ifnull((SELECT min(max(seq), 9223372036854775806) + 1 FROM evidence AS e
    WHERE e.producer = lanes.producer AND e.lane = lanes.lane), 0);

-- Only CASE is sure to leave out what does not apply: SQLite's JSON functions fail on lines that they cannot read.
INSERT INTO lanes (producer, lane, said)
SELECT producer, lane, max(said) FROM (
    SELECT e.producer, counted.lane,
        CASE WHEN json_valid(e.line) THEN
            CASE json_type(e.line, counted.path) WHEN 'integer' THEN e.line ->> counted.path END
        END AS said
    FROM evidence AS e,
        (SELECT 'held' AS lane, '$.held_records' AS path UNION ALL SELECT 'plain', '$.plain_records') AS counted
    WHERE e.lane = 'plain' AND e.kind IN ('heartbeat', 'stop'))
WHERE typeof(said) = 'integer' GROUP BY producer, lane
ON CONFLICT DO UPDATE SET said = excluded.said;

CREATE INDEX producers_seen ON producers (seen_at) WHERE stopped_at IS NULL;
CREATE INDEX lanes_cut ON lanes (producer) WHERE said > ends;
