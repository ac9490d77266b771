"""A bid's revisions, one story a test: what stands at the market stays bound, and nobody's wish is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ledger.effective import Period, extended
from ledger.refusal import Refused
from tests.adapters.desk.desk_book import (
    CLOSES,
    DAY,
    DAY_AHEAD,
    MARKET,
    MW,
    OPEN,
    POLICY,
    bid,
    market,
    submitted,
)
from tests.adapters.desk.pure_desk import PureDesk, furnished
from trading.bid_life import Standing
from trading.clearing import Award, Clearing
from trading.commitment import UnitDay, aggregate_of
from trading.market_answer import AcknowledgeBid
from trading.risk import Limit, RiskPolicy
from trading.usage import Usage
from trading.usage import aggregate_of as usage_of

VOLUME = POLICY.limits[0]
SMALL = dict.fromkeys((*range(8, 16), *range(72, 80)), 0)
"""Nothing of what `bid` offers."""


def offer(desk: PureDesk, powers: dict[int, int], name: str = "b1", *, author: str = "anna") -> int:
    """Write, approve and submit; answers the revision."""
    state = desk.bids().get(name)
    number = 0 if state is None else state.draft.revision
    one = bid(name, schedule=SMALL | powers)
    desk.draft(one, revision=number, command_id=f"d{number}{name}", actor=author)
    desk.approve(name, number + 1, one.digest, command_id=f"a{number}{name}", actor="bert")
    desk.submit(name, number + 1, command_id=f"s{number}{name}", actor=author)
    return number + 1


def send(desk: PureDesk, revision: int, name: str = "b1") -> None:
    desk.send(name, revision, command_id=f"send{revision}{name}", actor="gateway")


def acknowledge(desk: PureDesk, revision: int, name: str = "b1", *, sent: bool = True) -> None:
    command = AcknowledgeBid(name, revision, f"R{revision}", sent=sent)
    desk.acknowledge(command, command_id=f"ack{revision}{name}", actor="gateway")


def refuse(desk: PureDesk, revision: int, name: str = "b1") -> None:
    desk.refuse(name, revision, "no", command_id=f"no{revision}{name}", actor="gateway")


def standing(desk: PureDesk, name: str = "b1") -> Standing:
    found = desk.bids()[name].standing
    assert found is not None
    return found


def bound(desk: PureDesk, slot: int, name: str = "b1", unit: str = "vpp") -> int:
    state = desk.pure.states.get(aggregate_of(unit, DAY)) or UnitDay()
    assert isinstance(state, UnitDay)
    held = state.of(name)
    return 0 if held is None else held.up_w[slot]


def used(desk: PureDesk, user: str = "anna", limit: Limit = VOLUME) -> int:
    state = desk.pure.states.get(usage_of(limit, user, DAY)) or Usage()
    assert isinstance(state, Usage)
    return int(state.sum_at(OPEN, ""))


def cleared(power: dict[int, int], *, revision: int | None = None, run: str = "1") -> Clearing:
    return Clearing(
        market=MARKET,
        product="day_ahead",
        day=DAY,
        run=run,
        published=CLOSES,
        price_u=(1,) * 96,
        awards=(Award(bid="b1", power_w=tuple(power.get(n, 0) for n in range(96)), revision=revision),),
        source="file",
        source_sha256="0" * 64,
    )


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.code


def test_what_stands_at_the_market_stays_bound_under_a_revision_that_was_never_sent() -> None:
    desk = furnished()
    first = offer(desk, {72: 2 * MW})
    send(desk, first)
    acknowledge(desk, first)
    offer(desk, {72: MW // 2})
    third = offer(desk, {72: MW // 2, 73: MW})
    assert [one.draft.revision for one in desk.bids()["b1"].awardable] == [third, first]
    assert (bound(desk, 72), bound(desk, 73)) == (2 * MW, MW)
    assert code_of(lambda: offer(desk, {72: MW}, "b2")) == "bid_second"


def test_all_revisions_without_an_answer_stay_bound() -> None:
    desk = furnished()
    for number, power in enumerate((2 * MW, MW, MW // 2), 1):
        assert offer(desk, {72: power}) == number
        send(desk, number)
    assert bound(desk, 72) == 2 * MW
    refuse(desk, 3)
    assert (standing(desk).draft.revision, bound(desk, 72)) == (2, 2 * MW)
    refuse(desk, 2)
    assert (standing(desk).draft.revision, bound(desk, 72)) == (1, 2 * MW)
    acknowledge(desk, 1)
    assert bound(desk, 72) == 2 * MW
    offer(desk, {73: MW})
    send(desk, 4)
    acknowledge(desk, 4)
    assert (bound(desk, 72), bound(desk, 73)) == (0, MW)


def test_a_limit_counts_the_larger_revision_and_each_once() -> None:
    desk = furnished()
    first = offer(desk, {72: 2 * MW})
    send(desk, first)
    acknowledge(desk, first)
    assert used(desk) == 500_000
    second = offer(desk, {72: MW})
    assert used(desk) == 500_000, "the first may still be awarded"
    send(desk, second)
    refuse(desk, second)
    assert used(desk) == 500_000
    third = offer(desk, {72: MW})
    send(desk, third)
    acknowledge(desk, third)
    assert used(desk) == 250_000
    desk.ask_withdrawal("b1", "wanted", command_id="w", actor="anna")
    desk.withdraw("b1", third, "wanted", command_id="g", actor="gateway")
    assert (used(desk), bound(desk, 72)) == (0, 0)


def test_a_revision_by_another_person_uses_that_persons_limit_once_it_stands() -> None:
    desk = furnished()
    first = offer(desk, {72: 2 * MW})
    send(desk, first)
    acknowledge(desk, first)
    offer(desk, {72: MW}, author="carl")
    third = offer(desk, {72: 2 * MW}, author="dora")
    assert (used(desk), used(desk, "carl"), used(desk, "dora")) == (500_000, 0, 500_000)
    send(desk, third)
    acknowledge(desk, third)
    assert (used(desk), used(desk, "dora")) == (0, 500_000)


def test_a_refused_bid_that_stands_after_all_is_bound_and_counted_again() -> None:
    desk = furnished()
    first = offer(desk, {72: 2 * MW})
    send(desk, first)
    refuse(desk, first)
    assert (bound(desk, 72), used(desk)) == (0, 0)
    acknowledge(desk, first)
    assert (bound(desk, 72), used(desk)) == (2 * MW, 500_000)


def test_what_the_market_has_is_not_refused_by_a_person() -> None:
    """Its power would be free, and sold once more."""
    desk = furnished()
    first = offer(desk, {72: 2 * MW})
    assert code_of(lambda: refuse(desk, first)) == "bid_status", "never sent"
    send(desk, first)
    acknowledge(desk, first)
    assert code_of(lambda: refuse(desk, first)) == "bid_status"
    desk.ask_withdrawal("b1", "wrong day", command_id="w", actor="anna")
    assert code_of(lambda: refuse(desk, first)) == "bid_status"
    assert bound(desk, 72) == 2 * MW


def test_a_person_acknowledges_what_was_sent_under_the_one_reference_that_it_has() -> None:
    desk = furnished()
    first = offer(desk, {72: MW})
    desk.ask_withdrawal("b1", "wrong day", command_id="w", actor="anna")
    assert code_of(lambda: acknowledge(desk, first, sent=False)) == "bid_status", "never sent"
    second = offer(desk, {72: MW})
    send(desk, second)
    acknowledge(desk, second, sent=False)
    other = AcknowledgeBid("b1", second, "R9")
    assert code_of(lambda: desk.acknowledge(other, command_id="other", actor="anna")) == "reference"
    assert standing(desk).reference == f"R{second}"


def test_a_person_does_not_put_back_what_was_refused() -> None:
    desk = furnished()
    first = offer(desk, {72: MW})
    send(desk, first)
    refuse(desk, first)
    assert code_of(lambda: acknowledge(desk, first, sent=False)) == "bid_status"
    assert bound(desk, 72) == 0


def test_what_the_market_has_after_all_conflicts_with_what_was_sold_since() -> None:
    """A person said no while it was on its way; drp then sold S1's 1 MW of it."""
    desk = furnished()
    first = offer(desk, {72: 2 * MW})
    send(desk, first)
    refuse(desk, first)
    submitted(desk, bid("d1", unit="drp", schedule=SMALL | {72: 2 * MW}))
    acknowledge(desk, first)
    found = standing(desk).conflict
    assert found is not None
    assert (found.up_w[72], max(found.down_w), found.beside) == (MW, 0, ("d1",))
    assert (standing(desk).status, bound(desk, 72)) == ("acknowledged", 2 * MW)


