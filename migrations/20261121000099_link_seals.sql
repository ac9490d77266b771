-- migrate:up
-- What the rows of `link` were when they were projected (adapters/integrity/link_seals.py): how many, and 64 bits
-- over all of them, for each thing and kind of link; the same summed by buckets of things and over the whole (bucket
-- -1), so that a seal that is gone is missed; and 64 bits an event, in tiles of 128 events.
CREATE TABLE ledger.link_seal (
    book text NOT NULL,
    bucket integer NOT NULL,
    thing text NOT NULL,
    link text NOT NULL,
    rows bigint NOT NULL,
    seal bigint NOT NULL,
    sequence bigint NOT NULL,
    CONSTRAINT link_seal_pk PRIMARY KEY (book, bucket, thing, link)
);
CREATE TABLE ledger.link_total (
    book text NOT NULL,
    bucket integer NOT NULL,
    rows bigint NOT NULL,
    seal bigint NOT NULL,
    sequence bigint NOT NULL,
    CONSTRAINT link_total_pk PRIMARY KEY (book, bucket)
);
CREATE TABLE ledger.link_tile (
    book text NOT NULL,
    tile bigint NOT NULL,
    seals bytea NOT NULL,
    sequence bigint NOT NULL,
    CONSTRAINT link_tile_pk PRIMARY KEY (book, tile)
);

GRANT SELECT, INSERT, UPDATE ON ledger.link_seal, ledger.link_total, ledger.link_tile TO wattledger_projector;
GRANT SELECT ON ledger.link_seal, ledger.link_total, ledger.link_tile TO wattledger_staff;
ALTER TABLE ledger.link_seal ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.link_seal FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));
ALTER TABLE ledger.link_total ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.link_total FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));
ALTER TABLE ledger.link_tile ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.link_tile FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));

-- The links of a book that has some are projected anew, with their seals.
DELETE FROM ledger.link;
DELETE FROM ledger.position WHERE projection = 'links';

-- migrate:down
DROP POLICY staff ON ledger.link_tile;
DROP POLICY staff ON ledger.link_total;
DROP POLICY staff ON ledger.link_seal;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.link_tile;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.link_total;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.link_seal;
