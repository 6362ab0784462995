-- Cards of warnings that clinicians were shown, and what became of them: counted by rule, of nobody in particular. A row for each
-- card would tell by its rule what a patient reacts to; the log has whom it was about and which entries it named.
CREATE TABLE card_count (
    day       date NOT NULL,
    service   text NOT NULL,
    rule      text NOT NULL,
    indicator text NOT NULL,                  -- info warning critical
    outcome   text NOT NULL,                  -- shown accepted overridden
    reason    text NOT NULL,                  -- a code of our own, of one that was overridden; empty where none was given
    slot      smallint NOT NULL,              -- counted in several rows, so that cards do not wait for each other
    number    bigint NOT NULL,
    PRIMARY KEY (day, service, rule, indicator, outcome, reason, slot)
);

-- What was told of a card once is not counted again: the digest of its id and the outcome.
CREATE TABLE card_answer (
    digest  bytea PRIMARY KEY,
    at      timestamptz NOT NULL
);
CREATE INDEX card_answer_at ON card_answer (at);

GRANT SELECT, INSERT, UPDATE ON card_count TO kjerne_app;
GRANT SELECT, INSERT, DELETE ON card_answer TO kjerne_app;
