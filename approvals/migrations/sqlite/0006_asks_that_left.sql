-- Who waits for an ask and until when, and whether its client left: of several that wait for one ticket at one
-- worker each leaves for itself.
ALTER TABLE asks ADD COLUMN waiter TEXT;
ALTER TABLE asks ADD COLUMN held_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE asks ADD COLUMN left_at INTEGER;
CREATE INDEX asks_ticket ON asks (ticket, waiter);
