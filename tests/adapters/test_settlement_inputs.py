"""A month that cannot be settled is refused, and the refusal names the place."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import numpy as np
import pytest

from adapters.settling import settle_month
from ledger.contract import Contract
from ledger.effective import Period
from ledger.interval import Interval, Month
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import ImportOpened, OpenImport
from ledger.refusal import Refused
from ledger.signed_contract import ContractRegistered, RegisterContract
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import CONTRACT, START, filled, founded, record, settle


def register(bench: Bench, contract: Contract) -> None:
    bench.door.execute(RegisterContract(contract), command_id=f"late-{contract.id}", actor="ada")


class Unchecked(RegisterContract, frozen=True):
    """What a book of before the check may hold."""

    def decide(self, _: object, __: object) -> tuple[ContractRegistered]:
        return (ContractRegistered(self.contract),)


def refusal(bench: Bench) -> Refused:
    """What settling August refuses with; nothing may have been recorded."""
    before = bench.recorder.max_notification_id()
    with pytest.raises(Refused) as caught:
        settle(bench)
    assert bench.recorder.max_notification_id() == before
    return caught.value


def test_an_open_import_blocks_its_month(bench: Bench) -> None:
    filled(bench)
    opened = ImportOpened(
        "0" * 64, "late.csv", "csv_long", ("S1-LOAD",), Interval(START, START + timedelta(hours=1)), 1, 4, "0"
    )
    bench.door.execute(OpenImport("late", opened), command_id="open", actor="ops")
    refused = refusal(bench)
    assert (refused.code, "late.csv" in refused.reason) == ("open_import", True)


def test_two_contracts_on_one_site_at_once_are_refused(bench: Bench) -> None:
    filled(bench)
    register(bench, msgspec.structs.replace(CONTRACT, id="another", effective_from=date(2026, 8, 20)))
    refused = refusal(bench)
    assert (refused.code, refused.place) == ("contract_overlap", "site S1")


def test_a_day_between_two_contracts_is_refused(bench: Bench) -> None:
    before = msgspec.structs.replace(CONTRACT, effective_to=date(2026, 8, 10))
    after = msgspec.structs.replace(CONTRACT, id="another", effective_from=date(2026, 8, 12))
    filled(bench, before, after)
    refused = refusal(bench)
    assert (refused.code, refused.place) == ("contract_gap", "site S1")
    assert "from 2026-08-09 16:00Z to 2026-08-11 16:00Z" in refused.reason


def test_a_contract_that_changes_inside_the_month_is_refused(bench: Bench) -> None:
    """Registering such a version is refused today; a book of before may hold one."""
    filled(bench)
    late = msgspec.structs.replace(CONTRACT, effective_from=date(2026, 8, 15))
    with pytest.raises(Refused, match="2026-08-15"):
        register(bench, late)
    bench.door.execute(Unchecked(late), command_id="unchecked", actor="ada")
    assert refusal(bench).code == "contract_change"


def test_a_month_without_contract_is_refused(bench: Bench) -> None:
    founded(bench)
    bench.project()
    with pytest.raises(Refused, match="no contract holds in 2025-12"):
        settle_month(bench.door, bench.database, Month(2025, 12), actor="finance")


def test_grid_and_load_meters_at_one_site_are_refused(bench: Bench) -> None:
    filled(bench)
    meter = Meter("S1-GRID", "S1", "grid", ("import", "export"), 900, 2_000_000, "Asia/Shanghai")
    bench.door.execute(RegisterMeter(sample.FROM_2026, meter), command_id="grid", actor="ada")
    assert refusal(bench).code == "meter_layout"


def test_a_tariff_without_the_month_is_refused(bench: Bench) -> None:
    filled(bench)
    with pytest.raises(Refused) as caught:
        settle_month(bench.door, bench.database, Month(2026, 7), actor="finance")
    assert caught.value.code in {"missing_readings", "tariff_month"}


def test_a_contract_that_begins_inside_the_month_counts_its_days_only(bench: Bench) -> None:
    """Storage outside the contract's days earns nothing under it; fees count by days."""
    last_day = msgspec.structs.replace(CONTRACT, effective_from=date(2026, 8, 31))
    _, charge, discharge = filled(bench, last_day)
    (settled,) = settle(bench)
    lines = {line.code: line for line in settled.result.lines}
    terms = lines["arbitrage"].basis
    moved = {
        label: sum(int(t.quantity) for t in terms if t.label.startswith(label)) for label in ("dis", "cha")
    }
    assert moved == {"dis": discharge[-96:].sum(), "cha": charge[-96:].sum()}
    assert str(lines["base_fee"].amount) == "268.82", "200 x 500 / 12 x 1/31"


def test_a_grid_meter_gives_the_same_money_as_a_load_meter(bench: Bench) -> None:
    """load = import - export + discharge - charge: the same month, metered at the other place."""
    load, charge, discharge = filled(bench)
    (by_load,) = settle(bench)
    other = type(bench)(bench.nats, bench.postgres)
    founded(other)
    gone = Period(sample.FROM_2026.start, START - timedelta(days=1))
    moved = Meter("S1-LOAD", "S1", "load", ("load",), 900, 2_000_000, "Asia/Shanghai")
    other.door.execute(RegisterMeter(gone, moved), command_id="gone", actor="ada")
    elsewhere = msgspec.structs.replace(moved, id="S1-LOAD", position="grid", registers=("import", "export"))
    other.door.execute(
        RegisterMeter(Period(START - timedelta(days=1)), elsewhere), command_id="grid", actor="ada"
    )
    net = load + charge - discharge
    record(other, "S1-LOAD", "import", np.maximum(net, 0), "import")
    record(other, "S1-LOAD", "export", np.maximum(-net, 0), "export")
    record(other, "S1-STORAGE", "charge", charge, "charge")
    record(other, "S1-STORAGE", "discharge", discharge, "discharge")
    (by_grid,) = settle(other)
    assert [line.amount for line in by_grid.result.lines] == [line.amount for line in by_load.result.lines]
    other.close()
