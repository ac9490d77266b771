-- migrate:up
-- The transparency log's tree: a row a tile of up to 256 hashes of 32 bytes, which only ever grows.
CREATE TABLE ledger.tree_tile (
    book text NOT NULL,
    level smallint NOT NULL,
    index bigint NOT NULL,
    content bytea NOT NULL,
    CONSTRAINT tree_tile_pk PRIMARY KEY (book, level, index),
    CONSTRAINT tree_tile_hashes CHECK (
        octet_length(content) BETWEEN 32 AND 8192 AND octet_length(content) % 32 = 0
    )
);
ALTER TABLE ledger.tree_tile ALTER COLUMN content SET STORAGE EXTERNAL; -- hashes do not compress

GRANT SELECT, INSERT ON ledger.tree_tile TO wattledger_projector;
GRANT UPDATE (content) ON ledger.tree_tile TO wattledger_projector;
GRANT SELECT ON ledger.tree_tile TO wattledger_staff;
ALTER TABLE ledger.tree_tile ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.tree_tile FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));

-- migrate:down
DROP POLICY staff ON ledger.tree_tile;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.tree_tile;
