-- What a power of attorney or a guardianship covers, as the registers state it: areas of a power of attorney, the scope of
-- a guardianship, and its form (Folkeregisteret: guardiantype). A row from before covers nothing until its register is read.
ALTER TABLE person_tie ADD COLUMN areas text[] NOT NULL DEFAULT '{}', ADD COLUMN form text NOT NULL DEFAULT '';

-- A link has a number to be named by, and why it was undone. The key stays: it begins with the distribution column.
ALTER TABLE person_link ADD COLUMN number bigint, ADD COLUMN undone_why text NOT NULL DEFAULT '';
UPDATE person_link SET number = ('x' || substr(md5(patient::text || other::text || at::text), 1, 13))::bit(52)::bigint;
ALTER TABLE person_link ALTER COLUMN number SET NOT NULL;
CREATE UNIQUE INDEX person_link_number ON person_link (number);
CREATE INDEX person_link_at ON person_link (at);

-- Exports asked for, on which ground, and who has approved them. No record lies here: a file is read when it is fetched.
CREATE TABLE export (
    number      bigint PRIMARY KEY,
    at          timestamptz NOT NULL,
    client      text NOT NULL,
    asked_by    bytea NOT NULL,               -- digest of the person who asked; empty for a system
    author      text NOT NULL,
    ground      text NOT NULL,
    recipient   text NOT NULL,
    types       smallint[] NOT NULL,
    opened_at   timestamptz,                  -- when the second approval was given
    upper       bigint[] NOT NULL DEFAULT '{}', -- the last person key of each file, in order
    ended_at    timestamptz
);
CREATE TABLE export_approval (
    export  bigint NOT NULL,
    person  bytea NOT NULL,
    name    text NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (export, person)
);
GRANT SELECT, INSERT, UPDATE ON export TO kjerne_app;
GRANT SELECT, INSERT ON export_approval TO kjerne_app;
