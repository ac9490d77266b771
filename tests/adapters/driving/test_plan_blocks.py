"""A plan whose regulation is by the market's hours is driven by its quarter-hours; one that cannot be carried
out is named, and its site falls back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np

from adapters.driving.plans import Plans
from adapters.driving.role import DrivingRole
from adapters.front_door import Wish
from dispatch.plan_check import PlannedSite
from dispatch.planning.plan_record import NumberedPlan, PlanHead, commands_of, plan_aggregate
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import KW, DriverBook, grid_meter, now, storage

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
STEP = timedelta(minutes=15)
BEFORE = 6
"""So many intervals of the plan are over."""


def planned(book: DriverBook, begins: tuple[int, ...], *blocks_w: int) -> datetime:
    """24 quarter-hours at 50 kW, the seventh being now; answers when it begins."""
    quarter = datetime.fromtimestamp(int(now().timestamp()) // 900 * 900, UTC)
    start, count = quarter - BEFORE * STEP, 24
    day = (quarter + timedelta(hours=8)).date()
    whole, band = np.full(count, 50 * KW), np.array(blocks_w, dtype=np.int64)
    head = PlanHead(
        portfolio="S1", day=day, start=start, interval_s=900, count=count, trigger="asked",
        inputs=f"{blocks_w}", basis="hold", reason="", objective="cost", objective_micro=None,
        bound_micro=None, gap_ppm=None, solver_ms=0, regulation_w=blocks_w, regulation_from=begins,
    )  # fmt: skip
    site = PlannedSite(
        id="S1", setpoint_w=whole, stored_wh=whole, curtailed_w=whole * 0, spot_w=whole * 0,
        regulation_w=band, response_w=band[:0],
    )  # fmt: skip
    held = book.stack.door.state(plan_aggregate("S1", day))
    number = held.number + 1 if isinstance(held, NumberedPlan) else 1
    wishes = [Wish(command, f"blocks-{blocks_w}") for command in commands_of(head, number, (site,))]
    book.stack.door.execute_all(wishes, actor="planner")
    return start


def test_each_quarter_hour_has_the_band_of_its_block(book: DriverBook) -> None:
    book.furnish(())
    start = planned(book, (0, 2, 22), 10 * KW, 40 * KW, 20 * KW)
    plans = Plans(book.stack.database, book.bench.book, frozenset({"S1"}))
    book.stack.caught_up()
    plans.refresh(now())
    bands = [plans.of("S1", start + number * STEP) for number in range(24)]
    assert [one.regulation_w for one in bands if one is not None] == [
        *[10 * KW] * 2, *[40 * KW] * 20, *[20 * KW] * 2,
    ]  # fmt: skip


def test_a_driver_follows_hourly_blocks_and_outlives_a_plan_that_cannot_be_carried_out(
    book: DriverBook,
) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        planned(book, (0, 1), 10 * KW, 40 * KW)

        def band(role: DrivingRole) -> int | None:
            standing = role.fleet.storages["a"].executor.standing if role.fleet else None
            return standing.setpoint.band_w if standing is not None and standing.confirmed else None

        def why(role: DrivingRole) -> str:
            turned = role.fleet.turned if role.fleet else None
            return "" if turned is None else turned.told[0].why

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await book.until(lambda: band(role) == 40 * KW)
                # Five blocks of 24 intervals are no market's.
                await asyncio.to_thread(planned, book, (), *(30 * KW,) * 5)
                await book.until(lambda: any("plan_shape" in line for line in book.said))
                await book.until(lambda: why(role) == "nothing_planned")
                named = next(line for line in book.said if "plan_shape" in line)
                assert "S1" in named
                assert "5 blocks" in named

                await asyncio.to_thread(planned, book, (0, 1), 10 * KW, 20 * KW)
                await book.until(lambda: band(role) == 20 * KW)

        asyncio.run(driven())
