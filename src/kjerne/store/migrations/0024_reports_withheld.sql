-- The reports that their source withholds from somebody, or until a time: nearly nobody has one, so that each message about her
-- need not look for it under every number that a report could have had in another discipline.
CREATE INDEX record_withheld ON record (patient) WHERE type = 39 AND (labels & 15 <> 0 OR release_at IS NOT NULL);
