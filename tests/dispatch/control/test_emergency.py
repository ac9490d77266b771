"""Emergencies come before plans: who ordered what, for whom, and what each device is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.control.emergency import (
    AGGREGATE,
    Emergencies,
    Emergency,
    EmergencyKind,
    EmergencyOrder,
    EndEmergency,
    OrderEmergency,
    Scope,
)
from dispatch.control.emergency_setpoint import Governed, Wished, govern
from dispatch.control.site_load import PowerRange
from ledger.refusal import Refused
from tests.dispatch.control.pure_book import DEVICE, START, PureBook

BOOK = Scope("book")


def order(
    kind: EmergencyKind, scope: Scope = BOOK, power_w: int | None = None, **until: Any
) -> EmergencyOrder:
    return EmergencyOrder(kind=kind, scope=scope, power_w=power_w, **until)


def standing(book: PureBook, device: str = DEVICE, site: str = "S1") -> list[int]:
    state = book.states[AGGREGATE]
    assert isinstance(state, Emergencies)
    return [one.number for one in state.standing(device, site, book.now)]


def test_orders_stand_until_they_end_the_strongest_first() -> None:
    book = PureBook()
    book.states["site.S2"] = book.states["site.S1"]
    soon = START + timedelta(minutes=5)
    book.do(OrderEmergency(order("respond_now", BOOK, 500, until=soon), "anna", "call"))
    book.do(OrderEmergency(order("hold"), "anna", "look"))
    book.do(OrderEmergency(order("stop_all", Scope("device", (DEVICE,))), "anna", "smoke"))
    book.do(OrderEmergency(order("limit_export", Scope("site", ("S1", "S2")), 0), "anna", "grid"))
    assert standing(book) == [3, 4, 2, 1]
    assert standing(book, "other", "S2") == [4, 2, 1]
    assert standing(book, "other", "S3") == [2, 1]
    book.wait(300)
    assert standing(book) == [3, 4, 2], "its time is over"
    assert book.refused(EndEmergency(3, "anna", "over")) == "four_eyes"
    book.do(EndEmergency(3, "bert", "over"))
    book.do(EndEmergency(2, "anna", "over"))
    assert standing(book) == [4]
    assert book.refused(EndEmergency(3, "bert", "over")) == "unknown_emergency"
    assert book.do(OrderEmergency(order("hold"), "anna", "again")).number == 5, "a number is given once"


def test_what_is_no_order() -> None:
    for make, code in (
        (lambda: order("limit_export"), "emergency_power"),
        (lambda: order("stop_all", BOOK, 0), "emergency_power"),
        (lambda: order("limit_export", BOOK, -1), "emergency_power"),
        (lambda: order("stop_all", until=START), "emergency_until"),
        (lambda: Scope("book", ("S1",)), "emergency_scope"),
        (lambda: Scope("site"), "emergency_scope"),
        (lambda: order("panic"), "not_allowed"),  # type: ignore[arg-type]
    ):
        with pytest.raises(Refused) as refused:
            make()  # type: ignore[no-untyped-call]
        assert refused.value.code == code
    book = PureBook()
    assert book.refused(OrderEmergency(order("hold"), "anna", " ")) == "reason"
    assert book.refused(OrderEmergency(order("hold", until=START), "anna", "late")) == "emergency_until"


def test_an_order_names_only_what_is_registered() -> None:
    book = PureBook()
    for scope, code, named in (
        (Scope("device", (DEVICE, "ghost", "A11")), "unknown_device", "ghost, A11"),
        (Scope("site", ("S1", "S9")), "unknown_site", "S9"),
        (Scope("site", (DEVICE,)), "unknown_site", DEVICE),
    ):
        for each in (order("stop_all", scope), order("respond_now", scope, 1000)):
            with pytest.raises(Refused) as refused:
                book.do(OrderEmergency(each, "anna", "smoke"))
            assert (refused.value.code, refused.value.place) == (code, "scope.names")
            assert f": {named};" in refused.value.reason
    assert AGGREGATE not in book.states
    assert book.do(OrderEmergency(order("stop_all", Scope("device", (DEVICE, DEVICE))), "anna", "smoke"))


def test_the_same_again_is_the_one_that_stands_unless_something_differs() -> None:
    book = PureBook()
    book.states["site.S2"] = book.states["site.S1"]
    soon = START + timedelta(minutes=5)
    stop = order("stop_all", Scope("site", ("S1", "S2")))
    respond = order("respond_now", BOOK, 500, until=soon)
    assert book.do(OrderEmergency(stop, "anna", "smoke")).number == 1
    assert book.do(OrderEmergency(respond, "anna", "call")).number == 2
    with pytest.raises(Refused, match="emergency 1 stands, ordered at") as refused:
        book.do(OrderEmergency(order("stop_all", Scope("site", ("S2", "S1", "S2"))), "anna", "smoke"))
    assert (refused.value.code, refused.value.place) == ("exists", "kind")
    assert book.refused(OrderEmergency(respond, "anna", "call")) == "exists"
    others = [
        OrderEmergency(stop, "bert", "smoke"),
        OrderEmergency(stop, "anna", "fire"),
        OrderEmergency(order("stop_all", Scope("site", ("S1",))), "anna", "smoke"),
        OrderEmergency(order("hold", Scope("site", ("S1", "S2"))), "anna", "smoke"),
        OrderEmergency(order("respond_now", BOOK, 600, until=soon), "anna", "call"),
        OrderEmergency(order("respond_now", BOOK, 500), "anna", "call"),
    ]
    assert [book.do(one).number for one in others] == [3, 4, 5, 6, 7, 8]
    book.do(EndEmergency(1, "bert", "over"))
    assert book.do(OrderEmergency(stop, "anna", "smoke")).number == 9, "the one that stood is over"
    book.wait(300)
    later = order("respond_now", BOOK, 500, until=book.now + timedelta(minutes=5))
    assert book.do(OrderEmergency(later, "anna", "call")).number == 10


def stand(number: int, kind: EmergencyKind, power_w: int | None = None) -> Emergency:
    return Emergency(number, order(kind, BOOK, power_w), "anna", "why", START)


STOP, HOLD, RESPOND = stand(1, "stop_all"), stand(2, "hold"), stand(3, "respond_now", 900)


def wished(name: str, wish_w: int, *emergencies: Emergency, **changes: Any) -> Wished:
    fields = {"standing_w": 40, "power_w": 40, "response_w": 90}
    return Wished(device=name, wish_w=wish_w, emergencies=emergencies, **(fields | changes))


def test_the_strongest_decides() -> None:
    def told(*emergencies: Emergency, **changes: Any) -> Governed:
        return govern([wished("a", 70, *emergencies, **changes)], PowerRange(140, 140))[0]

    assert told() == Governed("a", 70)
    assert told(RESPOND) == Governed("a", 90, (3,))
    assert told(HOLD, RESPOND) == Governed("a", 40, (2,))
    assert told(STOP, HOLD, RESPOND) == Governed("a", 0, (1,))
    assert told(HOLD, standing_w=None).setpoint_w == 0
    assert told(RESPOND, response_w=None).setpoint_w == 0


def test_an_export_limit_is_shared_by_what_is_discharged() -> None:
    """The site uses 100 W of its own. 50 + 250 wished is 200 W over."""
    limit, load = stand(4, "limit_export", 0), PowerRange(100, 120)
    told = govern([wished("a", 50, limit), wished("b", 250, limit)], load)
    assert [one.setpoint_w for one in told] == [17, 83]
    assert sum(one.setpoint_w for one in told) == 100
    assert told[0].by == (4,)
    told = govern([wished("a", 50, limit), wished("b", 50, limit)], load)
    assert [one.setpoint_w for one in told] == [50, 50]
    unknown = govern([wished("a", 50, limit), wished("b", -70, limit)], None)
    assert [one.setpoint_w for one in unknown] == [0, -70], "nobody could say what leaves the site"


@given(
    wishes=st.lists(st.integers(-500, 500), min_size=1, max_size=5),
    load_w=st.none() | st.integers(-500, 1700),
    most=st.integers(0, 300),
    stopped=st.sets(st.integers(0, 4)),
)
@settings(derandomize=True, max_examples=100, deadline=None, database=None)
def test_no_more_leaves_than_is_allowed_as_far_as_devices_can_help_it(
    wishes: list[int], load_w: int | None, most: int, stopped: set[int]
) -> None:
    limit = stand(4, "limit_export", most)
    devices = [
        wished(str(n), wish, *((STOP, limit) if n in stopped else (limit,))) for n, wish in enumerate(wishes)
    ]
    told = govern(devices, None if load_w is None else PowerRange(load_w, load_w + 70))
    for n, (wish, one) in enumerate(zip(wishes, told, strict=True)):
        wish = 0 if n in stopped else wish
        assert min(wish, 0) <= one.setpoint_w <= max(wish, 0)
        assert one.setpoint_w == wish or wish > 0
        assert bool(one.by) == (n in stopped or one.setpoint_w != wish)
    if load_w is not None:
        leaves = sum(one.setpoint_w for one in told) - load_w
        wished_leaves = sum(0 if n in stopped else w for n, w in enumerate(wishes)) - load_w
        helpless = all(one.setpoint_w <= 0 for one in told)
        assert leaves <= most or helpless
        assert leaves == wished_leaves or leaves >= most, "no more is cut than is needed"
