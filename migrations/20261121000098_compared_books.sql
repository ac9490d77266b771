-- migrate:up
-- Whoever archives a book's first envelope makes its row: with events and no row, the row was taken away, and
-- with it what was known of damage.
GRANT INSERT ON ledger.compared_stream TO wattledger_projector;
CREATE POLICY projector ON ledger.compared_stream FOR INSERT TO wattledger_projector WITH CHECK (true);
INSERT INTO ledger.compared_stream (book, created, seal)
SELECT
    held.book,
    '' AS created,
    sha256(convert_to(jsonb_build_array(held.book, '', 0, '', '', '', '')::text, 'UTF8')) AS seal
FROM (SELECT DISTINCT one.book FROM ledger.position AS one) AS held
ON CONFLICT DO NOTHING;

-- migrate:down
DROP POLICY projector ON ledger.compared_stream;
REVOKE INSERT ON ledger.compared_stream FROM wattledger_projector;
