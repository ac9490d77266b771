-- migrate:up
-- What each received run of readings was when it was projected: for each of its rows in `meter_run` the start and
-- 64 bits over all of it (adapters/integrity/reading_seal.py). A row that was changed since is so seen whenever it
-- is read.
CREATE TABLE ledger.reading_seal (
    book text NOT NULL,
    meter text NOT NULL,
    register text NOT NULL,
    start timestamptz NOT NULL,
    interval_s integer NOT NULL,
    seals bytea NOT NULL,
    sequence bigint NOT NULL,
    CONSTRAINT reading_seal_pk PRIMARY KEY (book, meter, register, start, sequence)
);
ALTER TABLE ledger.reading_seal ALTER COLUMN seals SET STORAGE MAIN;

GRANT SELECT, INSERT ON ledger.reading_seal TO wattledger_projector;
GRANT SELECT ON ledger.reading_seal TO wattledger_staff;
ALTER TABLE ledger.reading_seal ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.reading_seal FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));

-- migrate:down
DROP POLICY staff ON ledger.reading_seal;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.reading_seal;
