-- Which records of a type an export is of (Bulk Data's `_typeFilter`): searches as they were written, for who approves it to see.

ALTER TABLE export ADD COLUMN filters text[] NOT NULL DEFAULT '{}';
