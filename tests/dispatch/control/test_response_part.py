"""A response is shared by the ratings of all storages on record: no two drivers give the same part."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.control.emergency import Emergencies, Emergency, EmergencyKind, EmergencyOrder, Scope
from dispatch.control.response_part import Rated, ResponsePart, response_parts, with_parts
from tests.dispatch.control.pure_book import KW, START

BOOK = Scope("book")
A, B, C = (Rated(name, site, 250 * KW) for name, site in (("a", "S1"), ("b", "S2"), ("c", "S2")))


def stand(
    number: int,
    kind: EmergencyKind,
    power_w: int | None = None,
    scope: Scope = BOOK,
    minutes: int | None = None,
) -> Emergency:
    until = None if minutes is None else START + timedelta(minutes=minutes)
    order = EmergencyOrder(kind=kind, scope=scope, power_w=power_w, until=until)
    return Emergency(number, order, "anna", "why", START)


def test_each_driver_gives_its_devices_part_and_no_more() -> None:
    state = Emergencies(1, (stand(1, "respond_now", 150 * KW),))
    assert response_parts(state, (A,), (B, C), START) == {1: ResponsePart(150 * KW, 50 * KW)}
    assert response_parts(state, (B, C), (A,), START) == {1: ResponsePart(150 * KW, 100 * KW)}
    assert response_parts(state, (A, B, C), (), START) == {1: ResponsePart(150 * KW, 150 * KW)}
    cut = with_parts(state, response_parts(state, (A,), (B, C), START))
    assert [one.order.power_w for one in cut.open] == [50 * KW]
    charge = Emergencies(1, (stand(1, "respond_now", -90 * KW),))
    assert response_parts(charge, (A,), (B, C), START)[1].own_w == -30 * KW


def test_what_nobody_drives_is_given_by_nobody() -> None:
    state = Emergencies(1, (stand(1, "respond_now", 150 * KW),))
    idle = Rated("c", "S2", 250 * KW, driven=False)
    found = response_parts(state, (A,), (B, idle), START)[1]
    assert found == ResponsePart(150 * KW, 50 * KW, 50 * KW, ("c",))


def test_only_those_that_are_under_it_share_it() -> None:
    here = stand(1, "respond_now", 90 * KW, Scope("site", ("S1",)))
    state = Emergencies(1, (here,))
    assert response_parts(state, (A,), (B, C), START)[1].own_w == 90 * KW
    assert response_parts(state, (B,), (A,), START)[1].own_w == 0
    assert response_parts(state, (B,), (C,), START) == {}
    stopped = Emergencies(
        2, (stand(1, "respond_now", 90 * KW), stand(2, "stop_all", None, Scope("device", ("c",))))
    )
    assert response_parts(stopped, (A,), (B, C), START)[1].own_w == 45 * KW
    over = Emergencies(1, (stand(1, "respond_now", 90 * KW, minutes=5),))
    assert response_parts(over, (A,), (B,), START + timedelta(minutes=5)) == {}


@given(
    power_w=st.integers(-(10**6), 10**6),
    ratings=st.lists(st.integers(1, 10**6), min_size=1, max_size=8),
    drivers=st.lists(st.integers(0, 2), min_size=8, max_size=8),
)
@settings(derandomize=True, max_examples=100, deadline=None, database=None)
def test_the_parts_of_all_drivers_are_the_whole(power_w: int, ratings: list[int], drivers: list[int]) -> None:
    devices = [Rated(f"d{n}", "S1", rating) for n, rating in enumerate(ratings)]
    state = Emergencies(1, (stand(1, "respond_now", power_w),))
    total = 0
    for driver in range(3):
        own = [one for one, of in zip(devices, drivers, strict=False) if of == driver]
        others = [one for one in devices if one not in own]
        if own:
            total += response_parts(state, own, others, START)[1].own_w
    assert total == power_w
