-- migrate:up
-- What has become of each statement: a row a change, holding for sequences in [from_seq, to_seq).
CREATE TABLE ledger.statement_life (
    book text NOT NULL,
    aggregate text NOT NULL,
    party text NOT NULL,
    contract text NOT NULL,
    month text NOT NULL,
    run bigint NOT NULL,
    from_seq bigint NOT NULL,
    to_seq bigint,
    document jsonb NOT NULL,
    CONSTRAINT statement_life_pk PRIMARY KEY (book, aggregate, from_seq)
);

GRANT SELECT, INSERT ON ledger.statement_life TO wattledger_projector;
GRANT UPDATE (to_seq) ON ledger.statement_life TO wattledger_projector;
GRANT SELECT ON ledger.statement_life TO wattledger_staff, wattledger_partner;
ALTER TABLE ledger.statement_life ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON ledger.statement_life FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));
CREATE POLICY partner ON ledger.statement_life FOR SELECT TO wattledger_partner
USING (book = current_setting('app.book', true) AND party = current_setting('app.party', true));

-- migrate:down
DROP POLICY partner ON ledger.statement_life;
DROP POLICY staff ON ledger.statement_life;
-- squawk-ignore ban-drop-table
DROP TABLE ledger.statement_life;
