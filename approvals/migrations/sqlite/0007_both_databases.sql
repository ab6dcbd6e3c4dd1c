-- What the queries read that differs between SQLite and PostgreSQL: the clock, in milliseconds since the Unix epoch,
-- and the last number that any event was given.
CREATE VIEW clock AS SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) AS now;
CREATE VIEW last_event AS
SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS seq;
