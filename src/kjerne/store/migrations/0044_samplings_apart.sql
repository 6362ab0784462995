-- Of a version that tells of several samplings, some may be another person's: then each has a row of its own (part 1, 2, ...), in the
-- order of their times, and says in which report it lies. Part 0 is the whole version, and has its trace.
ALTER TABLE report_version ADD COLUMN part smallint NOT NULL DEFAULT 0;
ALTER TABLE report_version DROP CONSTRAINT report_version_pkey;
ALTER TABLE report_version ADD PRIMARY KEY (number, made_at, message, patient, part);
