-- Whether a version of a record is what messages say and nothing else, as they were mapped then: what differs from today's mapping
-- is taken for a change by FHIR where it is not. NULL: a record that no message wrote, or of before this file. Of a mark of
-- deletion: whether messages gave the record no more, where else FHIR deleted it.
ALTER TABLE record ADD COLUMN mapped boolean;
ALTER TABLE record_history ADD COLUMN mapped boolean;
