-- Documents that were locked when they were taken away: one that is sent again under its name is kept with the lock.

CREATE TABLE locked_when_it_went (
    patient   bigint NOT NULL REFERENCES patient,
    unique_id text NOT NULL,
    PRIMARY KEY (patient, unique_id)
);

GRANT SELECT, INSERT, DELETE ON locked_when_it_went TO kjerne_app;
