-- A profile of being told belongs to the person key it was made under. What is chosen or stopped under another number of the
-- same human puts it aside, as long as the two are linked: the key of that choice stands here, and an undone link frees it.
ALTER TABLE notify_profile ADD COLUMN aside_patient bigint, ADD COLUMN aside_owner bigint;

-- Who approves an export is a human and a registered health worker, not the number she logged in with that day.
ALTER TABLE export ADD COLUMN asked_hpr text NOT NULL DEFAULT '';
ALTER TABLE export_approval ADD COLUMN hpr text NOT NULL DEFAULT '';
