-- What a citizen says is wrong: a look in her log that she calls misuse, or something in her record that she wants put right.
-- Nothing of it is changed afterwards: what is done with it is one step after the other.

CREATE TABLE inquiry (
    patient       bigint NOT NULL,
    number        uuid NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('misuse', 'correction')),
    made_at       timestamptz NOT NULL,
    organisation  text NOT NULL,                 -- whose look it was, or the source that owns what is wrong
    look_at       timestamptz,                   -- misuse: the row of the log
    look          uuid,
    type          smallint,                      -- correction: the record, in the version that she saw
    record        uuid,
    version       integer,
    told          bytea NOT NULL,                -- what she wrote and how to reach her, under the patient's data key
    PRIMARY KEY (patient, number),
    CHECK ((kind = 'misuse') = (look IS NOT NULL AND look_at IS NOT NULL)),
    CHECK ((kind = 'correction') = (record IS NOT NULL AND type IS NOT NULL AND version IS NOT NULL))
);
CREATE UNIQUE INDEX inquiry_number ON inquiry (number);
CREATE INDEX inquiry_made ON inquiry (made_at, number);

CREATE TABLE inquiry_step (
    patient  bigint NOT NULL,
    number   uuid NOT NULL,
    step     integer NOT NULL,                   -- 1 is that it was received
    at       timestamptz NOT NULL,
    status   text NOT NULL CHECK (status IN ('received', 'under-way', 'answered')),
    made_by  text NOT NULL,                      -- organisation or name of whoever did it; empty for the citizen
    answer   bytea NOT NULL DEFAULT '',          -- what she is told, under the patient's data key
    PRIMARY KEY (patient, number, step),
    FOREIGN KEY (patient, number) REFERENCES inquiry
);

GRANT SELECT, INSERT ON inquiry, inquiry_step TO kjerne_app;
