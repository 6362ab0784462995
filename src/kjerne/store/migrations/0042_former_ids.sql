-- A record whose result a later message shows to be another report's has another id from then on, and is taken out under the former.
-- Who read it, and what refers to it, names the former one: this leads from there to the record as it stands.
CREATE TABLE former_id (
    patient   bigint NOT NULL,
    type      smallint NOT NULL,
    former    uuid NOT NULL,
    id        uuid NOT NULL,                  -- the present one, never itself a former
    PRIMARY KEY (patient, type, former)
);
CREATE INDEX former_id_now ON former_id (patient, id);
GRANT SELECT, INSERT, UPDATE, DELETE ON former_id TO kjerne_app;

-- As in 0013, and where the records lie now goes with them.
ALTER FUNCTION erase_results_rest(bigint, smallint[]) RENAME TO erase_results_kept;
CREATE FUNCTION erase_results_rest(key bigint, of_types smallint[], OUT deleted integer, OUT message_shares bigint[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part integer;
BEGIN
    SELECT k.deleted, k.message_shares INTO deleted, message_shares FROM public.erase_results_kept(key, of_types) k;
    DELETE FROM public.former_id f WHERE f.patient = key;
    GET DIAGNOSTICS part = ROW_COUNT;
    deleted := deleted + part;
END $$;
REVOKE ALL ON FUNCTION erase_results_rest(bigint, smallint[]) FROM PUBLIC;
