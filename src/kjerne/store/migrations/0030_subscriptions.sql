-- Who is told what is new: the subscriptions, what is to be told each of them, and what each was told (decision 39).

CREATE TABLE subscription (
    patient       bigint NOT NULL,               -- whom it is about
    id            uuid NOT NULL,                 -- the patient is sealed in it
    owner         bytea NOT NULL,                -- digest of client, organisation and person: whose it is
    service       text NOT NULL,
    types         smallint[] NOT NULL,
    channel       text NOT NULL CHECK (channel IN ('rest-hook', 'websocket')),
    state         text NOT NULL CHECK (state IN ('requested', 'active', 'error', 'off')),
    collects      boolean NOT NULL DEFAULT true, -- whether what is new is noted for it: also while it is off after errors
    version       integer NOT NULL,
    made_at       timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL DEFAULT 'infinity',
    told          bytea NOT NULL,                -- sealed: the resource as received, and the caller who sent it
    events        bigint NOT NULL DEFAULT 0,     -- the last number given to an event
    sent          bigint NOT NULL DEFAULT 0,     -- the last number that was taken
    failures      integer NOT NULL DEFAULT 0,    -- one after the other
    failing_since timestamptz,
    fault         text NOT NULL DEFAULT '',      -- why the last message was not taken, in our own words
    woken         bigint NOT NULL DEFAULT 0,     -- raised when something new is noted
    beat_at       timestamptz NOT NULL DEFAULT 'infinity', -- when it is told that there was nothing, whatever there was
    work_at       timestamptz NOT NULL,          -- when there is something to do
    leased_until  timestamptz,
    PRIMARY KEY (patient, id)
) WITH (toast_tuple_target = 128, fillfactor = 70);
-- The rows are changed often, and this never with them: it lies apart.
ALTER TABLE subscription ALTER COLUMN told SET STORAGE EXTERNAL;
CREATE INDEX subscription_work ON subscription (work_at);
CREATE INDEX subscription_owner ON subscription (owner);

-- What is new and not yet weighed: made from the records behind the oldest open transaction, so that no write does more.
CREATE TABLE subscription_due (
    patient      bigint NOT NULL,
    subscription uuid NOT NULL,
    type         smallint NOT NULL,
    record       uuid NOT NULL,
    version      integer NOT NULL,
    deleted      boolean NOT NULL,
    place        bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (patient, subscription, type, record)
);

-- What the law let be told, by number.
CREATE TABLE subscription_event (
    patient      bigint NOT NULL,
    subscription uuid NOT NULL,
    number       bigint NOT NULL,
    at           timestamptz NOT NULL,
    type         smallint NOT NULL,
    record       uuid NOT NULL,
    version      integer NOT NULL,
    deleted      boolean NOT NULL,
    PRIMARY KEY (patient, subscription, number)
);
CREATE INDEX subscription_event_at ON subscription_event (at);

-- How far the records have been read for it, and when.
CREATE TABLE subscription_position (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    xid     xid8 NOT NULL,
    patient bigint NOT NULL DEFAULT -1,
    type    smallint NOT NULL DEFAULT -1,
    id      uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    read_at timestamptz NOT NULL
);
INSERT INTO subscription_position (xid, read_at) VALUES (pg_current_xact_id(), now());

GRANT SELECT, INSERT, UPDATE, DELETE ON subscription, subscription_due, subscription_event TO kjerne_app;
GRANT SELECT, UPDATE ON subscription_position TO kjerne_app;
