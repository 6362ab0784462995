-- A source takes away what its own system says it must (ITI-62, ITI-86). The log keeps that it was there.

GRANT DELETE ON document, association, submission_set TO kjerne_app;
GRANT UPDATE (sha256) ON document TO kjerne_app;
CREATE INDEX ON document (sha256);
CREATE INDEX ON document (sent_in);
