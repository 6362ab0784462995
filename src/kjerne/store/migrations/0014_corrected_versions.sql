-- A version whose content an update (FHIR) took back or changed stays in sight beside what took its place. Reports that came
-- as messages say it in their own records, so nothing of before is marked.
ALTER TABLE record_history ADD COLUMN corrected boolean NOT NULL DEFAULT false;
CREATE INDEX record_history_corrected ON record_history (patient, type) WHERE corrected;

-- Which version the reader had before her: what she is told of is the way from there to what holds now. Where the log does not
-- say it, the version that the change replaced.
ALTER TABLE notice ADD COLUMN read_version integer;
UPDATE notice n SET read_version = coalesce((SELECT max(v.version) FROM audit a, unnest(a.types, a.ids, a.versions)
      AS v(type, id, version)
    WHERE a.patient = n.patient AND a.at = n.read_at AND a.outcome = 0 AND a.caller_hpr = n.hpr AND v.type = n.type
      AND v.id = n.id AND v.version < n.version), n.version - 1);
ALTER TABLE notice ALTER COLUMN read_version SET NOT NULL;
