-- Why a clinician had an analysis made again is said of one patient, so it lies under the results' key about her and goes when
-- the key goes. Reasons of before lay in the open; nothing showed them, and they are not taken along. The rows are written
-- anew, since a column that is dropped leaves its bytes where they were.
ALTER TABLE reuse_answer RENAME TO reuse_answer_before;
ALTER INDEX reuse_answer_pkey RENAME TO reuse_answer_before_pkey;
CREATE TABLE reuse_answer (
    patient  bigint NOT NULL,
    number   uuid NOT NULL,
    at       timestamptz NOT NULL,
    system   text NOT NULL,
    code     text NOT NULL,
    outcome  text NOT NULL,                   -- shown followed overridden
    hpr      text NOT NULL,
    why      bytea NOT NULL DEFAULT '',       -- sealed; empty but where it was overridden
    PRIMARY KEY (patient, number, outcome)
);
INSERT INTO reuse_answer (patient, number, at, system, code, outcome, hpr)
SELECT patient, number, at, system, code, outcome, hpr FROM reuse_answer_before;
DROP TABLE reuse_answer_before;
GRANT SELECT, INSERT ON reuse_answer TO kjerne_app;
