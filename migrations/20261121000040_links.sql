-- migrate:up
-- What each event names, is known as, and is linked to: a row an event, kind of link and thing.
-- Where `sequences` is not null, the link goes to just these events of the thing.
CREATE TABLE ledger.link (
    book text NOT NULL,
    thing text NOT NULL,
    link text NOT NULL,
    sequence bigint NOT NULL,
    sequences int8multirange,
    CONSTRAINT link_pk PRIMARY KEY (book, thing, link, sequence)
);
CREATE INDEX link_of_event ON ledger.link (book, sequence);

GRANT SELECT, INSERT ON ledger.link TO wattledger_projector;
GRANT SELECT ON ledger.link TO wattledger_staff;
ALTER TABLE ledger.link ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.link FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));

-- migrate:down
DROP POLICY staff ON ledger.link;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.link;
