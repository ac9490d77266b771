"""A unit's membership changes while the projection stands still: nothing that it sells twice goes out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.desk.desk import Desk
from ledger.effective import Period
from ledger.refusal import Refused
from ledger.trading_unit import RegisterTradingUnit
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY, MW, approved, bid, flat, furnish, submitted, unit
from trading.bid import Bid
from trading.commitment import UnitDay, aggregate_of

AUGUST = Period(datetime(2026, 8, 1, tzinfo=UTC))


def all_of_it(name: str, owner: str) -> Bid:
    curves = tuple(flat(0, 2 * MW, 500_000) if slot == 72 else () for slot in range(96))
    return bid(name, unit=owner, curves=curves, schedule_w=None)


def moved(bench: Bench, *sites: str) -> None:
    """The second unit has these sites from August on; its projection waits."""
    command = RegisterTradingUnit(AUGUST, unit("drp", sites))
    bench.door.execute(command, command_id=f"moved-{'-'.join(sites)}", actor="anna")


def parts(desk: Desk, name: str) -> set[str]:
    state = desk.door.state(aggregate_of(name, DAY))
    return {one.bid for one in state.commitments} if isinstance(state, UnitDay) else set()


def test_power_that_two_units_sold_unknown_to_each_other_is_not_sent(bench: Bench) -> None:
    desk = furnish(bench, unit("vpp", ("S1", "S2")), unit("drp", ("S3", "S4")))
    submitted(desk, all_of_it("v1", "vpp"))
    moved(bench, "S1", "S2")
    revision = submitted(desk, all_of_it("d1", "drp"))
    assert parts(desk, "vpp") == {"v1"}, "the submission was decided on what was projected"
    bench.project()
    with pytest.raises(Refused) as refused:
        desk.send("d1", revision, command_id="send-d1", actor="gateway")
    assert (refused.value.code, refused.value.place) == ("ties_changed", "unit")
    assert desk.state("d1").status == "submitted"
    revised = approved(desk, all_of_it("d1", "drp"), revision=revision)
    with pytest.raises(Refused) as refused:
        desk.submit("d1", revised, command_id="again", actor="anna")
    assert refused.value.code == "committed"


def test_a_larger_part_in_common_is_not_sent_either(bench: Bench) -> None:
    """One of two sites in common is bound; both are in common by now."""
    desk = furnish(bench, unit("vpp", ("S1", "S2")), unit("drp", ("S1", "S3")))
    revision = submitted(desk, all_of_it("d1", "drp"))
    assert parts(desk, "vpp") == {"d1"}
    moved(bench, "S1", "S2")
    bench.project()
    with pytest.raises(Refused) as refused:
        desk.send("d1", revision, command_id="send-d1", actor="gateway")
    assert refused.value.code == "ties_changed"


def test_what_stays_in_common_is_sent_once(bench: Bench) -> None:
    desk = furnish(bench, unit("vpp", ("S1", "S2")), unit("drp", ("S1", "S3")))
    revision = submitted(desk, all_of_it("d1", "drp"))
    moved(bench, "S3")
    bench.project()
    first = desk.send("d1", revision, command_id="send-d1", actor="gateway")
    moved(bench, "S1", "S2")
    bench.project()
    again = desk.send("d1", revision, command_id="send-d1", actor="gateway")
    assert (again.sequence, again.repeated) == (first.sequence, True)
