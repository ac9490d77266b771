"""Stored PV energy over the month end: what a month closes with opens the next, whoever's contract it is."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from fractions import Fraction

import msgspec
import numpy as np

from adapters.settling import Settled, settle_month
from ledger.contract import Contract
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.interval import Month, zone_of
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.published_tariff import PublishTariff
from ledger.readings import Register, run_of
from ledger.settlement.line import Line
from ledger.settlement.settle import check_line
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from ledger.stored_energy import Stored
from ledger.tariff import prices_of_month
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_corrections import AUGUST, JULY, SEPTEMBER, SUMMER
from tests.adapters.test_settling import CONTRACT

ZONE = "Asia/Shanghai"
NOON, EVENING, DAY = 48, 76, 96
SHARED = msgspec.structs.replace(
    CONTRACT,
    pool_streams=(*CONTRACT.pool_streams, "pv_time_shift"),
    cash_holder={**CONTRACT.cash_holder, "pv_time_shift": "host-s1"},
)
FIRST = msgspec.structs.replace(SHARED, effective_to=date(2026, 8, 1))
SECOND = msgspec.structs.replace(SHARED, id="second", effective_from=date(2026, 8, 1))


def founded(bench: Bench, *contracts: Contract, opening: Stored | None = None) -> Bench:
    account = Account(id="A-S1", zone=ZONE, parts="two_part", demand=ActualDemand())
    site = Site("S1", "Plant", ZONE, 500_000, 250_000, SUMMER.id, account, opening_stock=opening)
    meters = (
        Meter("S1-STORAGE", "S1", "storage", ("charge", "discharge"), 900, 250_000, ZONE),
        Meter("S1-LOAD", "S1", "load", ("load",), 900, 2_000_000, ZONE),
        Meter("S1-PV", "S1", "pv", ("pv",), 900, 2_000_000, ZONE),
    )
    commands = [sample.found_book(), PublishTariff(SUMMER), RegisterSite(sample.FROM_2026, site)]
    commands += [sample.register_party(party) for party in CONTRACT.party_ids]
    commands += [RegisterMeter(sample.FROM_2026, meter) for meter in meters]
    commands += [RegisterContract(contract) for contract in contracts]
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"c{number}", actor="ada")
    return bench


def record(bench: Bench, month: Month, name: str = "first", *, last_evening: int = 0) -> None:
    """Each noon 40 kWh of PV surplus are charged, each evening 36 come out; on the last day `last_evening`
    Wh, and on the first day of a later month 36 more in the morning."""
    interval = month.interval(zone_of(ZONE))
    count = interval.seconds // 900
    charge, discharge, pv = (np.zeros(count, dtype=np.int64) for _ in range(3))
    charge[NOON::DAY], pv[NOON::DAY], discharge[EVENING::DAY] = 40_000, 60_000, 36_000
    discharge[count - DAY + EVENING] = last_evening
    if month != JULY:
        discharge[36] = 36_000
    cut = datetime(interval.end.year, interval.end.month, 1, tzinfo=UTC)
    first = int((cut - interval.start).total_seconds()) // 900
    registers: tuple[tuple[str, Register, np.ndarray], ...] = (
        ("S1-STORAGE", "charge", charge),
        ("S1-STORAGE", "discharge", discharge),
        ("S1-PV", "pv", pv),
        ("S1-LOAD", "load", np.full(count, 10_000)),
    )
    for meter, register, values in registers:
        for start, part in ((interval.start, values[:first]), (cut, values[first:])):
            if len(part):
                run = run_of(meter, register, start, 900, part, "A")
                command = RecordReadings(meter, f"{start:%Y-%m}", name, (run,))
                bench.door.execute(
                    command, command_id=f"{name}:{register}:{month}:{start:%Y-%m}", actor="gateway"
                )


def settle(bench: Bench, *months: Month) -> list[Settled]:
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        return [
            one
            for month in months
            for one in settle_month(bench.door, bench.database, month, actor="finance").runs
        ]
    finally:
        projector.stop()
        thread.join()


def shift(settled: Settled) -> Line:
    for line in settled.result.lines:
        check_line(line)
    return next(line for line in settled.result.lines if line.code == "pv_time_shift")


def worth(month: Month, *moments: int) -> Fraction:
    """36 kWh at the import price of each moment."""
    prices = prices_of_month(SUMMER, month, 900)
    mantissas = sum(int(prices.mantissa[at]) for at in moments)
    return Fraction(36 * mantissas, 10**prices.scale)


def test_a_month_opens_with_what_the_one_before_closed_with(bench: Bench) -> None:
    """36 of July's last 40 kWh come out on August's first morning, and are PV energy there."""
    founded(bench, SHARED)
    record(bench, JULY)
    record(bench, AUGUST, last_evening=36_000)
    july, august = settle(bench, JULY, AUGUST)
    assert (july.result.opened, july.result.stored) == ({}, {"S1": Stored(pv_wh=36_000)})
    assert (august.result.opened, august.result.stored) == ({"S1": Stored(pv_wh=36_000)}, {})
    evenings = [day * DAY + EVENING for day in range(31)]
    assert Fraction(shift(july).exact) == worth(JULY, *evenings[:-1])
    assert Fraction(shift(august).exact) == worth(AUGUST, 36, *evenings)
    assert "no meter tells the state of charge" in shift(august).note
    assert "opened with 36000 Wh from PV and 0 Wh from the grid" in shift(august).note
    named = [august.result.sources[at].aggregate for at in shift(august).sources]
    assert "settlement.eaas-s1_2026-07" in named, "the run that the stock rests on"
    assert "opening_stock" in [one.code for one in july.result.warnings]
    assert "opening_stock" not in [one.code for one in august.result.warnings]


def test_a_stated_opening_is_taken_for_the_first_month_only(bench: Bench) -> None:
    founded(bench, SHARED, opening=Stored(pv_wh=36_000))
    record(bench, AUGUST, last_evening=36_000)
    record(bench, SEPTEMBER)
    august, september = settle(bench, AUGUST, SEPTEMBER)
    assert august.result.opened == {"S1": Stored(pv_wh=36_000)}
    assert "opening_stock" not in [one.code for one in august.result.warnings]
    assert september.result.opened == {}


def test_an_earlier_correction_flows_on_to_whose_contract_the_site_is_now(bench: Bench) -> None:
    """July's last evening discharged after all: August, under another contract, opens with nothing."""
    founded(bench, FIRST, SECOND)
    record(bench, JULY)
    record(bench, AUGUST, last_evening=36_000)
    _, august = settle(bench, JULY, AUGUST)
    assert august.result.opened == {"S1": Stored(pv_wh=36_000)}
    record(bench, JULY, "again", last_evening=36_000)
    chain = settle(bench, JULY)
    assert [(one.result.contract, str(one.result.month), one.run) for one in chain] == [
        ("eaas-s1", "2026-07", 2),
        ("second", "2026-08", 2),
    ]
    assert chain[1].causes == ("earlier_month",)
    assert chain[1].result.opened == {}
    fresh = founded(type(bench)(bench.nats, bench.postgres), FIRST, SECOND)
    record(fresh, JULY, last_evening=36_000)
    record(fresh, AUGUST, last_evening=36_000)
    again = settle(fresh, JULY, AUGUST)
    assert [one.result.payable for one in again] == [one.result.payable for one in chain]
    fresh.close()
