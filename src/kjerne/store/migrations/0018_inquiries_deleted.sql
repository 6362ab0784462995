-- What a citizen wrote of her results, and what she was answered, is deleted with them, and so is what she would be told by.
-- That she wrote stays, as the log does.

CREATE FUNCTION erase_results_said(of_key bigint) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    deleted integer;
    part    integer;
BEGIN
    UPDATE public.inquiry i SET told = '' WHERE i.patient = of_key AND i.told <> '';
    GET DIAGNOSTICS deleted = ROW_COUNT;
    UPDATE public.inquiry_step s SET answer = '' WHERE s.patient = of_key AND s.answer <> '';
    DELETE FROM public.notify_profile p WHERE p.patient = of_key;
    GET DIAGNOSTICS part = ROW_COUNT;
    DELETE FROM public.notify_outbox o WHERE o.patient = of_key;
    RETURN deleted + part;
END $$;

ALTER FUNCTION erase_results_rest(bigint, smallint[]) RENAME TO erase_results_kept;
CREATE FUNCTION erase_results_rest(key bigint, of_types smallint[], OUT deleted integer, OUT message_shares bigint[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT k.deleted, k.message_shares INTO deleted, message_shares FROM public.erase_results_kept(key, of_types) k;
    deleted := deleted + public.erase_results_said(key);
END $$;

REVOKE ALL ON FUNCTION erase_results_said(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION erase_results_rest(bigint, smallint[]) FROM PUBLIC;
