-- A permission to learn from real people stands on an export that two persons have approved: its number. 0 is of before, which nobody
-- but who recorded it had approved, and which lets nobody learn any more.
ALTER TABLE learning_permission ADD COLUMN export bigint NOT NULL DEFAULT 0;
