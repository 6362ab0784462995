-- What a reader wrote as her reason, in the log of the one it is about: sealed under the patient's data key, so that it goes
-- when the key goes. Empty where none was written.
ALTER TABLE audit ADD COLUMN written bytea NOT NULL DEFAULT '';
