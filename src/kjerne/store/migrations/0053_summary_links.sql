-- Links by which a citizen hands a copy of her summary to whoever she shows them to (SMART Health Links). The copy lies encrypted
-- with the link's own key, which is not kept, and sealed on top of that with the keys of the services it was drawn from. Neither
-- address nor passcode is kept but as digests: who reads this table opens nothing.
CREATE TABLE summary_link (
    digest     bytea PRIMARY KEY,              -- of the id in its address
    patient    bigint NOT NULL,
    number     uuid NOT NULL,                  -- what it is called in lists and in the log
    maker      bytea NOT NULL,                 -- digest of the number of her who made it
    passcode   bytea NOT NULL,                 -- keyed digest
    label      bytea NOT NULL,                 -- sealed
    services   text[] NOT NULL,                -- what it was drawn from
    types      smallint[] NOT NULL,            -- the records in it
    ids        uuid[] NOT NULL,
    versions   integer[] NOT NULL,
    content    bytea,                          -- sealed; NULL once it is over
    made_at    timestamptz NOT NULL,
    until      timestamptz NOT NULL,
    wrong      integer NOT NULL DEFAULT 0,     -- wrong passcodes, in all its life
    opened     integer NOT NULL DEFAULT 0,
    hour_from  timestamptz,                    -- since when this hour's openings are counted
    hour_count integer NOT NULL DEFAULT 0,
    ended_at   timestamptz,
    ended_why  text NOT NULL DEFAULT ''        -- revoked tries choice changed law
);
CREATE INDEX summary_link_patient ON summary_link (patient, made_at);
CREATE INDEX summary_link_until ON summary_link (until);

-- Where a file of an opened link is fetched from, once and soon.
CREATE TABLE summary_link_file (
    digest  bytea PRIMARY KEY,                 -- of the id in its address
    link    bytea NOT NULL,
    place   smallint NOT NULL,
    until   timestamptz NOT NULL
);
CREATE INDEX summary_link_file_until ON summary_link_file (until);
GRANT SELECT, INSERT, UPDATE, DELETE ON summary_link, summary_link_file TO kjerne_app;

-- A copy is deleted with what it was drawn from, after an opt-out and again after a restore. Laid around what is there, whatever
-- that is by now.
ALTER FUNCTION erase_said(bigint, text) RENAME TO erase_said_but_links;
CREATE FUNCTION erase_said(of_key bigint, of_service text) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    deleted integer;
    part    integer;
BEGIN
    deleted := public.erase_said_but_links(of_key, of_service);
    DELETE FROM public.summary_link l WHERE l.patient = of_key AND of_service = ANY(l.services);
    GET DIAGNOSTICS part = ROW_COUNT;
    RETURN deleted + part;
END $$;
REVOKE ALL ON FUNCTION erase_said(bigint, text) FROM PUBLIC;
