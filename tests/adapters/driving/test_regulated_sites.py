"""A portfolio of two sites that both offer regulation, one of which is lost: the other takes its share over,
and goes on with its own band."""

from __future__ import annotations

import asyncio

import pytest

from adapters.driving.device_state import millis
from adapters.driving.regulating import AgcSignal, Followed
from adapters.driving.role import DrivingRole
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import KW, DriverBook, grid_meter, now, storage

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))


def stands(role: DrivingRole, name: str, power_w: int, band_w: int) -> bool:
    standing = None if role.fleet is None else role.fleet.storages[name].executor.standing
    if standing is None or not standing.confirmed:
        return False
    return (standing.setpoint.setpoint_w, standing.setpoint.band_w) == (power_w, band_w)


@pytest.mark.fault
def test_who_takes_a_lost_share_over_follows_the_signal_around_it(book: DriverBook) -> None:
    with peer("bess_swapped", *METER, "--count", "2") as running:
        a, b = (storage(name, port) for name, port in zip("ab", running.ports, strict=True))
        grids = [grid_meter(port, number) for port, number in zip(running.ports, ("", "2"), strict=True)]
        book.furnish((a,))
        book.second_site("b")
        book.commission(b)
        book.plan_unit(40 * KW, S1=50 * KW, S2=60 * KW)

        async def driven() -> None:
            async with book.driving(a, b, *grids) as role:
                await book.until(lambda: stands(role, "a", 50 * KW, 40 * KW), 30)
                await book.until(lambda: stands(role, "b", 60 * KW, 40 * KW), 30)
                fleet = role.fleet
                assert fleet is not None
                assert fleet.regulation.follow(signal(500_000)) == Followed(2)
                await book.until(lambda: running.truth(0)["power_w"] == 70 * KW)
                running.ask(do="fault", storage=1, fault={"kind": "black_hole"})
                await book.until(lambda: stands(role, "a", 110 * KW, 40 * KW), 20)
                # The signal is of a moment ago still: it is followed around what a gives now.
                again = fleet.regulation.follow(signal(500_000))
                assert again.devices == 1
                assert again.why == "", "40 of the 80 kW that were sold are a's: a gives what both are asked"
                await book.until(lambda: running.truth(0)["power_w"] == 150 * KW)
                start = millis(now()) - millis(now()) % 3_600_000
                asked = {}
                for name in ("S1", "S2"):
                    instructions, _ = fleet.regulation.traces[name].hour("agc", "agc", start)
                    asked[name] = [one.target_w for one in instructions]
                assert asked["S1"][0] == 70 * KW
                assert asked["S1"][-1] == 150 * KW, "both plans, and both sites' part of the signal"
                assert set(asked["S2"]) == {80 * KW}, "what was planned and sold is asked of it all the same"
                much = fleet.regulation.follow(signal(1_000_000))
                assert much.devices == 1
                assert much.why.startswith(
                    "signal_short: 40000 W of the 80000 W asked for are given by nobody"
                )

                wrong = "regulation at S2: 40000 W of the 40000 W band"
                await book.until(lambda: any(wrong in line for line in book.said))

        asyncio.run(driven())
    assert not any("regulation at S1" in line for line in book.said), book.said


def signal(ppm: int) -> AgcSignal:
    return AgcSignal(portfolio="vpp", signal_ppm=ppm, rule="agc", product="agc", at=now())
