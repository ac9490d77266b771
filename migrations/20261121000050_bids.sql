-- migrate:up
-- What has become of each bid: a row a change. `live`: the market may still award it; `status` is of its newest
-- revision, `gate_closes` of what stands at the market. `state` is JSON; compressing a day of bids
-- would take longer than all the rest.
CREATE TABLE ledger.bid (
    book text NOT NULL,
    id text NOT NULL,
    from_seq bigint NOT NULL,
    to_seq bigint,
    market text NOT NULL,
    product text NOT NULL,
    unit text NOT NULL,
    day date NOT NULL,
    author text NOT NULL,
    status text NOT NULL,
    live boolean NOT NULL,
    gate_closes timestamptz,
    state text STORAGE EXTERNAL NOT NULL,
    CONSTRAINT bid_pk PRIMARY KEY (book, id, from_seq)
);
CREATE INDEX bid_of_day ON ledger.bid (book, day, unit, product);
CREATE INDEX bid_live ON ledger.bid (book, market) WHERE live AND to_seq IS NULL;

GRANT SELECT, INSERT ON ledger.bid TO wattledger_projector;
GRANT UPDATE (to_seq) ON ledger.bid TO wattledger_projector;
GRANT SELECT ON ledger.bid TO wattledger_staff;
ALTER TABLE ledger.bid ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.bid FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));

-- migrate:down
DROP POLICY staff ON ledger.bid;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.bid;
