-- The transaction that took a mark of the patient's off a record last. Where it is the row's own (xid), nothing was written by it: what
-- was filed while it was shut is no news to a subscriber on the day it is opened (docs/law.md, K90).
ALTER TABLE record ADD COLUMN unmarked xid8;
