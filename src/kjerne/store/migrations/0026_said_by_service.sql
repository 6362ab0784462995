-- What a citizen wrote of a look or a record belongs to the service that it is about, and goes with that service alone. What is
-- about none (a look into the log) has no service, and goes with none. Rows of before this file were sealed with the results' key
-- whatever they are about, and cannot be opened without it: they stay the results'.
ALTER TABLE inquiry ADD COLUMN service text NOT NULL DEFAULT 'results';

-- What she wrote of one service, and what she was answered. That she wrote stays, as the log does.
CREATE FUNCTION erase_said(of_key bigint, of_service text) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    deleted integer;
BEGIN
    UPDATE public.inquiry i SET told = '' WHERE i.patient = of_key AND i.service = of_service AND i.told <> '';
    GET DIAGNOSTICS deleted = ROW_COUNT;
    UPDATE public.inquiry_step s SET answer = '' FROM public.inquiry i
     WHERE s.patient = of_key AND i.patient = of_key AND i.number = s.number AND i.service = of_service AND s.answer <> '';
    RETURN deleted;
END $$;

-- A profile of being told is of all services; the program takes it away with the last of them.
DROP FUNCTION erase_results_rest(bigint, smallint[]);
DROP FUNCTION erase_results_said(bigint);
ALTER FUNCTION erase_results_kept(bigint, smallint[]) RENAME TO erase_results_rest;

-- As in 0013, and what was said of the service goes with it.
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

REVOKE ALL ON FUNCTION erase_said(bigint, text) FROM PUBLIC;
