-- Bulk Data: what an export is of beside all results of everybody, and lists of patients that a client keeps (decision 42).

ALTER TABLE export
    ADD COLUMN request   text NOT NULL DEFAULT '/fhir/R4/$export', -- path and query as they came
    ADD COLUMN since     timestamptz,            -- what was changed from then on, with what was deleted
    ADD COLUMN cohort    bytea,                  -- sealed: who it is of, by key or digest, as they were named; none: of everybody
    ADD COLUMN people    integer NOT NULL DEFAULT 0, -- how many were named, known here or not
    ADD COLUMN testing   boolean NOT NULL DEFAULT false; -- the sandbox's test client's: open at once, of made-up people alone

-- A client's own list of patients. That somebody stands on one is sealed; whoever else asks for it finds nothing.
CREATE TABLE patient_group (
    id      uuid PRIMARY KEY,
    owner   bytea NOT NULL,                      -- digest of client, organisation and person
    version integer NOT NULL,
    at      timestamptz NOT NULL,
    body    bytea                                -- sealed, as received; none: it was deleted
);
CREATE INDEX patient_group_owner ON patient_group (owner);
GRANT SELECT, INSERT, UPDATE ON patient_group TO kjerne_app;
