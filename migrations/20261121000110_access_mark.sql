-- migrate:up
-- How far the access log was numbered (adapters/access_mark.py): the newest number with the digest of its record,
-- the oldest number that is kept with when it was recorded, and the ranges of numbers whose records are known to be
-- lost. No projection: without the row the log is taken as it stands.
CREATE TABLE ledger.access_mark (
    book text NOT NULL,
    last bigint NOT NULL,
    digest bytea NOT NULL,
    oldest bigint NOT NULL,
    oldest_at timestamptz NOT NULL,
    lost int8multirange NOT NULL DEFAULT '{}',
    CONSTRAINT access_mark_pk PRIMARY KEY (book)
);
GRANT SELECT ON ledger.access_mark TO wattledger_projector, wattledger_staff;
ALTER TABLE ledger.access_mark ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.access_mark FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));

-- migrate:down
DROP POLICY staff ON ledger.access_mark;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.access_mark;
