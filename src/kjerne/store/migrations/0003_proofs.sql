-- DPoP proofs already used (RFC 9449 section 11.1): a ring of unlogged partitions, one for each minute of the hour. None
-- is made or dropped while requests run, since both lock the parent; a sweep that comes late costs space, never safety.
DO $$
BEGIN
    FOR slot IN 0 .. 59 LOOP
        EXECUTE format('CREATE UNLOGGED TABLE proof_%s PARTITION OF proof FOR VALUES IN (%s)', slot, slot);
    END LOOP;
END $$;

-- One row, unlogged as the proofs are: what empties them (crash recovery, a promoted standby) empties this too. While it
-- is there, no proof signed after `since` (unix seconds) has been forgotten.
CREATE UNLOGGED TABLE proof_memory (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    since  bigint NOT NULL
);
INSERT INTO proof_memory (since) VALUES (0);
GRANT SELECT, INSERT ON proof_memory TO kjerne_app;

-- Empties the minutes that lie more than five minutes from `minute_now` (minutes since 1970); returns how many.
CREATE FUNCTION proof_sweep(minute_now integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    swept integer := 0;
BEGIN
    FOR slot IN 0 .. 59 LOOP
        CONTINUE WHEN (slot - minute_now % 60 + 65) % 60 <= 10;
        CONTINUE WHEN pg_relation_size('public.proof_' || slot) = 0;
        EXECUTE format('TRUNCATE public.proof_%s', slot);
        swept := swept + 1;
    END LOOP;
    RETURN swept;
END $$;
REVOKE ALL ON FUNCTION proof_sweep(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION proof_sweep(integer) TO kjerne_app;
