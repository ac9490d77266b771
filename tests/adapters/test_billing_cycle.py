"""An account whose billing cycle begins on the 25th, from readings to its statement's lines."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from adapters.settling import Settled, settle_month
from ledger.contract import Contract
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.interval import Interval, Month
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.published_tariff import PublishTariff
from ledger.readings import run_of
from ledger.refusal import Refused
from ledger.settlement.settle import check_line
from ledger.signed_contract import RegisterContract
from ledger.site import MarketPoint, RegisterSite, Site
from ledger.streams.spot import SpotClearing
from ledger.tariff import prices_of_month
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_market_settling import (
    MONTH,
    OWN_ACCOUNT,
    instruction,
    invitation,
    policy,
    rule,
    spot_prices,
    told,
)
from tests.adapters.test_settling import CONTRACT
from tests.ledger.test_billing_cycle import TARIFF

ZONE = "Asia/Shanghai"
JULY, AUGUST = Month(2026, 7), Month(2026, 8)
START = datetime(2026, 7, 24, 16, tzinfo=UTC)
"""25 July, local midnight: readings cover the cycle's 31 days and the rest of August."""
CYCLE, WHOLE = 31 * 96, 38 * 96
Wh = npt.NDArray[np.int64]


def record(bench: Bench, meter: str, register: str, values: Wh, name: str) -> None:
    """Store values from START on, cut at the UTC months."""
    cut = int((datetime(2026, 8, 1, tzinfo=UTC) - START).total_seconds()) // 900
    for start, part in ((START, values[:cut]), (START + timedelta(seconds=900) * cut, values[cut:])):
        run = run_of(meter, register, start, 900, part, "A")
        command = RecordReadings(meter, f"{start:%Y-%m}", "test", (run,))
        bench.door.execute(command, command_id=f"{name}-{start:%Y-%m}", actor="gateway")


def does(bench: Bench, *commands: Any) -> None:
    for command in commands:
        name = f"{type(command).__name__}-{bench.recorder.max_notification_id()}"
        bench.door.execute(command, command_id=name, actor="ada")
    bench.project()


def filled(bench: Bench, *contracts: Contract) -> tuple[Wh, Wh, Wh]:
    account = Account(id="A-S1", zone=ZONE, parts="two_part", demand=ActualDemand(), anchor_day=25)
    does(
        bench,
        sample.found_book(),
        PublishTariff(TARIFF),
        RegisterSite(sample.FROM_2026, Site("S1", "Plant", ZONE, 500_000, 250_000, TARIFF.id, account)),
        *(sample.register_party(party) for party in CONTRACT.party_ids),
        *(
            RegisterMeter(sample.FROM_2026, Meter(name, "S1", place, registers, 900, watts, ZONE))  # type: ignore[arg-type]
            for name, place, registers, watts in (
                ("S1-STORAGE", "storage", ("charge", "discharge"), 250_000),
                ("S1-LOAD", "load", ("load",), 2_000_000),
            )
        ),
        *(RegisterContract(contract) for contract in contracts or (CONTRACT,)),
    )
    hour = np.arange(WHOLE) % 96 // 4
    load = np.random.default_rng(5).integers(80_000, 200_000, WHOLE)
    load[3 * 96 + 40], load[35 * 96] = 300_000, 400_000
    charge, discharge = np.where(hour == 2, 20_000, 0), np.where(hour == 10, 18_000, 0)
    for meter, register, values in (
        ("S1-LOAD", "load", load),
        ("S1-STORAGE", "charge", charge),
        ("S1-STORAGE", "discharge", discharge),
    ):
        record(bench, meter, register, values, register)
    bench.project()
    return load, charge, discharge


def settle(bench: Bench, month: Month = AUGUST, *, through: date | None = None) -> list[Settled]:
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        return settle_month(bench.door, bench.database, month, actor="finance", through=through).runs
    finally:
        projector.stop()
        thread.join()


def mantissas() -> list[int]:
    """The price of each interval of the cycle: July's last seven days, then August's first 24."""
    july, august = (prices_of_month(TARIFF, month, 900).mantissa.tolist() for month in (JULY, AUGUST))
    return [*july[24 * 96 :], *august[: 24 * 96]]


def test_the_cycle_that_ends_in_the_month_is_settled(bench: Bench) -> None:
    load, charge, discharge = filled(bench)
    (settled,) = settle(bench)
    lines = {line.code: line for line in settled.result.lines if line.kind == "stream"}
    for line in lines.values():
        check_line(line)
        assert line.note.startswith("billing cycle 2026-07-25 to 2026-08-24")
    scale = prices_of_month(TARIFF, AUGUST, 900).scale
    moved = (discharge - charge)[:CYCLE].tolist()
    expected = sum(
        Fraction(wh * price, 1000 * 10**scale) for wh, price in zip(moved, mantissas(), strict=True)
    )
    assert Fraction(lines["arbitrage"].exact) == expected
    net = load + charge - discharge
    peaks = [Fraction(int(one[:CYCLE].max()) * 4, 1000) for one in (load, net)]
    assert peaks[0] == 1200, "the peak of 29 August is in the next cycle"
    charges = [round(peak * Fraction("44.8") * 100) for peak in peaks]
    assert lines["demand_charge"].amount.minor == charges[0] - charges[1]
    bill = settled.result.bills[0]
    assert bill.cycle == Interval(START, START + timedelta(days=31))
    assert sum(line.amount.minor for line in lines.values()) == (
        bill.without_storage.minor - bill.with_storage.minor
    )


