-- The floor: people, records, audit, messages in, jobs. Every key starts with the distribution column (Citus: patient, or
-- digest for look-ups); no extension, no ICU; strings are folded in Python, so collation is C everywhere.

CREATE TABLE person (
    patient      bigint PRIMARY KEY,
    stamp        bigint NOT NULL DEFAULT 1,   -- raised by every change of a fact the law asks about
    linked       bigint[] NOT NULL DEFAULT '{}', -- every other key of the same human (events in person_link)
    wrapped_key  bytea,                       -- data key wrapped by the master key; NULL once destroyed
    detail       bytea NOT NULL,              -- sealed: name, birth date, sex, address, protection, death
    synthetic    boolean NOT NULL,
    made_at      timestamptz NOT NULL
);

CREATE TABLE person_identifier (
    digest      bytea NOT NULL,
    patient     bigint NOT NULL,
    kind        text NOT NULL,                -- FNR DNR FHN HNR DUF FOREIGN NONE
    sealed      bytea NOT NULL,
    valid_from  date NOT NULL,
    valid_to    date,
    PRIMARY KEY (digest, patient, valid_from)
);
CREATE INDEX person_identifier_patient ON person_identifier (patient);

CREATE TABLE person_link (
    patient   bigint NOT NULL,
    other     bigint NOT NULL,
    at        timestamptz NOT NULL,
    made_by   text NOT NULL,
    reason    text NOT NULL,
    undone_at timestamptz,
    undone_by text,
    PRIMARY KEY (patient, other, at)
);

CREATE TABLE person_tie (
    patient       bigint NOT NULL,
    number        bigint NOT NULL,
    kind          text NOT NULL,              -- practice-list care parent proxy guardian
    hpr           text NOT NULL DEFAULT '',
    organisation  text NOT NULL DEFAULT '',
    other         bigint NOT NULL DEFAULT 0,
    since         date,
    until         date,
    PRIMARY KEY (patient, number)
);
CREATE INDEX person_tie_other ON person_tie (other) WHERE other <> 0;
CREATE INDEX person_tie_hpr ON person_tie (hpr) WHERE hpr <> '';
CREATE INDEX person_tie_organisation ON person_tie (organisation) WHERE kind = 'care';

CREATE TABLE privacy_choice (
    patient       bigint NOT NULL,
    number        bigint NOT NULL,
    kind          text NOT NULL,              -- opt-out restriction block consent
    service       text NOT NULL DEFAULT '',
    hpr           text NOT NULL DEFAULT '',
    organisation  text NOT NULL DEFAULT '',
    made_at       timestamptz NOT NULL,
    ended_at      timestamptz,
    PRIMARY KEY (patient, number)
);

CREATE TABLE practitioner (
    hpr            text PRIMARY KEY,
    digest         bytea NOT NULL,            -- of the practitioner's own person number
    name           text NOT NULL,
    authorizations text[] NOT NULL,
    valid_from     date NOT NULL,
    valid_to       date
);

CREATE TABLE organisation (
    number       text PRIMARY KEY,
    parent       text NOT NULL DEFAULT '',
    name         text NOT NULL,
    kind         text NOT NULL,
    resh         text NOT NULL DEFAULT '',
    her          text NOT NULL DEFAULT '',
    municipality text NOT NULL DEFAULT '',
    takes_part   boolean NOT NULL DEFAULT true
);

CREATE TABLE record (
    patient     bigint NOT NULL,
    id          uuid NOT NULL,
    type        smallint NOT NULL,
    version     integer NOT NULL,
    labels      integer NOT NULL DEFAULT 0,
    dictionary  smallint NOT NULL,
    at          timestamptz NOT NULL,
    date_from   timestamptz,
    date_to     timestamptz,
    release_at  timestamptz,
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    tokens      bigint[] NOT NULL,
    "values"    bytea NOT NULL,
    body        bytea NOT NULL,
    PRIMARY KEY (patient, type, id)
) WITH (fillfactor = 95);
ALTER TABLE record ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE record ALTER COLUMN "values" SET STORAGE EXTERNAL;

CREATE TABLE record_history (
    patient     bigint NOT NULL,
    id          uuid NOT NULL,
    type        smallint NOT NULL,
    version     integer NOT NULL,
    labels      integer NOT NULL DEFAULT 0,
    dictionary  smallint NOT NULL,
    deleted     boolean NOT NULL DEFAULT false,
    at          timestamptz NOT NULL,
    release_at  timestamptz,
    body        bytea NOT NULL,
    PRIMARY KEY (patient, type, id, version)
);

CREATE TABLE locator (
    kind     smallint NOT NULL,
    digest   bytea NOT NULL,
    patient  bigint NOT NULL,
    type     smallint NOT NULL,
    id       uuid NOT NULL,
    PRIMARY KEY (kind, digest)
);

