-- Code systems that are loaded from files of their own (SNOMED CT, LOINC, ICD-10, ATC, national lists): kept whole, version by
-- version. Nothing of them is shipped.
CREATE TABLE code_system (
    number    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url       text NOT NULL,
    version   text NOT NULL,
    name      text NOT NULL,
    concepts  bigint NOT NULL,
    loaded_at timestamptz NOT NULL,
    UNIQUE (url, version)
);
CREATE TABLE concept (
    system  integer NOT NULL REFERENCES code_system ON DELETE CASCADE,
    place   integer NOT NULL,                    -- the order of the file
    code    text NOT NULL,
    display text NOT NULL,
    active  boolean NOT NULL,
    rest    bytea,                               -- msgpack: definition, abstract, designations, properties; none: there is no more
    PRIMARY KEY (system, code)
);
CREATE TABLE concept_parent (
    system integer NOT NULL REFERENCES code_system ON DELETE CASCADE,
    code   text NOT NULL,
    parent text NOT NULL,
    PRIMARY KEY (system, code, parent)
);
CREATE INDEX concept_child ON concept_parent (system, parent);
GRANT SELECT, INSERT, UPDATE, DELETE ON code_system, concept, concept_parent TO kjerne_app;
