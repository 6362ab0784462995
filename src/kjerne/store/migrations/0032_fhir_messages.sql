-- FHIR messages that were taken, and the addresses that their senders have for what lies here (decision 45). Neither tells of
-- anybody: digests are keyed, and whose a record is lies sealed in its id.

CREATE TABLE fhir_message (
    digest  bytea PRIMARY KEY,   -- of the sender and what it calls the message: its header's id, and the Bundle's identifier
    content bytea NOT NULL,      -- digest of the message
    answer  uuid NOT NULL,       -- the id of the answer
    at      timestamptz NOT NULL
);
CREATE INDEX fhir_message_at ON fhir_message (at);

CREATE TABLE fhir_message_record (
    digest  bytea PRIMARY KEY,   -- of the sender and the address that it has for the record
    type    smallint NOT NULL,
    record  uuid NOT NULL,
    version integer NOT NULL,    -- the version that came of its last message
    content bytea NOT NULL       -- digest of what that said
);

GRANT SELECT, INSERT, UPDATE, DELETE ON fhir_message, fhir_message_record TO kjerne_app;
