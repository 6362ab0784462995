-- Filters of the list of documents that health personnel keep for themselves, under the digest of their own number. What one
-- chooses by is sealed, and nothing of a patient is in it: it is taken again whoever is open.
CREATE TABLE document_filter (
    owner   bytea NOT NULL,              -- digest of the number of whose it is
    number  uuid NOT NULL,
    told    bytea NOT NULL,              -- sealed: its name and what it chooses by
    at      timestamptz NOT NULL,
    PRIMARY KEY (owner, number)
);
GRANT SELECT, INSERT, DELETE ON document_filter TO kjerne_app;
GRANT UPDATE (told) ON document_filter TO kjerne_app;
