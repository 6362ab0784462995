-- Who follows what changes is told of each version once, in the place of the transaction that wrote it (decision 58). A mark that is put
-- on a row or taken off it gives it another transaction (xid), which is no news: of such a row this keeps the version's own. NULL: xid.
ALTER TABLE record ADD COLUMN wrote xid8;
ALTER TABLE record_history ADD COLUMN wrote xid8;
CREATE INDEX record_wrote ON record (wrote) WHERE wrote IS NOT NULL;
CREATE INDEX record_history_wrote ON record_history (wrote) WHERE wrote IS NOT NULL;
