-- The service makes evidence itself, of what happens to tickets: one of the producers is its own. It belongs to no
-- gateway, so its `gateway` is empty, which no gateway's name is.
ALTER TABLE producers ADD COLUMN own BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX producers_own ON producers (own) WHERE own = 1;
