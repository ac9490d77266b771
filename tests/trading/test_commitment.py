"""A unit's day: what may be bound beside what is bound, on days of every length."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import msgspec
import pytest

from adapters.desk.binding import Binding, SiteTies, commitment_of
from ledger.effective import History, Period, extended
from ledger.exclusivity import policy_file
from ledger.exclusivity.policy import Policy
from ledger.refusal import Refused
from ledger.trading_unit import Member, TradingUnit
from tests.adapters.desk.desk_book import DAY, DAY_AHEAD, ENVELOPE, MW, bid, unit
from tests.trading import market_samples
from trading.bid import Bid
from trading.bid_life import Draft, Standing
from trading.commitment import (
    Commit,
    Narrow,
    Release,
    StateDayEnvelope,
    UnitDay,
    aggregate_of,
)
from trading.envelope import DayEnvelope, StateEnvelope, UnitEnvelope
from trading.feasibility import Commitment

EXCLUSIVITY: Final = Path(__file__).parents[2] / "examples/exclusivity"
SINCE: Final = Period(datetime(2026, 1, 1, tzinfo=UTC))
NOON: Final = datetime(2026, 9, 3, 4, tzinfo=UTC)
"""In Shanghai, on `DAY`."""


def rules(**order: str) -> Policy:
    policy = policy_file.parse((EXCLUSIVITY / "rule_based.toml").read_bytes())
    return msgspec.structs.replace(policy, order=msgspec.structs.replace(policy.order, **order))


def facts(policy: Policy | None = None, envelope: UnitEnvelope | None = ENVELOPE) -> dict[str, object]:
    found: dict[str, object] = {
        "trading_unit.vpp": extended(None, SINCE, unit()),
        "exclusivity.rule_based": policy or rules(),
    }
    if envelope is not None:
        found["envelope.vpp"] = extended(None, SINCE, envelope)
    return found


def held(name: str, stream: str, up_w: int, slots: int = 96, **changes: object) -> Commitment:
    terms: dict[str, object] = {
        "bid": name,
        "product": f"p-{name}",
        "stream": stream,
        "up_w": (up_w,) + (0,) * (slots - 1),
        "down_w": (0,) * slots,
        "held_s": 0,
    }
    return Commitment(**(terms | changes))  # type: ignore[arg-type]


def code_of(one: Commitment, state: UnitDay | None, others: dict[str, object], day: date = DAY) -> str:
    try:
        Commit("vpp", day, "rule_based", one).decide(state, others)
    except Refused as refused:
        return refused.code
    return ""


@pytest.mark.parametrize("deciding", ["arrival", "precedence"])
def test_who_stands_keeps_whatever_the_matrix_prefers(deciding: str) -> None:
    """By precedence regulation goes before spot; a spot bid at the market is not taken back by it."""
    stands = UnitDay(commitments=(held("s", "spot", 2 * MW),))
    assert code_of(held("r", "ancillary", MW), stands, facts(rules(bid=deciding))) == "committed"
    assert code_of(held("r", "demand_response", 1), stands, facts(rules(bid=deciding))) == "exclusive_stream"


def test_a_unit_without_an_envelope_offers_nothing() -> None:
    assert code_of(held("s", "spot", 1), None, facts(envelope=None)) == "envelope_missing"
    assert code_of(held("s", "spot", 1, of="drp"), None, facts(envelope=None)) == ""
    later = facts() | {"envelope.vpp": extended(None, Period(NOON), ENVELOPE)}
    assert code_of(held("s", "spot", 1), None, later) == "envelope_missing"


def test_a_days_own_envelope_takes_the_place_of_the_standing_one() -> None:
    own = DayEnvelope(limits=ENVELOPE, discharge_w=(MW,) * 96)
    (stated,) = StateDayEnvelope("vpp", DAY, own).decide(None, facts())
    state = stated.apply(None)
    assert code_of(held("s", "spot", MW), state, facts()) == ""
    assert code_of(held("s", "spot", MW + 1), state, facts()) == "power"


@pytest.mark.parametrize("profile", [(MW,) * 95, (MW,) * 97, (-1, *(MW,) * 95), (2 * MW + 1, *(MW,) * 95)])
def test_an_envelope_that_cannot_be_is_refused(profile: tuple[int, ...]) -> None:
    with pytest.raises(Refused) as refused:
        StateDayEnvelope("vpp", DAY, DayEnvelope(limits=ENVELOPE, charge_w=profile)).decide(None, facts())
    assert refused.value.code == "envelope"


def test_an_envelope_is_within_what_the_members_were_registered_with() -> None:
    with pytest.raises(Refused, match="members can do 2000000 W") as refused:
        large = msgspec.structs.replace(ENVELOPE, charge_w=2 * MW + 1)
        StateEnvelope("vpp", SINCE, large).decide(None, facts())
    assert refused.value.code == "envelope"


def test_one_bid_stands_for_a_product_and_day() -> None:
    stands = UnitDay(commitments=(held("s", "spot", 1, product="day_ahead"),))
    again = held("s", "spot", 2, product="day_ahead")
    other = held("t", "spot", 2, product="day_ahead")
    from_elsewhere = held("t", "spot", 2, product="day_ahead", of="drp")
    assert code_of(again, stands, facts()) == ""
    assert code_of(other, stands, facts()) == "bid_second"
    assert code_of(from_elsewhere, stands, facts()) == ""


@pytest.mark.parametrize(("day", "slots"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100)])
def test_days_of_the_clock_change_have_their_quarter_hours(day: date, slots: int) -> None:
    berlin = msgspec.structs.replace(unit(), zone="Europe/Berlin")
    others = facts() | {"trading_unit.vpp": extended(None, SINCE, berlin)}
    hourly = market_samples.product(interval_s=3600, quantity_min_w=0)
    curves = (((0, 2 * MW, 0),),) * (slots // 4)
    one = commitment_of(market_samples.bid(curves, schedule_w=(0,) * (slots // 4)), hourly)
    (made,) = Commit("vpp", day, "rule_based", one).decide(None, others)
    state = made.apply(None)
    last = msgspec.structs.replace(held("x", "ancillary", 0, slots), up_w=(*(0,) * (slots - 1), 1))
    with pytest.raises(Refused) as refused:
        Commit("vpp", day, "rule_based", last).decide(state, others)
    assert refused.value.code == "committed"
    assert f"{day}T" in str(refused.value)


def test_what_is_released_is_free_and_what_is_narrowed_binds_less() -> None:
    stands = UnitDay(commitments=(held("s", "spot", 2 * MW), held("c", "capacity", MW)))
    (narrowed,) = Narrow("vpp", DAY, (held("s", "spot", MW),)).decide(stands, {})
    less = narrowed.apply(stands)
    assert code_of(held("r", "ancillary", MW), less, facts()) == ""
    assert code_of(held("r", "ancillary", MW + 1), less, facts()) == "committed"
    (released,) = Release("vpp", DAY, "s").decide(less, {})
    assert [one.bid for one in released.apply(less).commitments] == ["c"]


# ------------------------------------------------------------------------------ shared sites


def ties(**units: History[TradingUnit]) -> SiteTies:
    return SiteTies(units, {})


def known(
    name: str, sites: tuple[str, ...], since: Period = SINCE, **changes: object
) -> History[TradingUnit]:
    return extended(None, since, msgspec.structs.replace(unit(name, sites), **changes))


def test_a_unit_that_begins_within_the_day_shares_its_sites() -> None:
    vpp, drp = known("vpp", ("S1", "S2")), known("drp", ("S1", "S3"), Period(NOON))
    found = ties(vpp=vpp, drp=drp)
    assert found.others("vpp", bid()) == {"drp": (MW, 2 * MW)}
    assert found.others("drp", bid(unit="drp")) == {"vpp": (MW, 2 * MW)}


def test_a_site_that_leaves_within_the_day_is_shared() -> None:
    leaves = (Member(site="S1", capability_w=MW, until=NOON), Member(site="S3", capability_w=MW))
    drp = known("drp", ("S1", "S3"), members=leaves)
    assert ties(vpp=known("vpp", ("S1", "S2")), drp=drp).others("vpp", bid()) == {"drp": (MW, 2 * MW)}
    gone = (Member(site="S1", capability_w=MW, until=datetime(2026, 9, 2, 16, tzinfo=UTC)), leaves[1])
    drp = known("drp", ("S1", "S3"), members=gone)
    assert ties(vpp=known("vpp", ("S1", "S2")), drp=drp).others("vpp", bid()) == {}


def test_what_changes_in_another_unit_within_the_day_hinders_nobody() -> None:
    """A unit that ends at noon, and one whose operator changes then, have nothing to do with these sites."""
    ends = known("ends", ("S8",), Period(SINCE.start, NOON))
    changes = extended(
        known("chg", ("S9",)), Period(NOON), msgspec.structs.replace(unit("chg"), operator="o2")
    )
    found = ties(vpp=known("vpp", ("S1",)), ends=ends, chg=changes)
    assert found.others("vpp", bid()) == {"chg": (MW, MW)}, "its second version has S1"
    assert found.others("ends", bid(unit="ends")) == {}


def test_a_part_that_is_shared_no_more_binds_nothing() -> None:
    """An award comes after the other unit let the site go: its day is not bound to the whole of it."""
    binding = Binding(ties(vpp=known("vpp", ("S1", "S2")), drp=known("drp", ("S3",))))
    one = bid()
    standing = _standing(one, ("vpp", "drp"))
    wishes = binding.narrow([(standing, commitment_of(one, DAY_AHEAD))], "c")
    by_name = {wish.command.aggregate: wish.command for wish in wishes}
    other = by_name[aggregate_of("drp", DAY)]
    assert isinstance(other, Narrow)
    assert {*other.commitments[0].up_w, *other.commitments[0].down_w} == {0}


def _standing(one: Bid, units: tuple[str, ...]) -> Standing:
    draft = Draft(1, one, "anna", NOON, "")
    return Standing(draft, "anna", NOON, NOON, NOON, 2, (), units)
