-- migrate:up
-- A bid that was only written says what its event says, which the archive has: its curves, thousands of numbers,
-- are kept once. `state` is then NULL, and the event is the one at `from_seq`.
-- squawk-ignore ban-drop-not-null
ALTER TABLE ledger.bid ALTER COLUMN state DROP NOT NULL;

-- The bids of a book that has some are projected anew, so that their rows are those of a rebuilt one.
DELETE FROM ledger.bid;
DELETE FROM ledger.position WHERE projection = 'bids';

-- migrate:down
DELETE FROM ledger.bid;
DELETE FROM ledger.position WHERE projection = 'bids';
-- squawk-ignore adding-not-nullable-field
ALTER TABLE ledger.bid ALTER COLUMN state SET NOT NULL;
