-- Analyses that were made again within their interval: noted sealed in the transaction that files the report, counted
-- by a job. An open note would tell which person's report it came with, since both rows would name one transaction.

CREATE TABLE repeat_noted (
    number  uuid PRIMARY KEY,
    sealed  bytea NOT NULL                    -- analysis, who asked for it, month; under the platform's message key
);

CREATE TABLE repeat_count (
    month         date NOT NULL,              -- in which the repeat was filed
    analysis      text NOT NULL,
    organisation  text NOT NULL,              -- who asked for it, by organisation number; empty where it is not known
    number        bigint NOT NULL,
    PRIMARY KEY (month, analysis, organisation)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON repeat_noted TO kjerne_app;
GRANT SELECT, INSERT, UPDATE ON repeat_count TO kjerne_app;
