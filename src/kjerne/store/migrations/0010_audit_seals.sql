-- The log's seals anew. Each now holds a digest of its rows by itself, and a mark for each row, so that whoever compares
-- can say which row is not as it was sealed. Seals of before could not tell, and are not kept: the log is sealed again from
-- its first row.
DROP TABLE audit_seal;

-- Each seal covers the rows of the transactions in [from_xid, until_xid), ordered by transaction and number. A row's place
-- in the log counts from 1.
CREATE TABLE audit_seal (
    shard      smallint NOT NULL,             -- the part of the log that is chained by itself; 0: this database whole
    number     bigint NOT NULL,
    format     smallint NOT NULL,             -- which columns were hashed, and how
    from_xid   xid8 NOT NULL,
    until_xid  xid8 NOT NULL,
    first_row  bigint NOT NULL,
    last_row   bigint NOT NULL,
    earliest   timestamptz NOT NULL,          -- of the rows' own times
    latest     timestamptz NOT NULL,
    sealed_at  timestamptz NOT NULL,
    digest     bytea NOT NULL,                -- SHA-256 over the digests of the rows
    "before"   bytea NOT NULL,                -- head of the seal before
    head       bytea NOT NULL,                -- SHA-256 over all of the above and the digest of the marks
    marks      bytea NOT NULL,                -- eight bytes a row: where a difference lies, never whether there is one
    PRIMARY KEY (shard, number)
);
ALTER TABLE audit_seal ALTER COLUMN marks SET STORAGE EXTERNAL;
GRANT SELECT, INSERT ON audit_seal TO kjerne_app;
