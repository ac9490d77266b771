-- migrate:up
-- Views for people who write SQL: a role that reads, one book, and for a partner's analyst its own rows.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'wattledger_analyst') THEN
        CREATE ROLE wattledger_analyst NOLOGIN;
    END IF;
END
$$;

CREATE SCHEMA analyst;
GRANT USAGE ON SCHEMA analyst TO wattledger_analyst;

-- Which book, and for a partner's analyst which party, a login role reads. No setting can change it.
CREATE TABLE analyst.login (
    role_name text NOT NULL,
    book text NOT NULL,
    party text,
    CONSTRAINT login_pk PRIMARY KEY (role_name)
);

CREATE FUNCTION analyst.book() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
SELECT login.book FROM analyst.login WHERE login.role_name = session_user
$$;
CREATE FUNCTION analyst.party() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
SELECT login.party FROM analyst.login WHERE login.role_name = session_user
$$;
-- A partner's analyst reads rows of its party, anybody else's every row of the book.
CREATE FUNCTION analyst.whole_book() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
SELECT login.book FROM analyst.login WHERE login.role_name = session_user AND login.party IS NULL
$$;
CREATE FUNCTION analyst.money(minor numeric, currency text) RETURNS numeric
LANGUAGE sql IMMUTABLE SET search_path = '' AS $$
SELECT CASE currency WHEN 'JPY' THEN minor ELSE round(minor / 100, 2) END
$$;
CREATE FUNCTION analyst.price(mantissa bigint, scale integer) RETURNS numeric
LANGUAGE sql IMMUTABLE SET search_path = '' AS $$
SELECT round(mantissa / power(10::numeric, scale), scale)
$$;

GRANT SELECT ON ledger.registered, ledger.meter_run, ledger.reading, ledger.price_block TO wattledger_analyst;
GRANT SELECT ON ledger.settlement, ledger.statement, ledger.statement_life TO wattledger_analyst;
GRANT SELECT ON ledger.position TO wattledger_analyst;

CREATE POLICY analyst ON ledger.registered FOR SELECT TO wattledger_analyst
USING (book = (SELECT analyst.whole_book()) AND kind IN ('party', 'site', 'meter', 'contract', 'tariff'));
CREATE POLICY analyst ON ledger.meter_run FOR SELECT TO wattledger_analyst
USING (book = (SELECT analyst.whole_book()));
CREATE POLICY analyst ON ledger.price_block FOR SELECT TO wattledger_analyst
USING (book = (SELECT analyst.whole_book()));
CREATE POLICY analyst ON ledger.settlement FOR SELECT TO wattledger_analyst
USING (book = (SELECT analyst.whole_book()));
CREATE POLICY analyst ON ledger.statement FOR SELECT TO wattledger_analyst
USING (
    book = (SELECT analyst.book())
    AND ((SELECT analyst.party()) IS NULL OR party = (SELECT analyst.party()))
);
CREATE POLICY analyst ON ledger.statement_life FOR SELECT TO wattledger_analyst
USING (
    book = (SELECT analyst.book())
    AND ((SELECT analyst.party()) IS NULL OR party = (SELECT analyst.party()))
);
CREATE POLICY analyst ON ledger.position FOR SELECT TO wattledger_analyst
USING (book = (SELECT analyst.book()));

