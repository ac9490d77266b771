-- migrate:up
-- Of a correction: what changed since the run before it.
ALTER TABLE ledger.settlement ADD COLUMN causes text [] NOT NULL DEFAULT '{}';

-- migrate:down
-- squawk-ignore ban-drop-column
ALTER TABLE ledger.settlement DROP COLUMN causes;
