-- What the account's password and second factor were when the session began. Nothing is known of the sessions
-- from before, so they end.
DELETE FROM sessions;
ALTER TABLE sessions ADD COLUMN credentials TEXT NOT NULL DEFAULT '';
