"""Whether a bid would be accepted now: its form, its gate, what it uses of each limit, what it binds."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import date, datetime
from fractions import Fraction
from typing import cast

import msgspec

from adapters.desk.binding import Binding, SiteTies
from adapters.desk.desk import Desk
from adapters.front_door import FrontDoor
from ledger.interval import Instant
from ledger.quantity import decimal_text, round_half_away
from ledger.refusal import Refused
from trading import risk
from trading.bid import Bid
from trading.bid_commands import DraftBid, limit_values
from trading.commitment import Commit, UnitDay
from trading.exposure import exposure_of
from trading.gate import gate_of
from trading.risk import policy_of
from trading.usage import Usage, aggregate_of


class LimitUse(msgspec.Struct, frozen=True):
    """In Wh, or in major units of the limit's currency."""

    limit: str
    value: str
    measure: str
    used: str
    asked: str
    most: str
    kept: bool


class BidProblem(msgspec.Struct, frozen=True):
    code: str
    place: str
    reason: str


class CheckedBid(msgspec.Struct, frozen=True):
    """`problems` are what it would be refused for, in the order of docs/bid-refusals.md."""

    digest: str
    day: date
    intervals: int
    gate_opens: Instant
    gate_closes: Instant
    volume_wh: int
    payable: str
    imbalance: str
    currency: str
    approvals_needed: int
    limits: tuple[LimitUse, ...]
    problems: tuple[BidProblem, ...]


def checked_bid(desk: Desk, bid: Bid, actor: str, now: datetime) -> CheckedBid:
    """Nothing is stored.

    Raises:
        Refused: `unknown_market`, `market_gap`, `unknown_product`, `risk_policy_missing`, and what the bid's
            form is refused for: without a form there is nothing to weigh.
    """
    market, product = desk.product_of(bid)
    door, problems = desk.door, list[BidProblem]()
    draft = DraftBid(bid, actor, 0)
    draft.decide_at(now, None, {name: door.state(name) for name in draft.reads})
    gate = gate_of(market, product, bid.day, bid.first)
    policy = policy_of(door.state(risk.AGGREGATE))
    ties = SiteTies.read(desk.database, door.book)
    exposure = exposure_of(bid, product)
    binding = Binding(ties)
    saved = binding.take(policy, bid, product, None, (), (), "check")
    commits = [wish.command for wish in saved if isinstance(wish.command, Commit)]
    made: tuple[Callable[[], None], ...] = (
        lambda: gate.check(now),
        lambda: risk.check_running(door.state(risk.AGGREGATE)),
        lambda: binding.check_contracts(bid, product, door.state),
        *(functools.partial(_check_commit, door, commit) for commit in commits),
    )
    for check in made:
        try:
            check()
        except Refused as refused:
            problems.append(BidProblem(refused.code, refused.place, refused.reason))
    uses: list[LimitUse] = []
    for (_, value), limit in limit_values(policy.limits, bid, market, actor).items():
        usage = door.state(aggregate_of(limit, value, bid.day))
        used = (usage if isinstance(usage, Usage) else Usage()).sum_at(now, bid.id)
        asked = exposure.of(limit.measure)
        kept = used + asked <= limit.most_exact
        uses.append(LimitUse(limit.id, value, limit.measure, _text(used), _text(asked), limit.most, kept))
        if not kept:
            code = "limit_volume" if limit.measure == "volume_wh" else f"limit_{limit.measure}"
            problems.append(BidProblem(code, "limits", f"limit {limit.id} of {limit.each} {value}"))
    return CheckedBid(
        bid.digest,
        bid.day,
        len(bid.curves),
        gate.opens,
        gate.closes,
        exposure.volume_wh,
        _text(exposure.payable),
        _text(exposure.imbalance),
        market.currency,
        policy.persons(product.kind, exposure.payable + exposure.imbalance),
        tuple(uses),
        tuple(problems),
    )


def _check_commit(door: FrontDoor, commit: Commit) -> None:
    state = cast("UnitDay | None", door.state(commit.aggregate))
    commit.decide(state, {name: door.state(name) for name in commit.reads})


def _text(value: Fraction) -> str:
    return decimal_text(round_half_away(value * 100), 2)
