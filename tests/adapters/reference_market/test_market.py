"""The operator's day: gates, revisions, repeated requests, results, corrections and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.reference_market.auction import auction
from adapters.reference_market.clock import RealClock
from adapters.reference_market.journal import Journal
from adapters.reference_market.market import Market
from adapters.reference_market.offer import BlockInterval, IntervalCurve, Offer, OfferedBlock, Segment
from adapters.reference_market.trading_day import starts
from ledger.refusal import Refused
from tests.adapters.reference_market.markets import (
    BEFORE_THE_GATE,
    DAY,
    MW,
    PARAMETERS,
    PUBLISHED,
    at,
    curve,
    local,
    offer,
    opened,
    shandong,
)

SHA = "0" * 64
SELL = offer(curve(8, (0, 50, 400)))
GATE = local("2026-01-25T10:30")


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = opened(tmp_path)
    yield market
    market.close()


def refusal(do: object, *arguments: object) -> str:
    with pytest.raises(Refused) as refused:
        do(*arguments)  # type: ignore[operator]
    return refused.value.code


def revised(offer: Offer, revision: int) -> Offer:
    return msgspec.structs.replace(offer, revision=revision)


def test_a_later_revision_replaces_and_an_earlier_does_not(market: Market) -> None:
    market.put_offer(at(), "k1", SHA, revised(SELL, 2))
    assert refusal(market.put_offer, at(), "k2", SHA, revised(SELL, 2)) == "revision_behind"
    assert refusal(market.put_offer, at(), "k2", SHA, revised(SELL, 1)) == "revision_behind"
    assert market.put_offer(at(), "k2", SHA, revised(SELL, 3)).revision == 3
    receipt, held = market.offer(at())
    assert (receipt.state, held) == ("accepted", revised(SELL, 3))
    assert refusal(market.offer, at("beta")) == "unknown_offer"


def test_the_same_request_again_has_the_first_answer_even_after_the_gate(market: Market) -> None:
    first = market.put_offer(at(), "k1", SHA, SELL)
    market.put_offer(at(), "k2", SHA, revised(SELL, 2))
    market.set_clock(GATE)
    assert market.put_offer(at(), "k1", SHA, SELL) == first
    assert refusal(market.put_offer, at(), "k1", "1" * 64, SELL) == "idempotency_key_reused"
    assert refusal(market.put_offer, at(product="real_time"), "k1", SHA, SELL) == "idempotency_key_reused"
    assert refusal(market.withdraw, at(), "k1", 1) == "idempotency_key_reused"
    assert market.put_offer(at("beta", "real_time"), "k1", SHA, SELL).revision == 1, (
        "a key is its participant's"
    )


def test_the_gate_opens_and_closes_to_the_second(market: Market) -> None:
    second = timedelta(seconds=1)
    later = at(day=DAY + timedelta(days=7))
    of_later = offer(curve(8, (0, 50, 400), day=later.day))
    assert refusal(market.put_offer, later, "k0", SHA, of_later) == "gate_not_open"
    market.set_clock(GATE - second)
    market.put_offer(at(), "k1", SHA, SELL)
    market.set_clock(GATE)
    assert refusal(market.put_offer, at(), "k2", SHA, revised(SELL, 2)) == "gate_closed"
    assert refusal(market.withdraw, at(), "k2", 2) == "gate_closed"
    assert market.offer(at())[0].state == "sealed"
    market.set_clock(local("2026-01-26T00:00"))
    market.put_offer(later, "k0", SHA, of_later)
    assert refusal(market.put_offer, at(day=DAY - timedelta(days=100)), "k3", SHA, SELL) == "unknown_day"


def test_a_withdrawn_offer_is_not_cleared_and_can_be_made_again(market: Market) -> None:
    assert refusal(market.withdraw, at(), "k0", 1) == "unknown_offer"
    market.put_offer(at(), "k1", SHA, SELL)
    assert market.withdraw(at(), "k2", 2).state == "withdrawn"
    assert market.withdraw(at(), "k2", 2).state == "withdrawn"
    assert refusal(market.withdraw, at(), "k3", 3) == "unknown_offer"
    receipt, held = market.offer(at())
    assert (receipt.state, receipt.sha256, held) == ("withdrawn", None, None)
    market.put_offer(at(), "k4", SHA, revised(SELL, 3))
    market.withdraw(at(), "k5", 4)
    market.set_clock(PUBLISHED)
    assert market.result("day_ahead", DAY).awards_w == {}


def test_results_are_out_at_their_time(market: Market) -> None:
    """The sale of 50 MW at 400 runs at 8:00 at 550, the real price less two steps of 10."""
    market.put_offer(at(), "k1", SHA, SELL)
    market.set_clock(PUBLISHED - timedelta(seconds=1))
    assert refusal(market.result, "day_ahead", DAY) == "not_published"
    market.set_clock(PUBLISHED)
    result = market.result("day_ahead", DAY)
    real = shandong().of("day_ahead", DAY)
    assert (result.run, result.published_at, result.revisions) == (1, PUBLISHED, {"alpha": 1})
    assert result.awards_w == {"alpha": tuple(50 * MW if hour == 8 else 0 for hour in range(24))}
    assert result.prices_micro_per_kwh == tuple(
        price - 30_000 if hour == 8 else price for hour, price in enumerate(real)
    )
    assert market.offer(at())[0].state == "cleared"
    assert market.result("day_ahead", DAY, 1) == result
    assert refusal(market.result, "day_ahead", DAY, 2) == "unknown_run"


def test_in_real_time_the_day_ahead_award_stands_where_nothing_is_offered(market: Market) -> None:
    market.put_offer(at(), "k1", SHA, offer(curve(8, (0, 50, 400)), curve(9, (0, 50, 400))))
    market.put_offer(at(product="real_time"), "k2", SHA, offer(curve(9, (0, 50, 1500))))
    market.set_clock(local("2026-01-27T10:00"))
    awards = market.result("real_time", DAY).awards_w["alpha"]
    assert market.result("day_ahead", DAY).awards_w["alpha"][8:10] == (50 * MW, 50 * MW)
    assert awards[8:10] == (50 * MW, 0)
    assert sum(awards) == 50 * MW
    real, cleared = shandong().of("real_time", DAY), market.result("real_time", DAY).prices_micro_per_kwh
    assert cleared[8] < real[8]
    assert cleared[9] == real[9]


def test_blocks_are_told_with_their_outcome(market: Market) -> None:
    """Evening blocks of 5 MW: one asks less than the mean price, one more."""
    hours = tuple(BlockInterval(local(f"{DAY}T{hour}:00"), 5 * MW) for hour in (17, 18, 19))
    real = shandong().of("day_ahead", DAY)[17:20]
    mean = sum(real) // 3
    blocks = (OfferedBlock("below", hours, mean), OfferedBlock("above", hours, mean + 1))
    market.put_offer(at(), "k1", SHA, offer(blocks=blocks))
    market.set_clock(PUBLISHED)
    result = market.result("day_ahead", DAY)
    assert {block.id: block.outcome for block in result.blocks} == {
        "below": "accepted",
        "above": "out_of_the_money",
    }
    assert result.awards_w["alpha"][16:21] == (0, 5 * MW, 5 * MW, 5 * MW, 0)


def test_of_a_group_one_block_is_accepted(market: Market) -> None:
    hours = (BlockInterval(local(f"{DAY}T17:00"), 5 * MW),)
    blocks = tuple(OfferedBlock(name, hours, price, "g") for name, price in (("b1", 2000), ("b2", 1000)))
    market.put_offer(at(), "k1", SHA, offer(blocks=blocks))
    market.set_clock(PUBLISHED)
    result = market.result("day_ahead", DAY)
    assert {block.id: block.outcome for block in result.blocks} == {
        "b1": "paradoxically_rejected",
        "b2": "accepted",
    }
    assert result.awards_w["alpha"][17] == 5 * MW


def test_more_blocks_than_can_be_searched_are_refused(market: Market) -> None:
    hours = (BlockInterval(local(f"{DAY}T17:00"), MW),)
    twelve = tuple(OfferedBlock(f"b{number}", hours, 0) for number in range(12))
    market.put_offer(at(), "k1", SHA, offer(blocks=twelve))
    one = offer(blocks=(OfferedBlock("b", hours, 0),))
    assert refusal(market.put_offer, at("beta"), "k1", SHA, one) == "block_combinations"
    market.put_offer(at(), "k2", SHA, offer(blocks=twelve, revision=2))
    market.put_offer(at(), "k3", SHA, revised(one, 3))
    market.put_offer(at("beta"), "k1", SHA, one)


def test_a_correction_is_a_further_run_and_the_first_remains(market: Market) -> None:
    market.put_offer(at(), "k1", SHA, SELL)
    start = local(f"{DAY}T08:00")
    assert refusal(market.correct, "day_ahead", DAY, {start: 1}, {}) == "not_published"
    market.set_clock(PUBLISHED)
    first = market.result("day_ahead", DAY)
    market.set_clock(PUBLISHED + timedelta(hours=2))
    second = market.correct("day_ahead", DAY, {start: 123}, {"alpha": {start: 40 * MW}, "beta": {start: MW}})
    assert (second.run, second.reason, second.published_at) == (
        2,
        "corrected",
        PUBLISHED + timedelta(hours=2),
    )
    assert second.prices_micro_per_kwh[8] == 123
    assert second.awards_w["alpha"][8] == 40 * MW
    assert second.awards_w["beta"] == tuple(MW if hour == 8 else 0 for hour in range(24))
    assert market.result("day_ahead", DAY) == second
    assert market.result("day_ahead", DAY, 1) == first
    assert refusal(market.correct, "day_ahead", DAY, {}, {"alpha": {}}) == "correction_empty"
    assert refusal(market.correct, "day_ahead", DAY, {BEFORE_THE_GATE: 1}, {}) == "offer_interval"
    assert refusal(market.correct, "day_ahead", DAY, {}, {"gamma": {start: MW}}) == "unknown_participant"
    assert refusal(market.correct, "day_ahead", DAY, {}, {"alpha": {start: 1}}) == "offer_lot"
    third = market.republish("day_ahead", DAY)
    assert (third.run, third.reason) == (3, "republished")
    assert (third.prices_micro_per_kwh, third.awards_w) == (second.prices_micro_per_kwh, second.awards_w)


def test_a_publication_can_be_late(market: Market) -> None:
    late = PUBLISHED + timedelta(hours=3)
    market.delay("day_ahead", DAY, late)
    market.set_clock(PUBLISHED)
    assert refusal(market.result, "day_ahead", DAY) == "not_published"
    market.set_clock(late)
    assert market.result("day_ahead", DAY).published_at == late
    assert refusal(market.delay, "day_ahead", DAY, late + timedelta(hours=1)) == "already_published"


def test_the_clock_only_goes_forward(market: Market) -> None:
    assert refusal(market.set_clock, BEFORE_THE_GATE - timedelta(seconds=1)) == "clock_backward"
    market.set_clock(BEFORE_THE_GATE)
    assert refusal(market.set_clock, datetime.max.replace(tzinfo=UTC)) == "year"


def test_the_computers_clock_cannot_be_set(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    market = Market(PARAMETERS, shandong(), journal, RealClock())
    assert refusal(market.set_clock, PUBLISHED) == "clock_real"
    assert refusal(market.put_offer, at(), "k1", SHA, SELL) == "gate_closed", "2026-01-25 is past"
    market.close()


def test_after_a_restart_everything_is_as_it_was(tmp_path: Path) -> None:
    market = opened(tmp_path)
    receipt = market.put_offer(at(), "k1", SHA, SELL)
    market.put_offer(at("beta"), "k1", SHA, SELL)
    market.withdraw(at("beta"), "k2", 2)
    market.delay("day_ahead", DAY, PUBLISHED + timedelta(hours=1))
    market.set_clock(PUBLISHED + timedelta(hours=1))
    market.result("day_ahead", DAY)
    corrected = market.correct("day_ahead", DAY, {local(f"{DAY}T08:00"): 1}, {})
    market.close()
    again = opened(tmp_path)
    assert again.clock.now() == PUBLISHED + timedelta(hours=1)
    assert again.put_offer(at(), "k1", SHA, SELL) == receipt
    assert again.offer(at("beta"))[1] is None
    assert again.result("day_ahead", DAY) == corrected
    assert again.result("day_ahead", DAY, 1).published_at == PUBLISHED + timedelta(hours=1)
    again.close()
    other = msgspec.structs.replace(PARAMETERS, node="other")
    assert refusal(opened, tmp_path, BEFORE_THE_GATE, other) == "market_journal_other"


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    """A storage's curves, up to 60 MW each way around real prices."""
    curves = []
    for start in starts(PARAMETERS, DAY):
        if draw(st.booleans()):
            widths = draw(st.lists(st.integers(1, 20_000), min_size=1, max_size=3))
            prices = sorted(draw(st.integers(-100, 1500)) * 1000 for _ in widths)
            low = -draw(st.integers(0, sum(widths)))
            segments = []
            for width, price in zip(widths, prices, strict=True):
                segments.append(Segment(low * 1000, (low + width) * 1000, price))
                low += width
            curves.append(IntervalCurve(start, tuple(segments)))
    return Offer(1, tuple(curves))


