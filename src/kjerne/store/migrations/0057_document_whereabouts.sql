-- Which sources have documents about whom, as they say themselves, and until when a source has said that it says so of everybody.
-- A row holds the digest of a number and of the source beside it, so that the table tells nobody who was treated where.
CREATE TABLE document_whereabouts (
    digest  bytea NOT NULL,
    source  bytea NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (digest, source)
);
GRANT SELECT, INSERT, DELETE ON document_whereabouts TO kjerne_app;

CREATE TABLE document_register (
    source    text PRIMARY KEY,            -- its home community
    whole_at  timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON document_register TO kjerne_app;
