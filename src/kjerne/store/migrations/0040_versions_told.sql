-- Subscribers are told of each version that was written (decision 54), also of one that was changed before anybody looked.

-- Of a former version the transaction that its row had when it stood last, and whether that only took a mark off it (0039): as of
-- what is new in `record`. Versions of before this are not news to anybody.
ALTER TABLE record_history ADD COLUMN stood_xid xid8, ADD COLUMN unmarked xid8;
CREATE INDEX record_history_stood ON record_history (stood_xid) WHERE stood_xid IS NOT NULL;

-- What is new and not yet weighed, a row for each version.
ALTER TABLE subscription_due DROP CONSTRAINT subscription_due_pkey;
ALTER TABLE subscription_due ADD PRIMARY KEY (patient, subscription, type, record, version);

-- Whether it has been active since its owner wrote it: being bound to another socket does not change that.
ALTER TABLE subscription ADD COLUMN begun boolean NOT NULL DEFAULT false;
UPDATE subscription SET begun = true WHERE state IN ('active', 'error');
