-- Who takes part in which service, as source or consumer, where, since when and on which ground. Outside it nothing is served.

CREATE TABLE participation (
    number        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation  text NOT NULL,                 -- a legal entity, or a unit of one
    service       text NOT NULL,
    part          text NOT NULL CHECK (part IN ('source', 'consumer')),
    areas         text[] NOT NULL DEFAULT '{}',  -- municipalities (4 digits) and counties (2); empty: everywhere
    phase         text NOT NULL CHECK (phase IN ('pilot', 'rollout', 'national')),
    since         timestamptz NOT NULL,          -- [since, until)
    until         timestamptz,
    basis         text NOT NULL,                 -- law or agreement, in words
    made_by       text NOT NULL,
    made_at       timestamptz NOT NULL,
    ended_by      text NOT NULL DEFAULT '',
    ended_at      timestamptz,
    ended_why     text NOT NULL DEFAULT '',
    widens        bigint REFERENCES participation,
    CHECK (until IS NULL OR until >= since)
);
CREATE INDEX participation_organisation ON participation (organisation);

-- Raised by every change of what decides who takes part: what is remembered under an older one is read anew.
CREATE TABLE participation_stamp (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    stamp  bigint NOT NULL
);
INSERT INTO participation_stamp (stamp) VALUES (1);

CREATE FUNCTION participation_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.participation_stamp SET stamp = stamp + 1;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION participation_changed() FROM PUBLIC;
CREATE TRIGGER participation_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON participation
    FOR EACH STATEMENT EXECUTE FUNCTION participation_changed();
CREATE TRIGGER participation_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON organisation
    FOR EACH STATEMENT EXECUTE FUNCTION participation_changed();

-- A row is never changed but for its end.
GRANT SELECT, INSERT, UPDATE (until, ended_by, ended_at, ended_why) ON participation TO kjerne_app;
GRANT SELECT ON participation_stamp TO kjerne_app;

-- It was the same idea as a yes or no, and nobody asked it.
ALTER TABLE organisation DROP COLUMN takes_part;