def test_a_wish_to_have_it_back_outlives_the_answer_to_its_sending() -> None:
    desk = furnished()
    first = offer(desk, {72: MW})
    send(desk, first)
    desk.ask_withdrawal("b1", "wrong day", command_id="w", actor="anna")
    code = code_of(lambda: desk.note_uncertain("b1", first, "lost", command_id="u", actor="gateway"))
    assert code == "bid_status"
    acknowledge(desk, first)
    assert (standing(desk).status, standing(desk).reference) == ("withdrawing", "R1")
    desk.acknowledge(AcknowledgeBid("b1", first, f"R{first}"), command_id="kept", actor="anna")
    assert standing(desk).status == "acknowledged", "a person or the market says that it stays"


def test_a_wish_to_have_it_back_is_about_all_revisions() -> None:
    desk = furnished()
    first = offer(desk, {72: MW})
    send(desk, first)
    acknowledge(desk, first)
    second = offer(desk, {73: MW})
    send(desk, second)
    desk.ask_withdrawal("b1", "wrong day", command_id="w", actor="anna")
    refuse(desk, second)
    assert (standing(desk).draft.revision, standing(desk).status) == (first, "withdrawing")
    assert standing(desk).reason == "wrong day"


def test_only_what_was_sent_is_uncertain() -> None:
    desk = furnished()
    first = offer(desk, {72: MW})
    code = code_of(lambda: desk.note_uncertain("b1", first, "lost", command_id="u", actor="gateway"))
    assert code == "bid_status"
    send(desk, first)
    acknowledge(desk, first)
    code = code_of(lambda: desk.note_uncertain("b1", first, "lost", command_id="v", actor="gateway"))
    assert code == "bid_status"


