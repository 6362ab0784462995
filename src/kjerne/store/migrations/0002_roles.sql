-- Who may do what, and the partitions made ahead. Two roles: the owner (who runs this file) changes tables, the program
-- (kjerne_app) only rows. What was read, and what was once true, it can add but never change or remove.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kjerne_app') THEN
        CREATE ROLE kjerne_app LOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object THEN NULL;          -- another database of the same cluster was migrated at the same moment
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'the role kjerne_app is missing: let an administrator run CREATE ROLE kjerne_app LOGIN';
END $$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO kjerne_app;
GRANT SELECT ON schema_version TO kjerne_app;

-- Added, never changed.
GRANT SELECT, INSERT ON audit, record_history, dictionary, acknowledgement, reuse_answer TO kjerne_app;

-- Ended or undone with a date, never removed.
GRANT SELECT, INSERT, UPDATE ON person, person_identifier, person_link, privacy_choice, notice TO kjerne_app;

GRANT SELECT, INSERT, UPDATE, DELETE
    ON person_tie, practitioner, organisation, record, locator, message_in, report_source, requester_inbox, job, proof
    TO kjerne_app;

-- A row outside every month that was made ahead is kept here: a late job never stops a read.
CREATE TABLE audit_other PARTITION OF audit DEFAULT;

-- Makes the audit's months from `from_day` on; returns how many were new. A month whose first rows already lie in the
-- default partition stays there.
CREATE FUNCTION audit_partitions(from_day date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    month date := date_trunc('month', from_day::timestamp)::date;
    part  text;
    made  integer := 0;
BEGIN
    IF months NOT BETWEEN 1 AND 60 THEN
        RAISE EXCEPTION 'months must be 1 to 60';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('kjerne audit_partitions'));
    FOR step IN 0 .. months - 1 LOOP
        part := to_char(month, '"audit_y"YYYY"m"MM');
        IF to_regclass('public.' || part) IS NULL THEN
            BEGIN
                EXECUTE format(
                    'CREATE TABLE public.%I PARTITION OF public.audit FOR VALUES FROM (%L) TO (%L)',
                    part, month || ' 00:00:00+00', (month + interval '1 month')::date || ' 00:00:00+00');
                made := made + 1;
            EXCEPTION WHEN check_violation THEN NULL;
            END;
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
    RETURN made;
END $$;

REVOKE ALL ON FUNCTION audit_partitions(date, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_partitions(date, integer) TO kjerne_app;

SELECT audit_partitions(current_date, 3);
