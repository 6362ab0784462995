-- What a document that lies with a source was called when it was first told of here, and where it lies: sealed with the person's own
-- key. The log names documents by these numbers. Nothing is said of a document that nobody was shown.
CREATE TABLE document_name (
    patient  bigint NOT NULL,
    number   uuid NOT NULL,
    told     bytea NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (patient, number)
);
GRANT SELECT, INSERT ON document_name TO kjerne_app;
