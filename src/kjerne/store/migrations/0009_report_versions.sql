-- What came under a laboratory's number of a report: laboratories use a number again, for another sample or another patient.

CREATE TABLE report_version (
    number    bytea NOT NULL,                 -- digest of sender and the laboratory's number of the report
    made_at   timestamptz NOT NULL,
    message   text NOT NULL,
    patient   bigint NOT NULL,                -- whom this version names
    chain     bytea NOT NULL,                 -- report_source.report: the report it is a version of
    trace     bytea NOT NULL,                 -- what tells reports apart, hashed and sealed under the platform's message key
    PRIMARY KEY (number, made_at, message, patient)
);
CREATE INDEX report_version_patient ON report_version (patient);
GRANT SELECT, INSERT, UPDATE, DELETE ON report_version TO kjerne_app;

-- Until now a number was one report. Those versions show nothing of themselves, and stay together.
INSERT INTO report_version (number, made_at, message, patient, chain, trace)
SELECT s.report, s.made_at, s.message, s.patient, s.report, ''
FROM report_source s JOIN locator l ON l.kind = 1 AND l.digest = s.report AND l.patient = s.patient
WHERE s.made_at <> '1970-01-01 00:00:00+00';

-- As in 0004, and what came under which number.
CREATE OR REPLACE FUNCTION erase_results_rest(key bigint, of_types smallint[]) RETURNS integer
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
    DELETE FROM public.locator l WHERE l.kind = 1 AND l.patient = key;
    RETURN deleted;
END $$;
