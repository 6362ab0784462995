-- The reports that their source withholds from somebody, or until a time: nearly nobody has one, so that each message about her
-- need not look for it under every number that a report could have had in another discipline.
CREATE INDEX record_withheld ON record (patient) WHERE type = 39 AND (labels & 15 <> 0 OR release_at IS NOT NULL);

-- What lies sealed cannot be made smaller: a message with its receipt stays in its row, where it would be tried, and then kept in
-- another table with an index of its own. Rows of before stay as they are.
ALTER TABLE message_in SET (toast_tuple_target = 8160);
ALTER TABLE message_in ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE report_source SET (toast_tuple_target = 8160);
ALTER TABLE report_source ALTER COLUMN sealed SET STORAGE EXTERNAL;
