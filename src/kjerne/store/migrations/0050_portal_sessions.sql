-- A clinician's page that her own system opens at a patient: a session with a code for one use. Who, whom and on which basis lies
-- sealed; what is open tells nothing of anybody but digests. It holds nothing of a record, and is swept when it is over.
CREATE TABLE portal_session (
    digest       bytea PRIMARY KEY,           -- of the id that the system was given
    code         bytea NOT NULL,              -- digest of the rest of the code
    challenge    text NOT NULL,               -- S256 of the verifier
    practitioner bytea NOT NULL,              -- digest of her number: nobody else opens it
    sealed       bytea NOT NULL,
    code_until   timestamptz NOT NULL,
    until        timestamptz NOT NULL,
    used_at      timestamptz,                 -- when the code came back
    opened_at    timestamptz,                 -- when the page was opened, once
    ended_at     timestamptz
);
CREATE INDEX portal_session_until ON portal_session (until);

GRANT SELECT, INSERT, UPDATE, DELETE ON portal_session TO kjerne_app;
