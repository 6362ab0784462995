-- Whether a result was taken back with its reports when the change came that a notice tells of: what the reader knew before it.
-- No result was marked so before.
ALTER TABLE notice ADD COLUMN was_withdrawn boolean NOT NULL DEFAULT false;
