-- Critical information that journals' systems sent, version by version: by whom, by which system, when, and in which way (decision
-- 71). A version of a record that has no row here was registered by hand. It tells nothing of what a record says: what the sender
-- calls it, and what it sent, are keyed digests.
CREATE TABLE critical_transfer (
    patient      bigint NOT NULL,
    id           uuid NOT NULL,
    version      integer NOT NULL,
    type         smallint NOT NULL,       -- R4's number
    name         bytea NOT NULL,          -- digest of the organisation and its own identifier for the record
    said         bytea NOT NULL,          -- digest of what was sent
    organisation text NOT NULL,
    system       text NOT NULL,           -- as it names itself
    way          text NOT NULL,           -- pushed fetched
    at           timestamptz NOT NULL,
    PRIMARY KEY (patient, id, version)
);
CREATE INDEX critical_transfer_name ON critical_transfer (name, at DESC, version DESC);
GRANT SELECT, INSERT ON critical_transfer TO kjerne_app;

-- Deleted with the records after an opt-out. Laid around what is there, whatever that is by now.
ALTER FUNCTION erase_said(bigint, text) RENAME TO erase_said_but_transfers;
CREATE FUNCTION erase_said(of_key bigint, of_service text) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    deleted integer;
    part    integer := 0;
BEGIN
    deleted := public.erase_said_but_transfers(of_key, of_service);
    IF of_service = 'critical-information' THEN
        DELETE FROM public.critical_transfer t WHERE t.patient = of_key;
        GET DIAGNOSTICS part = ROW_COUNT;
    END IF;
    RETURN deleted + part;
END $$;
REVOKE ALL ON FUNCTION erase_said(bigint, text) FROM PUBLIC;

-- Journals that are asked: what became of the subscription there, and what they have said is new and was not fetched yet. An
-- address is Type/id in the journal; it holds no person number, and nothing of what a record says.
CREATE TABLE journal (
    name         text PRIMARY KEY,       -- as the operator's file has it
    subscription text NOT NULL DEFAULT '',
    fault        text NOT NULL DEFAULT '',
    tries        integer NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL,   -- when it is looked after next
    swept_to     timestamptz             -- what was written there until then was asked for
);
CREATE TABLE journal_news (
    journal  text NOT NULL,
    address  text NOT NULL,
    number   bigint GENERATED ALWAYS AS IDENTITY,
    noted    integer NOT NULL DEFAULT 1, -- how often it was said: what is said while it is fetched is fetched again
    since    timestamptz NOT NULL,
    due_at   timestamptz NOT NULL,
    tries    integer NOT NULL DEFAULT 0,
    fault    text NOT NULL DEFAULT '',
    dead_at  timestamptz,
    PRIMARY KEY (journal, address)
);
CREATE INDEX journal_news_due ON journal_news (due_at) WHERE dead_at IS NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON journal, journal_news TO kjerne_app;
