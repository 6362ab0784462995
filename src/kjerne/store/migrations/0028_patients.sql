-- What the sandbox's test client has written of people who are made up, as it came (decision 37). Nobody else's Patient is kept:
-- it is made from the register each time. Each version is sealed with the person's own key; tokens are of the newest alone.
CREATE TABLE patient_version (
    patient      bigint NOT NULL,
    version      integer NOT NULL,
    at           timestamptz NOT NULL,
    tokens       bigint[] NOT NULL,
    body         bytea,                          -- sealed; none: this version is the deletion
    is_newest    boolean NOT NULL,
    PRIMARY KEY (patient, version)
);
CREATE UNIQUE INDEX patient_version_newest ON patient_version (patient) WHERE is_newest;
CREATE INDEX patient_version_tokens ON patient_version USING gin (tokens) WHERE is_newest;
GRANT SELECT, INSERT, UPDATE ON patient_version TO kjerne_app;
