-- What a reader wrote as her reason, in the log of the one it is about: sealed under the patient's data key, so that it goes
-- when the key goes. Empty where none was written.
ALTER TABLE audit ADD COLUMN written bytea NOT NULL DEFAULT '';

-- When the reader last had what was changed before her: all that she is told where she may not open the patient today.
ALTER TABLE notice ADD COLUMN read_at timestamptz;
UPDATE notice n SET read_at = coalesce((SELECT max(a.at) FROM audit a WHERE a.patient = n.patient AND a.outcome = 0
    AND a.caller_kind = 'practitioner' AND a.caller_hpr = n.hpr AND n.id = ANY(a.ids) AND a.at <= n.made_at), n.made_at);
ALTER TABLE notice ALTER COLUMN read_at SET NOT NULL;

-- Logins to the pages that were ended before their time. A login is its cookie and has no row; only its end has, until the
-- cookie would have been too old by itself.
CREATE TABLE ended_login (
    login  text PRIMARY KEY,                  -- the random id inside the sealed cookie
    until  timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON ended_login TO kjerne_app;
