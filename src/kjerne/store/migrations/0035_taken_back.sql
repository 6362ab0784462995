-- The results that stand no more since every report they came with was taken back: nearly nobody has one, and each new report asks
-- whether she has.
CREATE INDEX record_taken_back ON record (patient) WHERE type = 95 AND labels & 8388608 <> 0;
