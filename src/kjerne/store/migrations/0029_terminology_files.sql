-- Where a loaded system came from: which kind of file, and its digest, by which a file that is loaded again changes nothing.
ALTER TABLE code_system ADD COLUMN kind text NOT NULL DEFAULT '', ADD COLUMN digest bytea;

-- A whole system is read on from a place.
CREATE INDEX concept_place ON concept (system, place);

-- The sets that a system has of its own: reference sets of SNOMED CT, answer lists of LOINC.
CREATE TABLE concept_set (
    system integer NOT NULL,
    name   text NOT NULL,
    code   text NOT NULL,
    PRIMARY KEY (system, name, code)
);

-- Value sets and concept maps that are loaded from files, and code systems that have not all their codes.
CREATE TABLE loaded_definition (
    type      text NOT NULL,                     -- the resource's
    url       text NOT NULL,
    version   text NOT NULL,
    body      bytea NOT NULL,                    -- JSON, packed by zlib
    loaded_at timestamptz NOT NULL,
    PRIMARY KEY (type, url, version)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON concept_set, loaded_definition TO kjerne_app;

-- A link leads nowhere but to a code of its system, which the loader looks after: a check for each of a million rows was half its time.
ALTER TABLE concept DROP CONSTRAINT concept_system_fkey;
ALTER TABLE concept_parent DROP CONSTRAINT concept_parent_system_fkey;
