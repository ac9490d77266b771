"""A site with two supply feeders, from its meters' readings to its statement line."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from ledger.demand import ActualDemand, ContractDemand
from ledger.effective import Period
from ledger.grid_account import Account, Feeder
from ledger.meter import Meter, RegisterMeter
from ledger.published_tariff import PublishTariff
from ledger.refusal import Refused
from ledger.settlement.settle import check_line
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import CONTRACT, TARIFF, record, settle

ZONE = "Asia/Shanghai"
FEEDERS = (
    Feeder(id="A", demand=ActualDemand()),
    Feeder(id="B", demand=ContractDemand(contract_w=100_000, floor_percent=0)),
)
ACCOUNT = Account(id="A-S1", zone=ZONE, parts="two_part", feeders=FEEDERS)
SITE = Site("S1", "Plant", ZONE, 500_000, 250_000, TARIFF.id, ACCOUNT)


def grid(name: str, feeder: str | None) -> Meter:
    return Meter(f"S1-{name}", "S1", "grid", ("import", "export"), 900, 2_000_000, ZONE, feeder)


def storage(feeder: str | None) -> Meter:
    return Meter("S1-STORAGE", "S1", "storage", ("charge", "discharge"), 900, 250_000, ZONE, feeder)


def does(bench: Bench, *commands: Any) -> None:
    for command in commands:
        name = f"{type(command).__name__}-{bench.recorder.max_notification_id()}"
        bench.door.execute(command, command_id=name, actor="ada")


def founded(bench: Bench, *meters: Meter) -> None:
    does(bench, sample.found_book(), PublishTariff(TARIFF), RegisterSite(sample.FROM_2026, SITE))
    does(bench, *(sample.register_party(party) for party in CONTRACT.party_ids))
    does(bench, *(RegisterMeter(sample.FROM_2026, meter) for meter in meters))
    does(bench, RegisterContract(CONTRACT))


def test_each_feeder_is_charged_by_its_own_meter(bench: Bench) -> None:
    """The storage stands on B: 120 kW without it, 100 kW with it, of a contract of 100 kW (rule B).

    Without: 105 + 2 x (120 - 105) = 135 kW; with: 100 kW; 35 x 44.8 = 1568.00. A's 150 kW cancel.
    """
    founded(bench, grid("A", "A"), grid("B", "B"), storage("B"))
    a, b = np.full(2976, 10_000), np.full(2976, 5_000)
    charge, discharge = np.zeros(2976, dtype=np.int64), np.zeros(2976, dtype=np.int64)
    a[40], b[80], charge[0], discharge[80] = 37_500, 25_000, 5_500, 5_000
    b[0] += 5_500
    for name, profile in (("A", a), ("B", b)):
        record(bench, f"S1-{name}", "import", profile, f"import-{name}")
        record(bench, f"S1-{name}", "export", np.zeros(2976, dtype=np.int64), f"export-{name}")
    record(bench, "S1-STORAGE", "charge", charge, "charge")
    record(bench, "S1-STORAGE", "discharge", discharge, "discharge")
    bench.project()
    (settled,) = settle(bench)
    lines = {line.code: line for line in settled.result.lines if line.kind == "stream"}
    for line in lines.values():
        check_line(line)
    assert str(lines["demand_charge"].amount) == "1568.00"
    assert (
        "feeder B: maximum demand 120.0 kW without storage, 100.0 kW with it" in lines["demand_charge"].note
    )
    bill = settled.result.bills[0]
    amounts = {item.part: str(item.amount) for item in bill.items_without if item.item == "demand"}
    assert amounts == {"A": "6720.00", "B": "6048.00"}
    streams = sum(line.amount.minor for line in lines.values())
    assert streams == bill.without_storage.minor - bill.with_storage.minor


@pytest.mark.parametrize(
    ("meters", "code"),
    [
        ((grid("A", "A"), storage("A")), "feeder_meter"),
        ((grid("A", "A"), grid("B", "B"), storage(None)), "feeder_missing"),
        ((grid("A", "A"), grid("B", None), storage("A")), "feeder_missing"),
    ],
)
def test_a_layout_that_does_not_tell_the_feeders_is_refused(
    bench: Bench, meters: tuple[Meter, ...], code: str
) -> None:
    founded(bench, *meters)
    bench.project()
    with pytest.raises(Refused) as caught:
        settle(bench)
    assert (caught.value.code, caught.value.place) == (code, "site S1")


def test_a_meter_on_a_feeder_that_the_account_lost_is_refused(bench: Bench) -> None:
    """Registering names a feeder of any version; the month's own version decides when it is settled."""
    founded(bench, grid("A", "A"), grid("B", "B"), storage("B"))
    with pytest.raises(Refused) as caught:
        does(bench, RegisterMeter(sample.FROM_2026, msgspec.structs.replace(storage("C"), id="X")))
    assert (caught.value.code, caught.value.place) == ("unknown_feeder", "meter.feeder")
    single = Account(id="A-S1", zone=ZONE, parts="two_part", demand=ActualDemand())
    does(bench, RegisterSite(Period(sample.FROM_2026.start), msgspec.structs.replace(SITE, account=single)))
    bench.project()
    with pytest.raises(Refused, match="the account has none: the account has one supply") as settled:
        settle(bench)
    assert settled.value.code == "unknown_feeder"
