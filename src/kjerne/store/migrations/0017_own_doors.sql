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

-- Who wants to be told when somebody has looked, how often and where: herself, or a parent of a child.
CREATE TABLE notify_profile (
    patient   bigint NOT NULL,                   -- whose record is looked at
    owner     bigint NOT NULL,                   -- who is told
    digest    bytea NOT NULL,                    -- by which the law knows the owner when the message is sent
    how       text NOT NULL CHECK (how IN ('at-once', 'daily')),
    channel   text NOT NULL CHECK (channel IN ('email', 'sms')),
    address   bytea NOT NULL,                    -- under the patient's data key
    language  text NOT NULL,
    since     timestamptz NOT NULL,
    PRIMARY KEY (patient, owner)
);

-- Messages to be sent, made from the log behind its oldest open transaction. The key lets a look make one message and no more.
CREATE TABLE notify_outbox (
    patient     bigint NOT NULL,
    owner       bigint NOT NULL,
    key         text NOT NULL,
    made_at     timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    tries       integer NOT NULL DEFAULT 0,
    sent_at     timestamptz,
    given_up_at timestamptz,
    PRIMARY KEY (patient, owner, key)
);
CREATE INDEX notify_outbox_due ON notify_outbox (due_at) WHERE sent_at IS NULL AND given_up_at IS NULL;

-- How far the log has been read for it: from now on.
CREATE TABLE notify_position (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    xid     xid8 NOT NULL,
    number  uuid NOT NULL
);
INSERT INTO notify_position (xid, number) VALUES (pg_current_xact_id(), '00000000-0000-0000-0000-000000000000');

GRANT SELECT, INSERT, UPDATE, DELETE ON notify_profile, notify_outbox TO kjerne_app;
GRANT SELECT, UPDATE ON notify_position TO kjerne_app;
