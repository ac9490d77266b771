"""Real-time energy of a market that clears the whole position: bids and awards are what changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from operator import mul
from pathlib import Path
from typing import Final

import msgspec
import pytest

from adapters.desk.unit_results import unit_positions
from adapters.gateway.file_exchange import FileExchange
from adapters.gateway.file_profile import file_profile
from adapters.settling import lowest_position
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY_AHEAD, MW, ROOT, UNIT, bid, flat, market, submitted
from tests.adapters.desk.test_file_trading import Files
from tests.adapters.desk.trading_floor import TOKEN, Floor, Market, local, on_the_floor
from trading.clearing import ClearingState
from trading.moment import DayMoment
from trading.product import Product
from trading.published_market import PublishMarket

REAL_TIME: Final = msgspec.structs.replace(
    DAY_AHEAD,
    id="real_time",
    title="Real-time energy",
    stage="real_time",
    gate_closes=DayMoment(days_before=1, at="22:30"),
    published=DayMoment(days_before=-1, at="10:00"),
    position_with="day_ahead",
)
HALF: Final = MW // 2
CHANGES: Final = {8: HALF, 20: -HALF, 40: HALF, 72: HALF, 76: -HALF}
"""Charges less, charges and discharges where nothing was sold, discharges more, and less."""


@pytest.fixture
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """Its clock goes past the delivery day: one for each test."""
    running = Market(tmp_path_factory.mktemp("market"))
    yield running
    running.end()


def later_bid(floor: Floor) -> str:
    """A bid for real time that the market takes in full at whatever price of the day, in both directions."""
    changes = [CHANGES.get(number, 0) for number in range(96)]
    curves = tuple(
        () if not change else flat(min(change, 0), max(change, 0), 1_400_000 if change < 0 else 100_000)
        for change in changes
    )
    name = f"rt{floor.day:%d}"
    one = bid(name, day=floor.day, product="real_time", curves=curves, schedule_w=tuple(changes))
    submitted(floor.desk, one)
    return name


def awarded(floor: Floor, name: str) -> dict[int, int]:
    standing = floor.desk.state(name).standing
    assert standing is not None
    return {number: power for number, power in enumerate(standing.awarded_w) if power}


def earned(floor: Floor, name: str) -> int:
    """What the desk's awards are worth at the prices that it recorded, in W x millionths a kWh."""
    total = 0
    for one in (floor.bid.id, name):
        standing = floor.desk.state(one).standing
        assert standing is not None
        found = floor.desk.door.state(f"clearing.{standing.clearing}")
        assert isinstance(found, ClearingState)
        total += sum(map(mul, standing.awarded_w, found.latest.price_u))
    return total


def two_settlements(floor: Floor) -> int:
    """The same by the operator's own results: day-ahead award at its price, the rest of the position at the
    real-time price."""
    told: list[list[tuple[int, int]]] = []
    for product in ("day_ahead", "real_time"):
        answer = floor.market.client.get(
            f"/results/{product}/{floor.day}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        rows = answer.json()["result"]["intervals"]
        told.append([(row["award_w"], row["price_micro_per_kwh"]) for row in rows])
    return sum(
        ahead * price + (whole - ahead) * later for (ahead, price), (whole, later) in zip(*told, strict=True)
    )


@pytest.mark.parametrize("way", ["http", "files"])
def test_a_real_time_award_is_what_changes_of_the_day_ahead_one(
    bench: Bench, operator: Market, tmp_path: Path, way: str
) -> None:
    profile = file_profile((ROOT / "examples/gateways/reference_files.toml").read_bytes())
    files = FileExchange(profile, operator.drop, tmp_path) if way == "files" else None
    with ExitStack() as closing:
        floor = closing.enter_context(on_the_floor(bench, operator, files))
        known = PublishMarket(sample.FROM_2026, market(DAY_AHEAD, REAL_TIME))
        bench.door.execute(known, command_id="both", actor="anna")
        box = Files(floor, operator.drop, tmp_path)
        name = later_bid(floor)
        [line, *_] = [one for one in floor.turn() if name in one]
        assert "blocked" in line
        assert "not_published" in line, "the day-ahead award is not known yet"
        if files:
            box.acknowledged(1)
            floor.turn()
        floor.set_clock(local(floor.day, -1, 17, 31))
        if files:
            box.result(1)
        assert "cleared (run 1)" in " ".join(floor.turns(2))
        assert floor.standing.awarded_w == floor.bid.schedule_w
        floor.turn()
        if files:
            box.wait_for(f"ack/offer_real_time_{floor.day}_r1.*.ack.csv")
        floor.turn()
        standing = floor.desk.state(name).standing
        assert standing is not None
        assert standing.status == "acknowledged", standing.reason
        floor.set_clock(local(floor.day, 1, 10, 1))
        if files:
            box.wait_for(f"out/result_real_time_{floor.day}_run1.csv")
        said = " ".join(floor.turns(2))
        assert f"real_time_{floor.day}: cleared (run 1)" in said, said
        assert awarded(floor, name) == CHANGES
        with bench.database.reading(bench.book) as connection:
            at = lowest_position(connection)
            [day] = unit_positions(connection, bench.book, at, UNIT, floor.day, floor.day)
        assert floor.bid.schedule_w is not None
        whole = [power + CHANGES.get(n, 0) for n, power in enumerate(floor.bid.schedule_w)]
        assert [int(one.awarded_wh or "") * 4 for one in day.positions] == whole
        assert earned(floor, name) == two_settlements(floor)


def test_what_a_market_clears_with_real_time_is_day_ahead_energy() -> None:
    other: Product = msgspec.structs.replace(DAY_AHEAD, stage="intraday")
    hours: Product = msgspec.structs.replace(DAY_AHEAD, interval_s=3600)
    for products in ((REAL_TIME,), (other, REAL_TIME), (hours, REAL_TIME)):
        with pytest.raises(Refused) as refused:
            market(*products)
        assert (refused.value.code, refused.value.place[-13:]) == ("not_allowed", "position_with")
