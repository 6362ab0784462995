-- Which keys the database was made with: a digest of each root that may not change unseen. Under other keys every number
-- would name somebody new, and nothing that lies here could be found or opened.
CREATE TABLE key_mark (
    name   text PRIMARY KEY,      -- permanent wrap
    digest bytea NOT NULL
);
GRANT SELECT, INSERT ON key_mark TO kjerne_app;
