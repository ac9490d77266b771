"""What a person says is gone is free until the market says otherwise; then it stands, with its conflict."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import CLOSES, MW, bid, submitted
from tests.adapters.desk.pure_desk import PureDesk, furnished
from tests.adapters.desk.trading_floor import Floor, Market, local, on_the_floor
from tests.trading.test_bid_life import (
    SMALL,
    acknowledge,
    bound,
    cleared,
    code_of,
    offer,
    refuse,
    send,
    standing,
    used,
)
from trading.market_answer import AcknowledgeBid, ClearBid


def at_market(powers: dict[int, int]) -> PureDesk:
    desk = furnished()
    send(desk, offer(desk, powers))
    acknowledge(desk, 1)
    return desk


def given_back(desk: PureDesk, revision: int = 1, *, by_hand: bool = True) -> None:
    desk.ask_withdrawal("b1", "wrong day", command_id=f"w{revision}", actor="anna")
    desk.withdraw("b1", revision, "gone", command_id=f"g{revision}", actor="anna", by_hand=by_hand)


def award(desk: PureDesk, powers: dict[int, int], *, revision: int | None = None, run: str = "1") -> None:
    clearing = cleared(powers, revision=revision, run=run)
    desk.record_clearing(clearing, command_id=f"c{run}", actor="gateway")


def sold_elsewhere(desk: PureDesk, power_w: int = 2 * MW) -> None:
    """drp sells power of the site that it has in common with vpp, half of its own."""
    submitted(desk, bid("d1", unit="drp", schedule=SMALL | {72: power_w}))


def test_an_award_of_what_a_person_said_is_gone_is_recorded_with_its_conflict() -> None:
    desk = at_market({72: 2 * MW})
    given_back(desk)
    assert (standing(desk).status, bound(desk, 72), used(desk)) == ("withdrawn", 0, 0)
    sold_elsewhere(desk)
    of_d1 = used(desk)
    award(desk, {72: 2 * MW})
    found = standing(desk)
    assert (found.status, found.awarded_w[72], found.by_hand) == ("cleared", 2 * MW, False)
    assert found.conflict is not None
    assert (found.conflict.up_w[72], found.conflict.beside) == (MW, ("d1",))
    assert (bound(desk, 72), bound(desk, 72, "d1", "drp")) == (2 * MW, 2 * MW)
    assert used(desk) == of_d1 + 500_000, "its part of the limit is counted again"
    award(desk, {72: 0}, run="2")
    assert standing(desk).conflict is None, "a correction ends it"


def test_what_a_person_said_was_refused_is_awarded_all_the_same() -> None:
    desk = furnished()
    send(desk, offer(desk, {72: 2 * MW}))
    desk.refuse("b1", 1, "asked by telephone", command_id="no", actor="anna", by_hand=True)
    sold_elsewhere(desk)
    award(desk, {72: 2 * MW}, revision=1)
    found = standing(desk)
    assert (found.status, found.conflict is not None, bound(desk, 72)) == ("cleared", True, 2 * MW)


def test_what_the_market_itself_gave_back_is_not_awarded() -> None:
    desk = at_market({72: MW})
    given_back(desk, by_hand=False)
    assert code_of(lambda: award(desk, {72: MW})) == "award_without_bid"
    keeps = AcknowledgeBid("b1", 1, "R1", keeps=True)
    assert code_of(lambda: desk.acknowledge(keeps, command_id="k", actor="gateway")) == "bid_status"
    assert (standing(desk).status, bound(desk, 72)) == ("withdrawn", 0)


def test_what_was_never_sent_is_not_awarded() -> None:
    desk = furnished()
    offer(desk, {72: MW})
    given_back(desk)
    assert code_of(lambda: award(desk, {72: MW})) == "award_without_bid"


@pytest.mark.parametrize("named", [True, False])
def test_a_clearing_that_awards_it_nothing_leaves_it_withdrawn(named: bool) -> None:
    desk = at_market({72: MW})
    given_back(desk)
    clearing = cleared({}) if named else structs.replace(cleared({}), awards=())
    desk.record_clearing(clearing, command_id="c", actor="gateway")
    assert (standing(desk).status, used(desk)) == ("withdrawn", 0)


def test_all_revisions_that_the_market_may_have_are_gone_by_hand() -> None:
    """The second was never sent: a later award can be of the first only."""
    desk = at_market({72: 2 * MW})
    offer(desk, {72: MW})
    given_back(desk, 2)
    assert (bound(desk, 72), used(desk)) == (0, 0)
    assert code_of(lambda: award(desk, {72: MW}, revision=2)) == "award_without_bid"
    award(desk, {72: 2 * MW}, revision=1)
    assert (standing(desk).draft.revision, bound(desk, 72), used(desk)) == (1, 2 * MW, 500_000)


def test_an_award_of_what_a_person_said_is_gone_behind_a_newer_revision_is_recorded() -> None:
    """The market clears the first revision, and the second was never sent, or stands as well."""
    desk = at_market({72: 2 * MW})
    given_back(desk)
    sold_elsewhere(desk)
    offer(desk, {73: MW})
    of_others = used(desk) - 250_000
    award(desk, {72: 2 * MW}, revision=1)
    found = standing(desk)
    assert (found.draft.revision, found.status, found.by_hand) == (1, "cleared", False)
    assert found.conflict is not None
    assert (found.conflict.up_w[72], found.conflict.beside) == (MW, ("d1",))
    assert (bound(desk, 72), bound(desk, 73), used(desk)) == (2 * MW, 0, of_others + 500_000)
    award(desk, {72: 0}, run="2")
    assert (standing(desk).conflict, bound(desk, 72)) == (None, 0), "a correction ends it"


def test_a_newer_revision_that_a_person_said_was_refused_is_awarded_all_the_same() -> None:
    desk = at_market({72: MW})
    send(desk, offer(desk, {73: 2 * MW}))
    desk.refuse("b1", 2, "asked by telephone", command_id="no", actor="anna", by_hand=True)
    assert (standing(desk).draft.revision, bound(desk, 73)) == (1, 0)
    submitted(desk, bid("d1", unit="drp", schedule=SMALL | {73: 2 * MW}))
    award(desk, {73: 2 * MW}, revision=2)
    found = standing(desk)
    assert (found.draft.revision, found.status, bound(desk, 72)) == (2, "cleared", 0)
    assert found.conflict is not None
    assert (found.conflict.up_w[73], found.conflict.beside) == (MW, ("d1",))


def test_an_award_of_a_revision_that_was_never_made_is_of_nothing_that_stands() -> None:
    desk = at_market({72: MW})
    assert code_of(lambda: award(desk, {72: MW}, revision=9)) == "award_without_bid"
    assert code_of(lambda: award(desk, {}, revision=9)) == "award_without_bid"


def test_what_a_person_said_was_not_sent_and_wants_back_is_awarded() -> None:
    desk = furnished()
    send(desk, offer(desk, {72: MW}))
    desk.note_unsent("b1", 1, "not on the screen", command_id="u", actor="anna")
    desk.ask_withdrawal("b1", "wrong day", command_id="w", actor="anna")
    award(desk, {72: MW})
    assert (standing(desk).status, bound(desk, 72)) == ("cleared", MW)


def test_an_award_of_no_named_revision_is_of_what_stands() -> None:
    desk = at_market({72: 2 * MW})
    given_back(desk)
    send(desk, offer(desk, {73: MW}))
    award(desk, {73: MW})
    assert (standing(desk).draft.revision, standing(desk).awarded_w[73]) == (2, MW)


def test_nothing_awarded_to_what_a_person_said_is_gone_is_nothing_for_what_stands() -> None:
    desk = at_market({72: 2 * MW})
    given_back(desk)
    send(desk, offer(desk, {73: MW}))
    award(desk, {}, revision=1)
    found = standing(desk)
    assert (found.draft.revision, found.status, bound(desk, 73)) == (2, "cleared", 0)


def test_each_revision_that_a_person_said_is_gone_may_be_awarded_and_no_other() -> None:
    desk = at_market({72: MW})
    given_back(desk)
    send(desk, offer(desk, {73: MW}))
    given_back(desk, 2)
    send(desk, offer(desk, {74: MW}))
    refuse(desk, 3)
    before = dict(desk.pure.states)
    assert code_of(lambda: award(desk, {74: MW}, revision=3)) == "award_without_bid", "the market's own word"
    assert code_of(lambda: award(desk, {73: MW}, revision=1)) == "award_beyond_bid"
    assert desk.pure.states == before
    award(desk, {72: MW}, revision=1)
    assert (standing(desk).draft.revision, bound(desk, 72)) == (1, MW)


def test_what_a_person_said_was_not_sent_and_expired_is_awarded_all_the_same() -> None:
    desk = furnished()
    send(desk, offer(desk, {72: 2 * MW}))
    desk.note_unsent("b1", 1, "not on the screen", command_id="u", actor="anna")
    desk.pure.now = CLOSES
    desk.expire("b1", 1, "too late", command_id="x", actor="gateway")
    assert (standing(desk).status, bound(desk, 72), used(desk)) == ("expired", 0, 0)
    award(desk, {72: 2 * MW})
    assert (standing(desk).status, bound(desk, 72), used(desk)) == ("cleared", 2 * MW, 500_000)


def test_what_the_market_itself_did_not_have_and_expired_is_not_awarded() -> None:
    desk = furnished()
    send(desk, offer(desk, {72: MW}))
    desk.note_unsent("b1", 1, "asked", command_id="u", actor="gateway", by_hand=False)
    desk.pure.now = CLOSES
    desk.expire("b1", 1, "too late", command_id="x", actor="gateway")
    assert code_of(lambda: award(desk, {72: MW})) == "award_without_bid"


def test_the_markets_answer_that_it_keeps_the_bid_is_not_lost() -> None:
    """A person said it was given back, while the gateway heard that it is not."""
    desk = at_market({72: 2 * MW})
    given_back(desk)
    sold_elsewhere(desk)
    by_hand = AcknowledgeBid("b1", 1, "R1")
    assert code_of(lambda: desk.acknowledge(by_hand, command_id="p", actor="anna")) == "bid_status"
    keeps = AcknowledgeBid("b1", 1, "R1", keeps=True)
    desk.acknowledge(keeps, command_id="k", actor="gateway")
    found = standing(desk)
    assert (found.status, found.by_hand, bound(desk, 72)) == ("acknowledged", False, 2 * MW)
    assert found.conflict is not None
    assert found.conflict.up_w[72] == MW


def test_a_late_answer_to_its_sending_lets_the_gateway_ask_it_back() -> None:
    desk = furnished()
    send(desk, offer(desk, {72: MW}))
    given_back(desk)
    acknowledge(desk, 1)
    assert (standing(desk).status, bound(desk, 72)) == ("withdrawing", MW)
    desk.withdraw("b1", 1, "given back", command_id="gw", actor="gateway")
    assert (standing(desk).status, standing(desk).by_hand, bound(desk, 72)) == ("withdrawn", False, 0)


def test_what_ends_while_an_award_is_saved_is_decided_again() -> None:
    """Its limits would not be counted, nor its conflict looked for."""
    desk = at_market({72: MW})
    found = ClearBid("b1", "c", "1", cleared({72: MW}).awards[0].power_w, 1)
    assert found.decide(desk.bids()["b1"], {})
    given_back(desk)
    assert code_of(lambda: found.decide(desk.bids()["b1"], {})) == "conflict"
    assert structs.replace(found, returns=True).decide(desk.bids()["b1"], {})


HALVES = st.integers(0, 4).map(lambda half: half * MW // 2)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(HALVES, HALVES, st.booleans())
def test_bound_is_what_the_unit_has_or_a_conflict_on_record(
    awarded_w: int, elsewhere_w: int, refused: bool
) -> None:
    """What is awarded and what drp sold of the 1 MW in common is 2 MW at most, or short on record."""
    desk = furnished()
    send(desk, offer(desk, {72: 2 * MW}))
    if refused:
        desk.refuse("b1", 1, "no", command_id="no", actor="anna", by_hand=True)
    else:
        given_back(desk)
    if elsewhere_w:
        sold_elsewhere(desk, elsewhere_w)
    award(desk, {72: awarded_w})
    found = standing(desk)
    assert (found.status == "cleared") == (awarded_w > 0)
    assert bound(desk, 72) == awarded_w
    over = max(awarded_w + elsewhere_w // 2 - 2 * MW, awarded_w // 2 + elsewhere_w - 2 * MW, 0)
    short = 0 if found.conflict is None else found.conflict.up_w[72]
    assert short == (over if awarded_w else 0)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    running = Market(tmp_path_factory.mktemp("market"))
    yield running
    running.end()


@pytest.fixture
def floor(bench: Bench, market: Market) -> Iterator[Floor]:
    with on_the_floor(bench, market) as made:
        yield made


def test_the_markets_result_is_fetched_for_what_a_person_said_is_gone(floor: Floor) -> None:
    """The market never heard of it, and clears the offer."""
    assert floor.outcomes(1) == ["acknowledged"]
    floor.desk.ask_withdrawal(floor.bid.id, "no", command_id="back", actor="anna")
    floor.desk.withdraw(floor.bid.id, 1, "on the screen", command_id="gone", actor="anna", by_hand=True)
    floor.set_clock(local(floor.day, -1, 17, 31))
    assert floor.outcomes(2) == ["cleared"]
    assert floor.standing.awarded_w == floor.bid.schedule_w
    assert floor.kinds()[-3:] == ["withdrawal_asked", "withdrawn", "cleared"]


def test_the_result_of_what_a_person_said_is_gone_is_fetched_behind_a_newer_revision(floor: Floor) -> None:
    """The newer one was not sent before its gate closed; the market clears the older."""
    desk, name = floor.desk, floor.bid.id
    assert floor.outcomes(1) == ["acknowledged"]
    desk.ask_withdrawal(name, "no", command_id="back", actor="anna")
    desk.withdraw(name, 1, "on the screen", command_id="gone", actor="anna", by_hand=True)
    less = structs.replace(floor.bid, note="once more")
    desk.draft(less, revision=1, command_id="d2", actor="anna")
    desk.approve(name, 2, less.digest, command_id="a2", actor="bert")
    desk.submit(name, 2, command_id="s2", actor="anna")
    floor.set_clock(local(floor.day, -1, 17, 31))
    assert floor.outcomes(3) == ["expired", "cleared"]
    assert (floor.standing.draft.revision, floor.standing.awarded_w) == (1, floor.bid.schedule_w)
