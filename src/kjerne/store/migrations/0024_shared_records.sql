-- Records about no patient: registers, and what is the same for all who use one installation (docs/types.md). Nothing here is
-- sealed or hidden; who may write is the organisation that wrote the first version. Not distributed: reference tables.
CREATE TABLE shared_record (
    type         smallint NOT NULL,
    id           text NOT NULL,                  -- made by the server, or by who first put the record
    version      integer NOT NULL,
    at           timestamptz NOT NULL,
    date_from    timestamptz,
    date_to      timestamptz,
    tokens       bigint[] NOT NULL,
    "values"     bytea NOT NULL,
    organisation text NOT NULL,
    client       text NOT NULL,
    body         bytea,                          -- as received; none: it was deleted
    PRIMARY KEY (type, id)
);
CREATE INDEX shared_record_tokens ON shared_record USING gin (tokens);

-- Every version, the current one too, and who wrote it. Added to and never changed.
CREATE TABLE shared_version (
    type         smallint NOT NULL,
    id           text NOT NULL,
    version      integer NOT NULL,
    at           timestamptz NOT NULL,
    organisation text NOT NULL,
    client       text NOT NULL,
    correlation  text NOT NULL,
    body         bytea,                          -- none: this version is the deletion
    PRIMARY KEY (type, id, version)
);
GRANT SELECT, INSERT, UPDATE ON shared_record TO kjerne_app;
GRANT SELECT, INSERT ON shared_version TO kjerne_app;
