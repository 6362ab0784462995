-- Imports with a manifest: what a sender says that it will send, and what came of each part (decision 59). No part lies here: one that
-- is taken is filed at once. The manifest and the answers are sealed, and digests are keyed: nothing tells what was sent, or of whom.

CREATE TABLE import_job (
    number   bigint PRIMARY KEY,
    at       timestamptz NOT NULL,
    owner    bytea NOT NULL,         -- digest of who asked for it
    manifest bytea NOT NULL,         -- sealed
    ended_at timestamptz             -- cancelled by who asked
);
CREATE INDEX import_job_owner ON import_job (owner);
CREATE INDEX import_job_at ON import_job (at);

CREATE TABLE import_part (
    job       bigint NOT NULL REFERENCES import_job ON DELETE CASCADE,
    place     integer NOT NULL,      -- in the manifest, from 0
    filed     boolean NOT NULL,      -- else refused
    resources integer NOT NULL,      -- as many were filed
    content   bytea NOT NULL,        -- digest of what was sent
    answer    bytea NOT NULL,        -- sealed
    at        timestamptz NOT NULL,
    PRIMARY KEY (job, place)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON import_job, import_part TO kjerne_app;

-- What lines of its parts were called where they come from (a digest), and where each lies here: a later part refers to them so.
CREATE TABLE import_name (
    job    bigint NOT NULL REFERENCES import_job ON DELETE CASCADE,
    digest bytea NOT NULL,
    type   smallint,             -- none: it has not come
    id     uuid,                 -- none beside a type: several have the name
    asked  boolean NOT NULL,     -- a part referred to it before it came
    PRIMARY KEY (job, digest)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON import_name TO kjerne_app;
