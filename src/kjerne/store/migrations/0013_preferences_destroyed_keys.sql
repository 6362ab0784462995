-- Preferences of parts, roles, courses and single records, each with who set it; and keys that can be destroyed.

ALTER TABLE privacy_choice
    ADD COLUMN role      text NOT NULL DEFAULT '',   -- restriction: the group of roles it is against
    ADD COLUMN part      text NOT NULL DEFAULT '',   -- restriction: the kind of content
    ADD COLUMN source    text NOT NULL DEFAULT '',   -- restriction: whose content
    ADD COLUMN course    text NOT NULL DEFAULT '',   -- consent: the course of treatment
    ADD COLUMN record    uuid,                       -- the one record that is restricted
    ADD COLUMN slot      smallint NOT NULL DEFAULT -1,  -- which mark in record.labels the part has
    ADD COLUMN marked    bigint[] NOT NULL DEFAULT '{}',  -- the person keys whose records carry it
    ADD COLUMN set_at    timestamptz,                -- NULL: when it began
    ADD COLUMN set_by    bigint NOT NULL DEFAULT 0,  -- person key of who set it
    ADD COLUMN set_rule  text NOT NULL DEFAULT '',
    ADD COLUMN ended_by  bigint NOT NULL DEFAULT 0,
    ADD COLUMN ended_rule text NOT NULL DEFAULT '';

-- The services whose key was destroyed, once for each time. NULL: a person of before this file, whose records lie under
-- her data key alone.
ALTER TABLE person ADD COLUMN destroyed text[];
ALTER TABLE person ALTER COLUMN destroyed SET DEFAULT '{}';

-- Which file of key shares belongs to this database.
CREATE TABLE key_shares (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    id       bytea NOT NULL,
    made_at  timestamptz NOT NULL
);
GRANT SELECT, INSERT ON key_shares TO kjerne_app;

-- What was deleted with its key. The file of key shares lists the same; where it lists more, this database is older.
CREATE TABLE destroyed_key (
    patient     bigint NOT NULL,
    service     text NOT NULL,
    generation  smallint NOT NULL,
    choice      bigint NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (patient, service, generation)
);
GRANT SELECT ON destroyed_key TO kjerne_app;

-- A message that was not taken in lies under a key share of its own, and is found by the numbers it shows.
ALTER TABLE message_in
    ADD COLUMN shares bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN about  bytea[] NOT NULL DEFAULT '{}';

DROP FUNCTION erase_after_opt_out(bigint, bigint, text, smallint[], timestamptz, text, text, text);
DROP FUNCTION erase_results_rest(bigint, smallint[]);

-- What else the results service keeps about a person: reports as received, messages that carried them or were refused,
-- what waits for or was told to whom, and which analyses were asked for. Gives how many rows went, and the key shares of
-- messages.
CREATE FUNCTION erase_results_rest(key bigint, of_types smallint[], OUT deleted integer, OUT message_shares bigint[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part integer;
BEGIN
    -- The receipt stays, so that the same message sent again is still known. A name may end in a mark of the receiver.
    WITH emptied AS (
        UPDATE public.message_in m SET sealed = '', shares = '{}', about = '{}' WHERE m.sealed <> '' AND (
            m.status = 'accepted' AND EXISTS (SELECT FROM public.report_source s
                WHERE s.patient = key AND s.message IN (m.message, left(m.message, -9)))
            OR m.status = 'rejected' AND m.about && (SELECT coalesce(array_agg(i.digest), '{}')
                FROM public.person_identifier i WHERE i.patient = key))
        RETURNING (SELECT b.shares FROM public.message_in b WHERE b.sender = m.sender AND b.message = m.message) AS shares
    )
    SELECT coalesce(array_agg(n), '{}') INTO message_shares FROM emptied e, unnest(e.shares) n;
    DELETE FROM public.report_source s WHERE s.patient = key;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    DELETE FROM public.report_version v WHERE v.patient = key;
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
    DELETE FROM public.locator l WHERE l.patient = key AND l.kind IN (1, 2);
END $$;

-- Deletes what a service keeps under one person key, under an audit row that names every version that went, and says that
-- its key is destroyed. The owner's: the program comes here through `erase_after_opt_out` alone.
CREATE FUNCTION erase_key(
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
    deleted := deleted + cardinality(ids);
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

-- Deletes what a service keeps about a person who opted out of it 30 days ago and has not taken it back. For each of her
-- person keys: which generation of the service's key is to be destroyed before this transaction ends, how many rows went,
-- and the key shares of messages. Nothing where it is done already.
CREATE FUNCTION erase_after_opt_out(
    of_patient bigint, of_choice bigint, of_service text, of_types smallint[], at_time timestamptz, why_rule text,
    why_law text, why_says text)
RETURNS TABLE (patient bigint, generation integer, deleted integer, message_shares bigint[], opted_out_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys  bigint[];
    one   bigint;
    since timestamptz;
BEGIN
    SELECT c.made_at INTO since FROM public.privacy_choice c WHERE c.patient = of_patient AND c.number = of_choice
       AND c.kind = 'opt-out' AND c.service IN ('', of_service) AND (c.ended_at IS NULL OR c.ended_at > at_time)
       AND c.made_at <= at_time - interval '30 days' FOR UPDATE;
    IF NOT FOUND OR EXISTS (SELECT FROM public.destroyed_key d WHERE d.choice = of_choice AND d.service = of_service
        AND d.patient = of_patient) THEN
        RETURN;
    END IF;
    -- Writers of the same person wait, and she is one human under all her keys.
    SELECT array_agg(k.patient) INTO keys FROM (
        SELECT p.patient FROM public.person p
         WHERE p.patient = of_patient
            OR p.patient = ANY((SELECT q.linked FROM public.person q WHERE q.patient = of_patient)::bigint[])
         ORDER BY p.patient FOR NO KEY UPDATE) k;
    FOREACH one IN ARRAY coalesce(keys, '{}') LOOP
        patient := one;
        opted_out_at := since;
        SELECT e.deleted, e.generation, e.message_shares INTO deleted, generation, message_shares
          FROM public.erase_key(one, of_choice, of_service, of_types, at_time, why_rule, why_law, why_says) e;
        RETURN NEXT;
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION erase_results_rest(bigint, smallint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION erase_key(bigint, bigint, text, smallint[], timestamptz, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION erase_after_opt_out(bigint, bigint, text, smallint[], timestamptz, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_after_opt_out(bigint, bigint, text, smallint[], timestamptz, text, text, text)
    TO kjerne_app;
