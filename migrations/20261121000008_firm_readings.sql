-- migrate:up
-- The newest firm value (actual, corrected or final) holds, and the newest of all where there is none.
CREATE OR REPLACE VIEW ledger.reading WITH (security_invoker = true) AS
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
        ORDER BY
            substr(run.quality, least(item.position, length(run.quality))::integer, 1) IN ('A', 'C', 'F') DESC,
            run.sequence DESC
    ) = 1 AS is_current
FROM ledger.meter_run AS run
CROSS JOIN LATERAL unnest(run.wh) WITH ORDINALITY AS item (wh, position);

-- migrate:down
SELECT 1;