@given(offers(), offers())
@settings(max_examples=40)
def test_on_a_real_day_awards_follow_from_prices(alpha: Offer, beta: Offer) -> None:
    """At its price each interval's award is what the offered curve says, within the step at the margin."""
    real = shandong().of("day_ahead", DAY)
    result = auction(PARAMETERS, "day_ahead", DAY, PUBLISHED, real, {"alpha": alpha, "beta": beta}, {})
    for name, of in (("alpha", alpha), ("beta", beta)):
        curves = {curve.start: curve.segments for curve in of.curves}
        for index, start in enumerate(starts(PARAMETERS, DAY)):
            price, award = result.prices_micro_per_kwh[index], result.awards_w.get(name, (0,) * 24)[index]
            if start not in curves:
                assert award == 0
                continue
            below = [one.end_w for one in curves[start] if one.price_micro_per_kwh < price]
            upto = [one.end_w for one in curves[start] if one.price_micro_per_kwh <= price]
            first = curves[start][0].start_w
            assert max(below, default=first) <= award <= max(upto, default=first)
            assert award % PARAMETERS.lot_w == 0
    for index, price in enumerate(result.prices_micro_per_kwh):
        total = sum(awards[index] for awards in result.awards_w.values())
        if abs(total) < 10 * MW:
            assert price == real[index]
        elif total > 10 * MW:
            assert price < real[index]
        elif total < -10 * MW:
            assert price > real[index]