def test_what_july_still_measured_corrects_august(bench: Bench) -> None:
    _, charge, _ = filled(bench)
    settle(bench)
    charge[5 * 96] += 1_000
    record(bench, "S1-STORAGE", "charge", charge, "revised")
    (revised,) = settle(bench)
    assert (revised.recorded, revised.run) == (True, 2)
    charge[36 * 96] += 1_000
    record(bench, "S1-STORAGE", "charge", charge, "later")
    (same,) = settle(bench)
    assert (same.recorded, same.run) == (False, 2), "30 August belongs to September's cycle"


def test_markets_settle_the_calendar_month_beside_the_cycle(bench: Bench) -> None:
    """An event on 29 August is paid with August, one on 27 July is not, though the cycle holds it."""
    filled(bench)
    late, early = (
        Interval(START + timedelta(days=days, hours=10), START + timedelta(days=days, hours=11))
        for days in (35, 2)
    )
    events = [invitation("late", late, 72_000, "2"), invitation("early", early, 72_000, "2")]
    does(bench, policy(), rule(OWN_ACCOUNT), *told(*events, *(instruction(one) for one in events)))
    (settled,) = settle(bench)
    (paid,) = [line for line in settled.result.lines if line.code == "demand_response"]
    assert paid.amount.exact == 4 * 18 * 2
    assert "billing cycle" not in paid.note


def test_a_contract_that_begins_inside_the_cycle_counts_its_days(bench: Bench) -> None:
    late = msgspec.structs.replace(CONTRACT, effective_from=date(2026, 8, 24))
    _, charge, discharge = filled(bench, late)
    (settled,) = settle(bench)
    (line,) = [one for one in settled.result.lines if one.code == "arbitrage"]
    moved = {
        name: sum(int(term.quantity) for term in line.basis if term.label.startswith(name))
        for name in ("charged", "discharged")
    }
    assert moved == {"charged": charge[:96].sum(), "discharged": discharge[:96].sum()}, "one day, the 24th"


def test_a_next_version_settles_the_whole_cycle_of_its_first_month(bench: Bench) -> None:
    """From 1 August the second version holds; 25 to 31 July are in August's bill and lost to nobody."""
    _, charge, _ = filled(bench, CONTRACT)
    amended = msgspec.structs.replace(CONTRACT, title="Amended", effective_from=date(2026, 8, 1))
    does(bench, RegisterContract(amended))
    (settled,) = settle(bench)
    (line,) = [one for one in settled.result.lines if one.code == "arbitrage"]
    charged = sum(int(term.quantity) for term in line.basis if term.label.startswith("charged"))
    assert (settled.result.title, charged) == ("Amended", charge[:CYCLE].sum())


def test_a_contract_ends_where_a_cycle_does(bench: Bench) -> None:
    ending = msgspec.structs.replace(CONTRACT, effective_to=date(2026, 8, 28))
    filled(bench, ending)
    with pytest.raises(Refused, match=r"ends on 2026-08-28, .* let it end on 2026-08-25") as caught:
        settle(bench)
    assert (caught.value.code, caught.value.place) == ("cycle_tail", "contract eaas-s1")


def test_two_contracts_share_the_cycles_without_gap(bench: Bench) -> None:
    """The first takes August's whole cycle, the second begins with September's and has nothing yet."""
    first = msgspec.structs.replace(CONTRACT, effective_to=date(2026, 8, 25))
    second = msgspec.structs.replace(CONTRACT, id="second", effective_from=date(2026, 8, 25))
    _, charge, discharge = filled(bench, first, second)
    found = {settled.result.contract: settled.result for settled in settle(bench)}
    energy = {
        name: [
            sum(int(term.quantity) for term in line.basis)
            for line in result.lines
            if line.code == "arbitrage"
        ]
        for name, result in found.items()
    }
    assert energy == {"eaas-s1": [charge[:CYCLE].sum() + discharge[:CYCLE].sum()], "second": [0]}


def test_a_provisional_run_reads_the_cycle_up_to_its_day(bench: Bench) -> None:
    _, charge, _ = filled(bench)
    (settled,) = settle(bench, through=date(2026, 8, 3))
    (line,) = [one for one in settled.result.lines if one.code == "arbitrage"]
    charged = sum(int(term.quantity) for term in line.basis if term.label.startswith("charged"))
    assert charged == charge[: 10 * 96].sum(), "25 July to 3 August"
    (whole,) = settle(bench, through=date(2026, 8, 30))
    (line,) = [one for one in whole.result.lines if one.code == "arbitrage"]
    assert sum(int(t.quantity) for t in line.basis if t.label.startswith("charged")) == charge[:CYCLE].sum()


def test_a_spot_month_cannot_replace_the_price_of_another_cycle(bench: Bench) -> None:
    filled(bench)
    account = Account(id="A-S1", zone=ZONE, parts="two_part", demand=ActualDemand(), anchor_day=25)
    point = MarketPoint("shandong", "n1")
    site = Site("S1", "Plant", ZONE, 500_000, 250_000, TARIFF.id, account, market_point=point)
    nothing = (0,) * 744
    clearing = SpotClearing(
        id="s1", site="S1", rule="spot_shandong_hourly", run="d1", interval=MONTH,
        injected_wh=nothing, withdrawn_wh=nothing,
    )  # fmt: skip
    does(
        bench,
        policy(),
        RegisterSite(sample.FROM_2026, site),
        rule("spot_shandong_hourly", charging_bears="nothing"),
        *spot_prices("day_ahead", 300_000),
        *spot_prices("real_time", 400_000),
        *told(clearing),
    )
    with pytest.raises(Refused, match="billed from day 25") as caught:
        settle(bench)
    assert (caught.value.code, caught.value.place) == ("spot_cycle", "site S1")
