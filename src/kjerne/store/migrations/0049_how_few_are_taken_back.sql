-- How few results are marked as taken back (0035). Of what a mask of labels gives the planner knows nothing by itself: it took the mark
-- for one that nearly every row bears, and each new report that names results read the table for the first of them, more with every
-- row that came, where the index of the few had the answer in one look.
CREATE STATISTICS record_few_taken_back ON (labels & 8388608) FROM record;
-- Of an empty table it would count that there is nothing, and what is planned then would read all of it ever after.
DO $$ BEGIN
    IF EXISTS (SELECT FROM record) THEN
        ANALYZE record;
    END IF;
END $$;
