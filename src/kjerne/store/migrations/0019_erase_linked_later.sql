-- A number that is linked to hers after what she opted out of was deleted: what lies under it is deleted too.

-- Deletes what a service keeps about a person who opted out of it 30 days ago and has not taken it back. For each of her
-- person keys: which generation of the service's key is to be destroyed before this transaction ends, how many rows went,
-- and the key shares of messages. Nothing for a key where it is done already.
CREATE OR REPLACE FUNCTION erase_after_opt_out(
    of_patient bigint, of_choice bigint, of_service text, of_types smallint[], at_time timestamptz, why_rule text,
    why_law text, why_says text)
RETURNS TABLE (patient bigint, generation integer, deleted integer, message_shares bigint[], opted_out_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys   bigint[];
    others bigint[];
    one    bigint;
    since  timestamptz;
BEGIN
    SELECT c.made_at INTO since FROM public.privacy_choice c WHERE c.patient = of_patient AND c.number = of_choice
       AND c.kind = 'opt-out' AND c.service IN ('', of_service) AND (c.ended_at IS NULL OR c.ended_at > at_time)
       AND c.made_at <= at_time - interval '30 days' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT q.linked INTO others FROM public.person q WHERE q.patient = of_patient;
    -- Writers of the same person wait, and she is one human under all her keys; but a link that is younger than the regret
    -- period can still be found wrong, and what lies beyond it waits for a job of its own.
    SELECT array_agg(k.patient) INTO keys FROM (
        SELECT p.patient FROM public.person p
         WHERE p.patient = of_patient
            OR p.patient = ANY(others) AND NOT EXISTS (SELECT FROM public.person_link l WHERE l.undone_at IS NULL
                AND l.at > since AND l.at > at_time - interval '30 days'
                AND (l.patient = ANY(of_patient || others) OR l.other = ANY(of_patient || others)))
         ORDER BY p.patient FOR NO KEY UPDATE) k
     WHERE NOT EXISTS (SELECT FROM public.destroyed_key d
        WHERE d.choice = of_choice AND d.service = of_service AND d.patient = k.patient);
    FOREACH one IN ARRAY coalesce(keys, '{}') LOOP
        patient := one;
        opted_out_at := since;
        SELECT e.deleted, e.generation, e.message_shares INTO deleted, generation, message_shares
          FROM public.erase_key(one, of_choice, of_service, of_types, at_time, why_rule, why_law, why_says) e;
        RETURN NEXT;
    END LOOP;
END $$;
