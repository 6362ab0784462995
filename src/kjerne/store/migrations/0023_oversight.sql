-- What came of the readings that stand out. A line is a row of the log by its number, or a day of one practitioner's by the
-- digest of both; it names no patient. Added to and never changed.
CREATE TABLE log_verdict (
    line     uuid NOT NULL,
    step     integer NOT NULL,
    verdict  text NOT NULL CHECK (verdict IN ('in-order', 'to-ask', 'reported')),
    at       timestamptz NOT NULL,
    person   bytea NOT NULL,                     -- digest of who noted it
    author   text NOT NULL,
    PRIMARY KEY (line, step)
);
GRANT SELECT, INSERT ON log_verdict TO kjerne_app;

-- An export that is refused, by whom and why; and why it was approved.
ALTER TABLE export
    ADD COLUMN refused_at  timestamptz,
    ADD COLUMN refused_by  text NOT NULL DEFAULT '',
    ADD COLUMN refused_why text NOT NULL DEFAULT '';
ALTER TABLE export_approval ADD COLUMN why text NOT NULL DEFAULT '';

-- What the worker found each time it compared the log with its seals: figures, and the kinds of what did not agree.
CREATE TABLE log_comparison (
    at          timestamptz NOT NULL PRIMARY KEY,
    seconds     real NOT NULL,
    state       text NOT NULL,
    seals       bigint NOT NULL,
    rows        bigint NOT NULL,
    checkpoints bigint NOT NULL,
    unsealed    bigint NOT NULL,
    findings    text[] NOT NULL,
    further     bigint NOT NULL
);
GRANT SELECT, INSERT ON log_comparison TO kjerne_app;
