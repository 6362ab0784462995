-- What a row of the log is about where it is no record (a message), and why it was opened, in the opener's own words.
ALTER TABLE audit ADD COLUMN about text NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN reason text NOT NULL DEFAULT '';
