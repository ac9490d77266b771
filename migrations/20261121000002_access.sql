-- migrate:up
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'wattledger_projector') THEN
        CREATE ROLE wattledger_projector NOLOGIN BYPASSRLS; -- COPY is refused under row security
    END IF;
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'wattledger_staff') THEN
        CREATE ROLE wattledger_staff NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'wattledger_partner') THEN
        CREATE ROLE wattledger_partner NOLOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA ledger TO wattledger_projector, wattledger_staff, wattledger_partner;

-- Facts are added, never changed: only what a later fact closes (to_seq) and positions are updated.
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA ledger TO wattledger_projector;
GRANT UPDATE (to_seq) ON ledger.registered, ledger.meter_import TO wattledger_projector;
GRANT UPDATE (sequence, hash) ON ledger.position TO wattledger_projector;

GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO wattledger_staff;
GRANT SELECT ON ledger.statement, ledger.position TO wattledger_partner;

ALTER TABLE ledger.envelope ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.registered ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.meter_run ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.meter_import ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.price_block ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.settlement ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.statement ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.position ENABLE ROW LEVEL SECURITY;
ALTER VIEW ledger.reading SET (security_invoker = true);


-- Staff see one book at a time; unset means nothing.
CREATE POLICY staff ON ledger.envelope FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));
CREATE POLICY staff ON ledger.registered FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));
CREATE POLICY staff ON ledger.meter_run FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));
CREATE POLICY staff ON ledger.meter_import FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));
CREATE POLICY staff ON ledger.price_block FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));
CREATE POLICY staff ON ledger.settlement FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));
CREATE POLICY staff ON ledger.statement FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));
CREATE POLICY staff ON ledger.position FOR SELECT TO wattledger_staff
USING (book = current_setting('app.book', true));

-- A partner sees its own lines, and nothing that is not a line.
CREATE POLICY partner ON ledger.statement FOR SELECT TO wattledger_partner
USING (book = current_setting('app.book', true) AND party = current_setting('app.party', true));
CREATE POLICY partner ON ledger.position FOR SELECT TO wattledger_partner
USING (book = current_setting('app.book', true));

-- migrate:down
DROP OWNED BY wattledger_projector, wattledger_staff, wattledger_partner;
