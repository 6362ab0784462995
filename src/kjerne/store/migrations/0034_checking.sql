-- An export that was asked for to be checked alone: its records are held against the rules of today, and no file of it is given
-- (decision 48).

ALTER TABLE export ADD COLUMN checking boolean NOT NULL DEFAULT false;
