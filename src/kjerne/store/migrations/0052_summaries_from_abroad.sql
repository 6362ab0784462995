-- Patient summaries from abroad: kept as they came, and what clinicians have decided about them, entry by entry (decision 76). No
-- search, summary, warning, export or count reads these tables. A document and all that is said of it lie sealed with the key
-- that critical information has about the patient; what stands in the open are keyed digests, times and kinds of decision.
CREATE TABLE abroad_document (
    patient      bigint NOT NULL,
    number       uuid NOT NULL,
    at           timestamptz NOT NULL,
    organisation text NOT NULL,          -- of whoever brought it
    name         bytea NOT NULL,         -- digest of the patient and the document's own identifier; empty where it has none
    said         bytea NOT NULL,         -- digest of the patient and the bytes
    told         bytea NOT NULL,         -- sealed: what the document says of itself, who brought it, what was confirmed
    body         bytea NOT NULL,         -- sealed: the bytes as they came, compressed
    PRIMARY KEY (patient, number)
);
CREATE INDEX abroad_document_said ON abroad_document (patient, said);
CREATE TABLE abroad_step (
    patient      bigint NOT NULL,
    document     uuid NOT NULL,
    place        integer NOT NULL,       -- of the entry in the document; -1 the document itself
    step         integer NOT NULL,
    at           timestamptz NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('taken', 'same', 'left', 'replaced', 'withdrawn')),
    type         smallint,               -- R4's number, of the record that came of it or that it is the same as
    record       uuid,
    told         bytea NOT NULL,         -- sealed: by whom, and why
    PRIMARY KEY (patient, document, place, step)
);
GRANT SELECT, INSERT ON abroad_document, abroad_step TO kjerne_app;

-- Deleted with the records after an opt-out. Laid around what is there, whatever that is by now.
ALTER FUNCTION erase_said(bigint, text) RENAME TO erase_said_but_abroad;
CREATE FUNCTION erase_said(of_key bigint, of_service text) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    deleted integer;
    part    integer := 0;
BEGIN
    deleted := public.erase_said_but_abroad(of_key, of_service);
    IF of_service = 'critical-information' THEN
        DELETE FROM public.abroad_step s WHERE s.patient = of_key;
        DELETE FROM public.abroad_document d WHERE d.patient = of_key;
        GET DIAGNOSTICS part = ROW_COUNT;
    END IF;
    RETURN deleted + part;
END $$;
REVOKE ALL ON FUNCTION erase_said(bigint, text) FROM PUBLIC;