def test_a_draft_from_before_the_clearing_is_not_submitted_over_the_award() -> None:
    desk = furnished()
    first = offer(desk, {72: 2 * MW})
    send(desk, first)
    acknowledge(desk, first)
    one = bid(schedule=SMALL | {73: MW})
    desk.draft(one, revision=first, command_id="d", actor="anna")
    desk.approve("b1", 2, one.digest, command_id="a", actor="bert")
    desk.record_clearing(cleared({72: 2 * MW}), command_id="c", actor="gateway")
    assert code_of(lambda: desk.submit("b1", 2, command_id="s", actor="anna")) == "bid_status"
    assert bound(desk, 72) == 2 * MW


def test_a_clearing_of_the_revision_behind_binds_its_award() -> None:
    desk = furnished()
    first = offer(desk, {72: 2 * MW})
    send(desk, first)
    acknowledge(desk, first)
    offer(desk, {72: MW // 2})
    desk.record_clearing(cleared({72: 2 * MW}, revision=first), command_id="c", actor="gateway")
    assert (standing(desk).draft.revision, standing(desk).status) == (first, "cleared")
    assert bound(desk, 72) == 2 * MW


def test_a_submission_is_of_the_revision_that_was_read() -> None:
    """What is bound is computed from the newest draft: another revision's number is refused before."""
    desk = furnished()
    offer(desk, {72: MW})
    code = code_of(lambda: desk.submit("b1", 2, command_id="s", actor="anna"))
    assert code == "bid_revision"


def test_what_changes_between_reading_and_saving_is_decided_again() -> None:
    """A refused revision turns out to stand while the next one is being submitted."""
    desk = furnished()
    first = offer(desk, {72: 2 * MW})
    send(desk, first)
    refuse(desk, first)
    one = bid(schedule=SMALL | {73: MW})
    desk.draft(one, revision=first, command_id="d", actor="anna")
    desk.approve("b1", 2, one.digest, command_id="a", actor="bert")
    door, asked = desk.pure, desk.pure.execute_all

    def meanwhile(*given: object, **how: object) -> object:
        door.execute_all = asked  # type: ignore[method-assign]
        acknowledge(desk, first)
        return asked(*given, **how)  # type: ignore[arg-type]

    door.execute_all = meanwhile  # type: ignore[method-assign, assignment]
    desk.submit("b1", 2, command_id="s", actor="anna")
    assert [one.draft.revision for one in desk.bids()["b1"].awardable] == [2, 1]
    assert (bound(desk, 72), bound(desk, 73)) == (2 * MW, MW)


def test_what_is_sent_while_its_successor_is_submitted_stays_bound() -> None:
    """What was never sent is dropped by its successor; this one was, a moment before."""
    desk = furnished()
    offer(desk, {72: 2 * MW})
    one = bid(schedule=SMALL | {73: MW})
    desk.draft(one, revision=1, command_id="d", actor="anna")
    desk.approve("b1", 2, one.digest, command_id="a", actor="bert")
    door, asked = desk.pure, desk.pure.execute_all

    def meanwhile(*given: object, **how: object) -> object:
        door.execute_all = asked  # type: ignore[method-assign]
        send(desk, 1)
        return asked(*given, **how)  # type: ignore[arg-type]

    door.execute_all = meanwhile  # type: ignore[method-assign, assignment]
    desk.submit("b1", 2, command_id="s", actor="anna")
    assert [one.draft.revision for one in desk.bids()["b1"].awardable] == [2, 1]
    assert (bound(desk, 72), bound(desk, 73)) == (2 * MW, MW)


def test_two_answers_about_one_revision_leave_nothing_bound_that_does_not_stand() -> None:
    """It was acknowledged, so that nothing stands behind it, while its refusal was being saved."""
    desk = furnished()
    first = offer(desk, {72: 2 * MW})
    send(desk, first)
    acknowledge(desk, first)
    second = offer(desk, {73: MW})
    send(desk, second)
    door, asked = desk.pure, desk.pure.execute_all

    def meanwhile(*given: object, **how: object) -> object:
        door.execute_all = asked  # type: ignore[method-assign]
        acknowledge(desk, second)
        return asked(*given, **how)  # type: ignore[arg-type]

    door.execute_all = meanwhile  # type: ignore[method-assign, assignment]
    assert code_of(lambda: refuse(desk, second)) == "bid_status"
    assert (standing(desk).status, bound(desk, 72), bound(desk, 73)) == ("acknowledged", 0, MW)


def test_an_approval_of_one_revision_is_none_of_the_next() -> None:
    desk = furnished()
    one = bid()
    desk.draft(one, revision=0, command_id="d", actor="anna")
    desk.approve("b1", 1, one.digest, command_id="a", actor="bert")
    other = bid(note="another")
    desk.draft(other, revision=1, command_id="d2", actor="anna")
    assert code_of(lambda: desk.submit("b1", 2, command_id="s", actor="anna")) == "approval_missing"
    again = code_of(lambda: desk.approve("b1", 1, one.digest, command_id="a2", actor="bert"))
    old_digest = code_of(lambda: desk.approve("b1", 2, one.digest, command_id="a3", actor="bert"))
    assert (again, old_digest) == ("bid_revision", "bid_revision")
    desk.approve("b1", 2, other.digest, command_id="a4", actor="bert")
    twice = code_of(lambda: desk.approve("b1", 2, other.digest, command_id="a5", actor="bert"))
    assert twice == "four_eyes"
    desk.submit("b1", 2, command_id="s2", actor="anna")


def test_a_bid_of_another_unit_or_day_is_no_revision() -> None:
    desk = furnished()
    offer(desk, {72: MW})
    for change in ({"unit": "drp"}, {"day": DAY + timedelta(days=1)}):
        other = bid(**change)
        code = code_of(lambda other=other: desk.draft(other, revision=1, command_id="x", actor="eve"))
        assert code == "bid_exists"


def test_who_submits_is_a_name() -> None:
    """A receipt has a line a field; a name with a line's end would write its own."""
    desk = furnished()
    one = bid()
    desk.draft(one, revision=0, command_id="d", actor="anna")
    desk.approve("b1", 1, one.digest, command_id="a", actor="bert")
    code = code_of(lambda: desk.submit("b1", 1, command_id="s", actor="anna\nsubmitted_at 2020"))
    assert code == "id"


def test_a_policy_without_the_limit_takes_nothing_back() -> None:
    desk = furnished()
    first = offer(desk, {72: MW})
    state = desk.pure.states["risk.desk"]
    desk.pure.states["risk.desk"] = type(state)(policy=RiskPolicy(exclusivity="rule_based"))
    send(desk, first)
    refuse(desk, first)
    assert bound(desk, 72) == 0


def test_what_nothing_settles_is_drafted_and_neither_submitted_nor_cleared() -> None:
    told = "no rule was read"
    desk = furnished()
    published(desk, told)
    refused = code_of(lambda: offer(desk, {72: MW}))
    assert (refused, desk.bids()["b1"].status) == ("awards_unsettled", "approved")
    published(desk, "")
    desk.submit("b1", 1, command_id="again", actor="anna")
    send(desk, 1)
    acknowledge(desk, 1)
    published(desk, told)
    assert code_of(lambda: desk.record_clearing(cleared({72: MW}), command_id="c", actor="g")) == (
        "awards_unsettled"
    )


def published(desk: PureDesk, unsettled: str) -> None:
    """The market's rules, in which this is why nothing settles the product."""
    product = msgspec.structs.replace(DAY_AHEAD, unsettled=unsettled)
    desk.pure.states[f"market.{MARKET}"] = extended(
        None, Period(datetime(2026, 1, 1, tzinfo=UTC)), market(product)
    )
