-- migrate:up
-- Of a run: whose statements it gave, so that one that is gone is missed.
ALTER TABLE ledger.settlement ADD COLUMN parties text [] NOT NULL DEFAULT '{}';
UPDATE ledger.settlement AS run SET
    parties = ARRAY(
        SELECT made.party FROM ledger.statement AS made
        WHERE
            made.book = run.book AND made.contract = run.contract
            AND made.month = run.month AND made.run = run.run
        ORDER BY made.party
    );

-- What was archived of runs by month, and of things by kind: a row that is gone is missed by them.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX envelope_settlement ON ledger.envelope (book, (right(aggregate, 7)), aggregate) INCLUDE (sequence)
WHERE aggregate LIKE 'settlement.%';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX envelope_first ON ledger.envelope (
    book, (split_part(aggregate, '.', 1)), (substr(aggregate, strpos(aggregate, '.') + 1)), sequence
) WHERE version = 1 AND aggregate NOT LIKE 'readings.%';

-- A digest over the rest of the row: whoever changes it without the program is seen.
ALTER TABLE ledger.compared_stream ADD COLUMN seal bytea NOT NULL DEFAULT '';
UPDATE ledger.compared_stream SET
    seal = sha256(
        convert_to(
            jsonb_build_array(
                book, created, checkpoint_size, encode(checkpoint, 'hex'),
                damage_code, damage_place, damage_message
            )::text,
            'UTF8'
        )
    );

-- migrate:down
-- squawk-ignore ban-drop-column
ALTER TABLE ledger.compared_stream DROP COLUMN seal;
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX ledger.envelope_first;
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX ledger.envelope_settlement;
-- squawk-ignore ban-drop-column
ALTER TABLE ledger.settlement DROP COLUMN parties;
