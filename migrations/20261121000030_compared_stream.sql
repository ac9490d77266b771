-- migrate:up
-- Which making of a book's stream was compared with the archive message by message: one that was made anew
-- since is compared again before anything is appended. Beside it the newest signed checkpoint that was seen, so
-- that its file is missed, and the damage that was found and is not repaired. It is no projection: it says
-- nothing of events.
CREATE TABLE ledger.compared_stream (
    book text NOT NULL,
    created text NOT NULL,
    checkpoint_size bigint NOT NULL DEFAULT 0,
    checkpoint bytea NOT NULL DEFAULT '',
    damage_code text NOT NULL DEFAULT '',
    damage_place text NOT NULL DEFAULT '',
    damage_message text NOT NULL DEFAULT '',
    CONSTRAINT compared_stream_pk PRIMARY KEY (book)
);
GRANT SELECT ON ledger.compared_stream TO wattledger_projector, wattledger_staff;
ALTER TABLE ledger.compared_stream ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.compared_stream FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));

-- migrate:down
DROP POLICY staff ON ledger.compared_stream;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.compared_stream;
