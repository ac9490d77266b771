-- migrate:up
-- How far each consumer of the live messages was told (NATS, and each webhook), and what could not be delivered.
-- No projections: they say nothing of events.
CREATE TABLE ledger.told_position (
    book text NOT NULL,
    consumer text NOT NULL,
    sequence bigint NOT NULL,
    parts integer NOT NULL,
    attempts integer NOT NULL,
    next_at timestamptz,
    failing boolean NOT NULL,
    last_error text NOT NULL,
    replay bigint NOT NULL,
    CONSTRAINT told_position_pk PRIMARY KEY (book, consumer)
);
CREATE TABLE ledger.dead_letter (
    book text NOT NULL,
    consumer text NOT NULL,
    message text NOT NULL,
    sequence bigint NOT NULL,
    type text NOT NULL,
    attempts integer NOT NULL,
    reason text NOT NULL,
    given_up_at timestamptz NOT NULL,
    CONSTRAINT dead_letter_pk PRIMARY KEY (book, consumer, message)
);
GRANT SELECT, INSERT, UPDATE ON ledger.told_position TO wattledger_projector;
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.dead_letter TO wattledger_projector;
GRANT SELECT ON ledger.told_position, ledger.dead_letter TO wattledger_staff;
ALTER TABLE ledger.told_position ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.dead_letter ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.told_position FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));
CREATE POLICY staff ON ledger.dead_letter FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));

-- migrate:down
DROP POLICY staff ON ledger.dead_letter;
DROP POLICY staff ON ledger.told_position;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.dead_letter;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.told_position;
