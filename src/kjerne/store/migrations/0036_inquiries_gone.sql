-- What a citizen wrote of one service, and what she was answered, goes with it as rows, and not as their content alone: a row told
-- for ever which record she had and whose look she reported. That she asked stands in the log, as all that was done here.
CREATE OR REPLACE FUNCTION erase_said(of_key bigint, of_service text) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    deleted integer;
BEGIN
    DELETE FROM public.inquiry_step s USING public.inquiry i
     WHERE s.patient = of_key AND i.patient = of_key AND i.number = s.number AND i.service = of_service;
    DELETE FROM public.inquiry i WHERE i.patient = of_key AND i.service = of_service;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END $$;

-- Those that were emptied before this file.
DELETE FROM inquiry_step s USING inquiry i WHERE i.patient = s.patient AND i.number = s.number AND i.told = '';
DELETE FROM inquiry WHERE told = '';
