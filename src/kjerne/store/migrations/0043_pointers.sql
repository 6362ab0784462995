-- A record has one home, the patient it is about. Where it names another patient, this row in hers leads to it. What it says is
-- nowhere but in the record: who reads by a row looks whether the record names her still.
CREATE TABLE pointer (
    patient   bigint NOT NULL,                -- who is named
    type      smallint NOT NULL,
    id        uuid NOT NULL,
    home      bigint NOT NULL,                -- with whom the record lies
    PRIMARY KEY (patient, type, id)
);
CREATE INDEX pointer_home ON pointer (home, type, id);
GRANT SELECT, INSERT, DELETE ON pointer TO kjerne_app;

-- Whether any row leads away from her: nobody else's searches look for one. It is never taken back.
ALTER TABLE person ADD COLUMN pointed boolean NOT NULL DEFAULT false;

-- As in 0026, and what leads to or from her goes along.
CREATE OR REPLACE FUNCTION erase_key(
    key bigint, of_choice bigint, of_service text, of_types smallint[], at_time timestamptz, why_rule text, why_law text,
    why_says text, OUT deleted integer, OUT generation integer, OUT message_shares bigint[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    types    smallint[];
    ids      uuid[];
    versions integer[];
BEGIN
    WITH gone AS (
        DELETE FROM public.record r WHERE r.patient = key AND r.type = ANY(of_types) RETURNING r.type, r.id, r.version
    ), former AS (
        DELETE FROM public.record_history h WHERE h.patient = key AND h.type = ANY(of_types)
        RETURNING h.type, h.id, h.version
    ), every AS (SELECT * FROM gone UNION SELECT * FROM former)
    SELECT coalesce(array_agg(e.type), '{}'), coalesce(array_agg(e.id), '{}'), coalesce(array_agg(e.version), '{}')
      INTO types, ids, versions FROM every e;
    DELETE FROM public.pointer p WHERE (p.patient = key OR p.home = key) AND p.type = ANY(of_types);
    deleted := 0;
    message_shares := '{}';
    IF of_service = 'results' THEN
        SELECT r.deleted, r.message_shares INTO deleted, message_shares FROM public.erase_results_rest(key, of_types) r;
    END IF;
    deleted := deleted + public.erase_said(key, of_service) + cardinality(ids);
    SELECT cardinality(array_positions(coalesce(p.destroyed, '{}'), of_service)) INTO generation
      FROM public.person p WHERE p.patient = key;
    generation := coalesce(generation, 0);
    -- Whoever still holds facts about her, or rows that they opened, asks anew.
    UPDATE public.person p SET destroyed = coalesce(p.destroyed, '{}') || of_service, stamp = p.stamp + 1
     WHERE p.patient = key;
    INSERT INTO public.destroyed_key (patient, service, generation, choice, at)
    VALUES (key, of_service, generation, of_choice, at_time) ON CONFLICT DO NOTHING;
    IF deleted > 0 THEN
        INSERT INTO public.audit (patient, at, number, outcome, action, service, rule, law, says, purpose, basis,
            caller_kind, caller_digest, caller_name, caller_hpr, caller_role, organisation, point_of_care, department,
            client, token, decision, self_selected, correlation, types, ids, versions)
        VALUES (key, at_time, gen_random_uuid(), 0, 'erase', of_service, why_rule, why_law, why_says, '', '',
            'system', '', '', '', '', '', '', '', 'kjerne', '', '', false, 'opt-out-' || of_choice, types, ids, versions);
    END IF;
END $$;
