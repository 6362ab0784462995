-- What is new and not told over a socket for want of scope alone waits for a token that opens it: since when (decision 61).
ALTER TABLE subscription_due ADD COLUMN aside_at timestamptz;
CREATE INDEX subscription_due_aside ON subscription_due (aside_at) WHERE aside_at IS NOT NULL;
