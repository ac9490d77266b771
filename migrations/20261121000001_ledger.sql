-- migrate:up
CREATE SCHEMA ledger;

-- The raw archive: what a damaged stream is restored from. Never changed once written.
CREATE TABLE ledger.envelope (
    book text NOT NULL,
    sequence bigint NOT NULL,
    aggregate text NOT NULL,
    version bigint NOT NULL,
    hash bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    recorded_at_max timestamptz NOT NULL,
    payload bytea NOT NULL,
    CONSTRAINT envelope_pk PRIMARY KEY (book, sequence)
);
ALTER TABLE ledger.envelope ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX envelope_aggregate ON ledger.envelope (book, aggregate, version);

-- How far each projection has come; written in the same transaction as its rows.
CREATE TABLE ledger.position (
    book text NOT NULL,
    projection text NOT NULL,
    sequence bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT position_pk PRIMARY KEY (book, projection)
);

-- Registered documents by kind: party, site, meter, device, contract, tariff, key, book.
-- A row holds for sequences in [from_seq, to_seq); only to_seq is ever set, once.
CREATE TABLE ledger.registered (
    book text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    version bigint NOT NULL,
    effective_from timestamptz,
    effective_to timestamptz,
    from_seq bigint NOT NULL,
    to_seq bigint,
    document jsonb NOT NULL,
    CONSTRAINT registered_pk PRIMARY KEY (book, kind, id, version)
);

-- One received run of intervals within a UTC day; the newest sequence wins per interval.
CREATE TABLE ledger.meter_run (
    book text NOT NULL,
    meter text NOT NULL,
    register text NOT NULL,
    start timestamptz NOT NULL,
    interval_s integer NOT NULL,
    wh integer [] NOT NULL,
    quality text NOT NULL,
    sequence bigint NOT NULL,
    CONSTRAINT meter_run_pk PRIMARY KEY (book, meter, register, start, sequence)
);
ALTER TABLE ledger.meter_run ALTER COLUMN wh SET STORAGE MAIN;

CREATE TABLE ledger.meter_import (
    book text NOT NULL,
    id text NOT NULL,
    status text NOT NULL,
    covers_from timestamptz NOT NULL,
    covers_to timestamptz NOT NULL,
    meters text [] NOT NULL,
    from_seq bigint NOT NULL,
    to_seq bigint,
    document jsonb NOT NULL,
    CONSTRAINT meter_import_pk PRIMARY KEY (book, id, from_seq)
);

CREATE TABLE ledger.price_block (
    book text NOT NULL,
    market text NOT NULL,
    node text NOT NULL,
    product text NOT NULL,
    start timestamptz NOT NULL,
    interval_s integer NOT NULL,
    currency text NOT NULL,
    scale smallint NOT NULL,
    mantissas bigint [] NOT NULL,
    sequence bigint NOT NULL,
    CONSTRAINT price_block_pk PRIMARY KEY (book, market, node, product, start, sequence)
);

-- One row a settlement run of a contract and month: the whole result, and the position it read.
CREATE TABLE ledger.settlement (
    book text NOT NULL,
    contract text NOT NULL,
    month text NOT NULL,
    run bigint NOT NULL,
    run_kind text NOT NULL,
    "position" bigint NOT NULL,
    inputs_digest text NOT NULL,
    outputs_digest text NOT NULL,
    sequence bigint NOT NULL,
    result jsonb NOT NULL,
    CONSTRAINT settlement_pk PRIMARY KEY (book, contract, month, run)
);

-- What a party may see of a run: its own lines only.
CREATE TABLE ledger.statement (
    book text NOT NULL,
    party text NOT NULL,
    contract text NOT NULL,
    month text NOT NULL,
    run bigint NOT NULL,
    sequence bigint NOT NULL,
    document jsonb NOT NULL,
    CONSTRAINT statement_pk PRIMARY KEY (book, party, contract, month, run)
);

-- Quarter-hours for people who write SQL: every version, the newest marked.
CREATE VIEW ledger.reading AS
SELECT
    run.book,
    run.meter,
    run.register,
    run.interval_s,
    run.sequence,
    run.start + (item.position - 1) * run.interval_s * interval '1 second' AS start,
    item.wh,
    substr(run.quality, least(item.position, length(run.quality))::integer, 1) AS quality,
    row_number() OVER (
        PARTITION BY
            run.book, run.meter, run.register,
            run.start + (item.position - 1) * run.interval_s * interval '1 second'
        ORDER BY run.sequence DESC
    ) = 1 AS is_current
FROM ledger.meter_run AS run
CROSS JOIN LATERAL unnest(run.wh) WITH ORDINALITY AS item (wh, position);

-- migrate:down
DROP SCHEMA ledger CASCADE;