CREATE TABLE dictionary (
    number  smallint PRIMARY KEY,
    bytes   bytea NOT NULL,
    made_at timestamptz NOT NULL
);

CREATE TABLE audit (
    patient       bigint NOT NULL,
    at            timestamptz NOT NULL,
    number        uuid NOT NULL,
    xid           xid8 NOT NULL DEFAULT pg_current_xact_id(),
    outcome       smallint NOT NULL,          -- 0 given, 1 refused
    action        text NOT NULL,
    service       text NOT NULL,
    rule          text NOT NULL,
    law           text NOT NULL,
    says          text NOT NULL,
    purpose       text NOT NULL,
    basis         text NOT NULL,
    caller_kind   text NOT NULL,
    caller_digest bytea NOT NULL,
    caller_name   text NOT NULL,
    caller_hpr    text NOT NULL,
    caller_role   text NOT NULL,
    organisation  text NOT NULL,
    point_of_care text NOT NULL,
    department    text NOT NULL,
    client        text NOT NULL,
    token         text NOT NULL,
    decision      text NOT NULL,
    self_selected boolean NOT NULL,
    correlation   text NOT NULL,
    types         smallint[] NOT NULL,
    ids           uuid[] NOT NULL,
    versions      integer[] NOT NULL,
    PRIMARY KEY (patient, at, number)
) PARTITION BY RANGE (at);

CREATE TABLE message_in (
    sender      text NOT NULL,
    message     text NOT NULL,
    digest      bytea NOT NULL,               -- of the whole message, to tell a duplicate from a clash
    received_at timestamptz NOT NULL,
    status      text NOT NULL,                -- accepted rejected
    errors      bytea NOT NULL,               -- JSON: element path, line, code, text; no content of the message
    reports     integer NOT NULL,
    observations integer NOT NULL,
    receipt     bytea NOT NULL,
    sealed      bytea NOT NULL,               -- the message itself, under the platform's message key
    PRIMARY KEY (sender, message)
);
CREATE INDEX message_in_rejected ON message_in (sender, received_at) WHERE status = 'rejected';

CREATE TABLE report_source (
    patient   bigint NOT NULL,
    report    bytea NOT NULL,                 -- digest of sender and report number: one chain of versions
    made_at   timestamptz NOT NULL,           -- the message's GenDate: orders the chain however it arrives
    message   text NOT NULL,
    sealed    bytea NOT NULL,                 -- the report as received, under the patient's data key
    PRIMARY KEY (patient, report, made_at, message)
);

CREATE TABLE notice (
    patient   bigint NOT NULL,
    number    uuid NOT NULL,
    hpr       text NOT NULL,                  -- who had read what is now corrected or withdrawn
    kind      text NOT NULL,                  -- corrected withdrawn
    type      smallint NOT NULL,
    id        uuid NOT NULL,
    version   integer NOT NULL,
    made_at   timestamptz NOT NULL,
    seen_at   timestamptz,
    PRIMARY KEY (patient, number)
);
CREATE INDEX notice_hpr ON notice (hpr) WHERE seen_at IS NULL;

CREATE TABLE acknowledgement (
    patient  bigint NOT NULL,
    type     smallint NOT NULL,
    id       uuid NOT NULL,
    version  integer NOT NULL,
    hpr      text NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (patient, type, id, version, hpr)
);

-- What waits for a requester: which record, never what it says.
CREATE TABLE requester_inbox (
    patient  bigint NOT NULL,
    type     smallint NOT NULL,
    id       uuid NOT NULL,
    hpr      text NOT NULL,
    version  integer NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (patient, type, id, hpr)
);
CREATE INDEX requester_inbox_hpr ON requester_inbox (hpr, at DESC);

CREATE TABLE job (
    kind     text NOT NULL,
    key      text NOT NULL,
    due_at   timestamptz NOT NULL,
    tries    integer NOT NULL DEFAULT 0,
    payload  bytea NOT NULL DEFAULT '',
    PRIMARY KEY (kind, key)
);
CREATE INDEX job_due ON job (due_at);

CREATE TABLE reuse_answer (
    patient  bigint NOT NULL,
    number   uuid NOT NULL,
    at       timestamptz NOT NULL,
    system   text NOT NULL,
    code     text NOT NULL,
    outcome  text NOT NULL,                   -- shown followed overridden
    hpr      text NOT NULL,
    reason   text NOT NULL DEFAULT '',
    PRIMARY KEY (patient, number, outcome)
);

-- DPoP proofs already used; its partitions, one a minute, are unlogged (0003; PostgreSQL 18 refuses the word here).
CREATE TABLE proof (
    minute integer NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (minute, digest)
) PARTITION BY LIST (minute);
