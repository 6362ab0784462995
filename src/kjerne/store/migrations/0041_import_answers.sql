-- Imports that were taken under a key that their sender made up (`Idempotency-Key`), with the answer that it got. Digests are keyed,
-- and the answer is sealed: neither tells what was sent, or of whom.

CREATE TABLE import_answer (
    digest  bytea PRIMARY KEY,   -- of the sender and its key
    content bytea NOT NULL,      -- digest of what was sent
    answer  bytea NOT NULL,      -- sealed
    at      timestamptz NOT NULL
);
CREATE INDEX import_answer_at ON import_answer (at);

GRANT SELECT, INSERT, UPDATE, DELETE ON import_answer TO kjerne_app;
