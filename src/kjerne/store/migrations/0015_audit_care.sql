-- What an attestation says of the care itself, for later control (Tillitsrammeverket ATT-34, ATT-42, ATT-52, ATT-57):
-- codes as `system|code`, numbers of the business. Texts of the codes lie sealed in `written`, behind the reason. Rows of
-- before say nothing here, and keep the bytes that they were sealed with (store/sealing.py, format 4).
ALTER TABLE audit ADD COLUMN healthcare_service    text NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN purpose_details       text NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN patient_point_of_care text NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN patient_department    text NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN attested_at           timestamptz;
