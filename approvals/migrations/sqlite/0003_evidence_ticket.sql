-- The ticket that a record is about, taken out once: SQLite's JSON functions fail on lines nested deeper than
-- they read, and one such line would stop every query.
ALTER TABLE evidence ADD COLUMN ticket TEXT;
UPDATE evidence SET ticket = CASE WHEN json_valid(line) THEN line ->> '$.ticket' END;
