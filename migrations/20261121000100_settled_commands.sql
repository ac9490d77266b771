-- migrate:up
-- Up to where the runs and setpoints of a book were gone through for what settles setpoints
-- (adapters/driving/settling_commands.py). No projection: without the row all is gone through again, and nothing is
-- recorded twice.
CREATE TABLE ledger.settled_commands (
    book text NOT NULL,
    sequence bigint NOT NULL,
    CONSTRAINT settled_commands_pk PRIMARY KEY (book)
);
GRANT SELECT, INSERT, UPDATE ON ledger.settled_commands TO wattledger_projector;
GRANT SELECT ON ledger.settled_commands TO wattledger_staff;
ALTER TABLE ledger.settled_commands ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.settled_commands FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));

-- migrate:down
DROP POLICY staff ON ledger.settled_commands;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.settled_commands;