CREATE VIEW analyst.statement WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.month,
    one.contract,
    one.party,
    one.run,
    one.document ->> 'run_kind' AS run_kind,
    one.run = max(one.run) OVER (PARTITION BY one.book, one.contract, one.month, one.party) AS is_latest,
    one.document ->> 'currency' AS currency,
    analyst.money((one.document #>> '{entitlement,minor}')::numeric, one.document ->> 'currency') AS entitlement,
    analyst.money((one.document #>> '{held,minor}')::numeric, one.document ->> 'currency') AS held,
    analyst.money((one.document #>> '{payable,minor}')::numeric, one.document ->> 'currency') AS payable,
    analyst.money((one.document #>> '{delta,minor}')::numeric, one.document ->> 'currency') AS delta,
    analyst.money((one.document #>> '{pool,minor}')::numeric, one.document ->> 'currency') AS pool,
    one.document ->> 'title' AS title,
    one.document ->> 'outputs_digest' AS outputs_digest,
    one.sequence
FROM ledger.statement AS one;

CREATE VIEW analyst.statement_line WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.month,
    one.contract,
    one.party,
    one.run,
    one.run = max(one.run) OVER (PARTITION BY one.book, one.contract, one.month, one.party) AS is_latest,
    (line.document ->> 'number')::integer AS line,
    line.document ->> 'kind' AS kind,
    line.document ->> 'code' AS code,
    line.document ->> 'clause' AS rule,
    line.document ->> 'site' AS site,
    (line.document ->> 'pooled')::boolean AS pooled,
    nullif(line.document ->> 'quantity', '') AS quantity,
    nullif(line.document ->> 'unit', '') AS unit,
    nullif(line.document ->> 'price', '') AS price,
    line.document ->> 'exact' AS exact,
    line.document ->> 'rounding' AS rounding,
    analyst.money((line.document #>> '{amount,minor}')::numeric, line.document #>> '{amount,currency}') AS amount,
    line.document #>> '{amount,currency}' AS currency,
    nullif(line.document ->> 'note', '') AS note,
    nullif(line.document ->> 'estimated', '') AS estimated
FROM (
    SELECT
        book,
        party,
        contract,
        month,
        run,
        document -> 'lines' AS lines
    FROM ledger.statement
) AS one
CROSS JOIN LATERAL jsonb_array_elements(one.lines) AS line (document);

CREATE VIEW analyst.statement_term WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.month,
    one.contract,
    one.party,
    one.run,
    (line.document ->> 'number')::integer AS line,
    term.number::integer AS term,
    term.document ->> 'label' AS label,
    term.document ->> 'quantity' AS quantity,
    term.document ->> 'unit' AS unit,
    term.document ->> 'price' AS price,
    term.document ->> 'exact' AS exact
FROM ledger.statement AS one
CROSS JOIN LATERAL jsonb_array_elements(one.document -> 'lines') AS line (document)
CROSS JOIN LATERAL jsonb_array_elements(line.document -> 'basis') WITH ORDINALITY AS term (document, number);

CREATE VIEW analyst.statement_status WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.month,
    one.contract,
    one.party,
    one.run,
    one.document ->> 'status' AS status,
    analyst.money((one.document #>> '{amount,minor}')::numeric, one.document #>> '{amount,currency}') AS amount,
    one.document #>> '{amount,currency}' AS currency,
    (one.document ->> 'issued_on')::date AS issued_on,
    (one.document ->> 'due_on')::date AS due_on,
    (
        SELECT count(*) FROM jsonb_array_elements(one.document -> 'disputes') AS dispute (document)
        WHERE dispute.document ->> 'status' IN ('open', 'upheld')
    ) AS disputes_open,
    one.from_seq AS sequence
FROM ledger.statement_life AS one
WHERE one.to_seq IS NULL;

CREATE VIEW analyst.settlement_run WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.month,
    one.contract,
    one.run,
    one.run_kind,
    one.run = max(one.run) OVER (PARTITION BY one.book, one.contract, one.month) AS is_latest,
    one.causes,
    analyst.money((one.result #>> '{pool,minor}')::numeric, one.result ->> 'currency') AS pool,
    one.result ->> 'currency' AS currency,
    one.result ->> 'rules_version' AS rules_version,
    one.position AS read_at,
    one.sequence,
    one.inputs_digest,
    one.outputs_digest
FROM ledger.settlement AS one;

CREATE VIEW analyst.bill WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.month,
    one.contract,
    one.run,
    bill.document ->> 'site' AS site,
    one.result ->> 'currency' AS currency,
    analyst.money((bill.document #>> '{without_storage,minor}')::numeric, one.result ->> 'currency')
        AS without_storage,
    analyst.money((bill.document #>> '{with_storage,minor}')::numeric, one.result ->> 'currency') AS with_storage
FROM ledger.settlement AS one
CROSS JOIN LATERAL jsonb_array_elements(one.result -> 'bills') AS bill (document);

CREATE VIEW analyst.reading WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.meter,
    one.register,
    one.start,
    one.interval_s,
    one.wh,
    one.quality,
    one.is_current,
    one.sequence
FROM ledger.reading AS one;

CREATE VIEW analyst.price WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.market,
    one.node,
    one.product,
    one.start + (item.number - 1) * one.interval_s * interval '1 second' AS start,
    one.interval_s,
    analyst.price(item.mantissa, one.scale) AS price_per_kwh,
    one.currency,
    row_number() OVER (
        PARTITION BY
            one.book, one.market, one.node, one.product,
            one.start + (item.number - 1) * one.interval_s * interval '1 second'
        ORDER BY one.sequence DESC
    ) = 1 AS is_current,
    one.sequence
FROM ledger.price_block AS one
CROSS JOIN LATERAL unnest(one.mantissas) WITH ORDINALITY AS item (mantissa, number);

CREATE VIEW analyst.site WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.id,
    one.version,
    one.effective_from,
    one.effective_to,
    one.document ->> 'name' AS name,
    one.document ->> 'zone' AS zone,
    (one.document ->> 'storage_energy_wh')::bigint AS storage_energy_wh,
    (one.document ->> 'storage_power_w')::bigint AS storage_power_w,
    one.document ->> 'tariff' AS tariff,
    one.from_seq AS sequence
FROM ledger.registered AS one
WHERE one.kind = 'site';

CREATE VIEW analyst.meter WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.id,
    one.version,
    one.effective_from,
    one.effective_to,
    one.document ->> 'site' AS site,
    one.document ->> 'position' AS stands_at,
    (one.document ->> 'interval_s')::integer AS interval_s,
    (one.document ->> 'power_w_max')::bigint AS power_w_max,
    one.from_seq AS sequence
FROM ledger.registered AS one
WHERE one.kind = 'meter';

CREATE VIEW analyst.contract WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.id,
    one.version,
    one.effective_from,
    one.effective_to,
    one.document ->> 'title' AS title,
    one.document ->> 'model' AS model,
    one.document ->> 'currency' AS currency,
    one.document AS terms,
    one.from_seq AS sequence
FROM ledger.registered AS one
WHERE one.kind = 'contract';

CREATE VIEW analyst.party_name WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.id,
    one.version,
    one.document ->> 'name' AS name,
    one.from_seq AS sequence
FROM ledger.registered AS one
WHERE one.kind = 'party';

CREATE VIEW analyst.projected_to WITH (security_invoker = true, security_barrier = true) AS
SELECT
    one.projection,
    one.sequence
FROM ledger.position AS one;

GRANT SELECT ON
analyst.statement, analyst.statement_line, analyst.statement_term, analyst.statement_status,
analyst.settlement_run, analyst.bill, analyst.reading, analyst.price, analyst.site, analyst.meter,
analyst.contract, analyst.party_name, analyst.projected_to
TO wattledger_analyst;

-- migrate:down
DROP SCHEMA analyst CASCADE;
DROP OWNED BY wattledger_analyst;
