-- What is said of a document changes (ITI-57, ITI-92): its marks above all. What was said before is kept, and told to nobody.

CREATE TABLE document_version (
    document  uuid NOT NULL REFERENCES document ON DELETE CASCADE,
    version   integer NOT NULL,
    said      bytea NOT NULL,
    until     timestamptz NOT NULL,
    submitter text NOT NULL,         -- who said otherwise
    PRIMARY KEY (document, version)
);

GRANT SELECT, INSERT ON document_version TO kjerne_app;
GRANT UPDATE (said) ON document TO kjerne_app;
