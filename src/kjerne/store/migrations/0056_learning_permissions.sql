-- That somebody may learn a model of synthetic people from the people of this store: who, on which ground, until when. One ends by
-- itself, and can be ended before; nothing else of it changes.
CREATE TABLE learning_permission (
    number     bigint PRIMARY KEY,
    at         timestamptz NOT NULL,
    until      timestamptz NOT NULL,
    who        text NOT NULL,
    ground     text NOT NULL,
    made_by    text NOT NULL,
    ended_at   timestamptz,
    ended_by   text NOT NULL DEFAULT '',
    ended_why  text NOT NULL DEFAULT '',
    CHECK (until > at)
);
GRANT SELECT, INSERT ON learning_permission TO kjerne_app;
GRANT UPDATE (ended_at, ended_by, ended_why) ON learning_permission TO kjerne_app;
