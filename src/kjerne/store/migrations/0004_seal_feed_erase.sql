-- Feeds, the sealed audit chain, and deletion after an opt-out.

-- A feed reads in the order of transactions, below the oldest that is still open.
CREATE INDEX record_xid ON record (xid);
CREATE INDEX audit_xid ON audit (xid);
-- Marks of deletion stand in history alone. Rows of before have no xid: no feed had been read then.
ALTER TABLE record_history ADD COLUMN xid xid8;
ALTER TABLE record_history ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
CREATE INDEX record_history_deleted ON record_history (xid) WHERE deleted;

-- The audit log chained (SHA-256): each seal covers the rows of the transactions in [from_xid, until_xid).
CREATE TABLE audit_seal (
    number     bigint PRIMARY KEY,
    format     smallint NOT NULL,             -- which columns were hashed, and how
    from_xid   xid8 NOT NULL,
    until_xid  xid8 NOT NULL,
    rows       bigint NOT NULL,               -- in this seal and all before it
    head       bytea NOT NULL,
    sealed_at  timestamptz NOT NULL
);
GRANT SELECT, INSERT ON audit_seal TO kjerne_app;

-- Deletes what a service keeps about a person who opted out of it 30 days ago and has not taken it back, under an audit
-- row that names every version that went. Returns how many rows were deleted; once they are gone it finds nothing.
-- The program may add to history, not delete from it, save through here.
CREATE FUNCTION erase_after_opt_out(
    of_patient bigint, of_choice bigint, of_service text, of_types smallint[], at_time timestamptz, why_rule text,
    why_law text, why_says text
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys     bigint[];
    key      bigint;
    types    smallint[];
    ids      uuid[];
    versions integer[];
    rest     integer;
    deleted  integer := 0;
BEGIN
    PERFORM FROM public.privacy_choice
     WHERE patient = of_patient AND number = of_choice AND kind = 'opt-out' AND service = of_service
       AND (ended_at IS NULL OR ended_at > at_time) AND made_at <= at_time - interval '30 days' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    -- Writers of the same person wait, and she is one human under all her keys.
    SELECT array_agg(k.patient) INTO keys FROM (
        SELECT patient FROM public.person
         WHERE patient = of_patient OR patient = ANY((SELECT linked FROM public.person WHERE patient = of_patient)::bigint[])
         ORDER BY patient FOR NO KEY UPDATE) k;
    FOREACH key IN ARRAY coalesce(keys, '{}') LOOP
        WITH gone AS (
            DELETE FROM public.record r WHERE r.patient = key AND r.type = ANY(of_types)
            RETURNING r.type, r.id, r.version
        ), former AS (
            DELETE FROM public.record_history h WHERE h.patient = key AND h.type = ANY(of_types)
            RETURNING h.type, h.id, h.version
        ), every AS (SELECT * FROM gone UNION SELECT * FROM former)
        SELECT coalesce(array_agg(e.type), '{}'), coalesce(array_agg(e.id), '{}'), coalesce(array_agg(e.version), '{}')
          INTO types, ids, versions FROM every e;
        rest := CASE WHEN of_service = 'results' THEN public.erase_results_rest(key, of_types) ELSE 0 END;
        CONTINUE WHEN cardinality(ids) + rest = 0;
        deleted := deleted + cardinality(ids) + rest;
        INSERT INTO public.audit (patient, at, number, outcome, action, service, rule, law, says, purpose, basis,
            caller_kind, caller_digest, caller_name, caller_hpr, caller_role, organisation, point_of_care, department,
            client, token, decision, self_selected, correlation, types, ids, versions)
        VALUES (key, at_time, gen_random_uuid(), 0, 'erase', of_service, why_rule, why_law, why_says, '', '',
            'system', '', '', '', '', '', '', '', 'kjerne', '', '', false, 'opt-out-' || of_choice, types, ids, versions);
    END LOOP;
    RETURN deleted;
END $$;

-- What else the results service keeps about a person: reports as received, messages that carried them, what waits for
-- or was told to whom, and which analyses were asked for.
CREATE FUNCTION erase_results_rest(key bigint, of_types smallint[]) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part    integer;
    deleted integer := 0;
BEGIN
    -- The receipt stays, so that the same message sent again is still known. A name may end in a mark of the receiver.
    UPDATE public.message_in m SET sealed = '' WHERE m.status = 'accepted' AND m.sealed <> '' AND EXISTS (
        SELECT FROM public.report_source s WHERE s.patient = key AND s.message IN (m.message, left(m.message, -9)));
    DELETE FROM public.report_source s WHERE s.patient = key;
    GET DIAGNOSTICS part = ROW_COUNT;
    deleted := deleted + part;
    DELETE FROM public.requester_inbox i WHERE i.patient = key AND i.type = ANY(of_types);
    GET DIAGNOSTICS part = ROW_COUNT;
    deleted := deleted + part;
    DELETE FROM public.notice n WHERE n.patient = key AND n.type = ANY(of_types);
    GET DIAGNOSTICS part = ROW_COUNT;
    deleted := deleted + part;
    DELETE FROM public.acknowledgement a WHERE a.patient = key AND a.type = ANY(of_types);
    GET DIAGNOSTICS part = ROW_COUNT;
    deleted := deleted + part;
    DELETE FROM public.reuse_answer a WHERE a.patient = key;
    GET DIAGNOSTICS part = ROW_COUNT;
    deleted := deleted + part;
    DELETE FROM public.locator l WHERE l.kind = 1 AND l.patient = key;
    RETURN deleted;
END $$;

REVOKE ALL ON FUNCTION erase_results_rest(bigint, smallint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION erase_after_opt_out(bigint, bigint, text, smallint[], timestamptz, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_after_opt_out(bigint, bigint, text, smallint[], timestamptz, text, text, text)
    TO kjerne_app;
