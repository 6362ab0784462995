-- Subscriptions that are told over sockets: which socket holds each, and the tokens that bind it (decision 47).

ALTER TABLE subscription
    ADD COLUMN bound       uuid,            -- the socket that it is told over
    ADD COLUMN bound_until timestamptz;     -- when that ends at the latest, or has ended
CREATE INDEX subscription_bound ON subscription (bound) WHERE bound IS NOT NULL;

-- Tokens that were handed out and not used yet.
CREATE TABLE subscription_token (
    digest        bytea PRIMARY KEY,        -- of the token
    owner         bytea NOT NULL,           -- as in subscription
    subscriptions uuid[] NOT NULL,          -- those that it binds
    caller        bytea NOT NULL,           -- sealed: who asked for it
    expires_at    timestamptz NOT NULL
);
CREATE INDEX subscription_token_owner ON subscription_token (owner);

GRANT SELECT, INSERT, DELETE ON subscription_token TO kjerne_app;
