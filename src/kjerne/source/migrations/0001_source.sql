-- What a document source keeps: whom documents are about, what was sent together, the documents and what they are to each
-- other, and the log. A document's bytes lie in a file named by its SHA-256, never here.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kjerne_app') THEN
        CREATE ROLE kjerne_app LOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'the role kjerne_app is missing: let an administrator run CREATE ROLE kjerne_app LOGIN';
END $$;

CREATE TABLE patient (
    patient   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    authority text NOT NULL,
    number    text NOT NULL,
    born      date,                  -- as it came with her documents; the number's own date goes before it
    UNIQUE (authority, number)
);

CREATE TABLE submission_set (
    id        uuid PRIMARY KEY,
    unique_id text NOT NULL UNIQUE,
    patient   bigint NOT NULL REFERENCES patient,
    submitter text NOT NULL,
    at        timestamptz NOT NULL,
    said      bytea NOT NULL         -- the SubmissionSet as JSON
);
CREATE INDEX ON submission_set (patient);

CREATE TABLE document (
    id         uuid PRIMARY KEY,
    unique_id  text NOT NULL UNIQUE,
    patient    bigint NOT NULL REFERENCES patient,
    sent_in    uuid NOT NULL REFERENCES submission_set,
    deprecated boolean NOT NULL DEFAULT false,
    sha256     bytea CHECK (length(sha256) = 32),   -- none: the bytes are in another repository
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    said       bytea NOT NULL        -- the DocumentEntry as JSON; whether it is deprecated stands above
);
CREATE INDEX ON document (patient);

CREATE TABLE association (
    id      uuid PRIMARY KEY,
    patient bigint NOT NULL REFERENCES patient,
    said    bytea NOT NULL           -- the Association as JSON
);
CREATE INDEX ON association (patient);

-- A row for each answer about a patient, and for each no, committed before it leaves.
CREATE TABLE audit (
    seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL,
    action       text NOT NULL,
    message      text NOT NULL,
    rule         text NOT NULL,
    allowed      boolean NOT NULL,
    patient      text NOT NULL,      -- as CX; empty where nobody is named
    documents    text[] NOT NULL,    -- uniqueId of each that was told of or given
    asker        text NOT NULL,
    name         text NOT NULL,
    hpr          text NOT NULL,
    role         text NOT NULL,
    organisation text NOT NULL,
    unit         text NOT NULL,
    client       text NOT NULL,
    purpose      text NOT NULL,
    policy       text NOT NULL,
    decision     text NOT NULL,
    assertion    text NOT NULL
);
CREATE INDEX ON audit (patient, at);

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO kjerne_app;
GRANT SELECT ON schema_version TO kjerne_app;
GRANT SELECT, INSERT ON submission_set, association, audit TO kjerne_app;
GRANT SELECT, INSERT ON patient, document TO kjerne_app;
GRANT UPDATE (born) ON patient TO kjerne_app;
GRANT UPDATE (deprecated) ON document TO kjerne_app;
