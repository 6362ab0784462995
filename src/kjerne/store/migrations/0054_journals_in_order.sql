-- What a journal's system sent is put in order: in the order in which it was filed (`number`), by when its source says that it wrote
-- it (`updated`: meta.lastUpdated of what was fetched), and whether the version said that the record was entered in error. What its
-- source sends again after that stands again, as a new record.
ALTER TABLE critical_transfer ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE critical_transfer ADD COLUMN updated timestamptz;
ALTER TABLE critical_transfer ADD COLUMN in_error boolean NOT NULL DEFAULT false;
DROP INDEX critical_transfer_name;
CREATE INDEX critical_transfer_name ON critical_transfer (name, number DESC);
-- The same again, written later by its source, is no version: only the moment is noted.
GRANT UPDATE (updated) ON critical_transfer TO kjerne_app;

-- Whoever takes something has it under a number (`lease`), which is looked at again where it is filed: an answer to an older question
-- is never filed over that to a newer one.
ALTER TABLE journal
    ADD COLUMN system text NOT NULL DEFAULT '',      -- the address by which its records are known, whatever its address is now
    ADD COLUMN noted integer NOT NULL DEFAULT 1,     -- how often it was said that it is to be looked through
    ADD COLUMN lease bigint NOT NULL DEFAULT 0,
    ADD COLUMN leased_until timestamptz,
    ADD COLUMN answered_at timestamptz;              -- when it last answered with something that was taken
ALTER TABLE journal_news
    ADD COLUMN lease bigint NOT NULL DEFAULT 0,
    ADD COLUMN leased_until timestamptz,
    ADD COLUMN gone_at timestamptz,                  -- since when it answers that there is no such record
    ADD COLUMN aside boolean NOT NULL DEFAULT false, -- nothing is filed here about its patient now; asked for again, told as a count
    ADD COLUMN believed boolean NOT NULL DEFAULT false; -- an operator has it filed though its source wrote it before what is filed

-- Each type is looked through by itself: one that fails keeps none of the others waiting.
CREATE TABLE journal_look (
    journal  text NOT NULL,
    type     text NOT NULL,
    swept_to timestamptz NOT NULL,       -- what was written there until then was asked for
    PRIMARY KEY (journal, type)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON journal_look TO kjerne_app;
-- Each is looked through once more from the beginning: looks of before did not see all.
ALTER TABLE journal DROP COLUMN swept_to;
