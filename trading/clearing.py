"""What a market cleared for a product and a delivery day: prices and awards, as it told them.

A clearing is immutable. A correction is another run of the market under the same name; the last run holds,
and every run stays on record (DOMAIN.md 3.0: what was cleared is not changed by whoever settles).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused
from trading.product import Id, Market, Product, market_at

AWARDS_MAX: Final = 300
"""Awards of one clearing are recorded with their bids and commitments in one save."""
_WHOLE_MAX: Final = 2**40
_NAME_MAX: Final = 128
_SHA256: Final = re.compile("[0-9a-f]{64}")

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Award(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bid was awarded, in W for each interval of the day, above zero discharging; 0 where nothing.

    `revision`: which one the market cleared, where it says so.
    """

    bid: Id
    power_w: tuple[int, ...]
    revision: int | None = None

    def __post_init__(self) -> None:
        checked_id(self.bid, "bid")
        for number, power in enumerate(self.power_w):
            if not -_WHOLE_MAX <= power <= _WHOLE_MAX:
                raise Refused("award", f"whole W up to {_WHOLE_MAX}", place=f"power_w[{number}]")


class Clearing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of a market's clearing. `price_u`: millionths of the currency per kWh (kW·h, kW).

    `run` is the market's own name for it, `published` when it told, `source` and `source_sha256` the document
    that it came in.
    """

    market: Id
    product: Id
    day: date
    run: str
    published: Instant
    price_u: tuple[int, ...]
    awards: tuple[Award, ...]
    source: str
    source_sha256: str

    def __post_init__(self) -> None:
        checked_id(self.market, "market")
        checked_id(self.product, "product")
        for place in ("run", "source", "source_sha256"):
            if not getattr(self, place).strip():
                raise Refused("empty", f"a clearing names its {place}", place=place)
        if self.published.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="published")
        bids = [award.bid for award in self.awards]
        for number, bid in enumerate(bids):
            if bid in bids[:number]:
                raise Refused("award_duplicate", f"bid {bid} is awarded twice", place=f"awards[{number}]")
        if len(self.awards) > AWARDS_MAX:
            raise Refused("award", f"at most {AWARDS_MAX} awards of one clearing", place="awards")

    @property
    def id(self) -> str:
        """The clearing's name: every run of it has the same.

        >>> clearing_id("shandong", "day_ahead", date(2026, 2, 3))
        'shandong_day_ahead_2026-02-03'
        """
        return clearing_id(self.market, self.product, self.day)

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, whatever document it came in."""
        said = (self.market, self.product, self.day, self.run, self.price_u, self.awards)
        return hashlib.sha256(_encode(said)).hexdigest()


def clearing_id(market: str, product: str, day: date) -> str:
    """A name that no other market, product and day have, and that the store takes.

    An underscore of the market is doubled, so that the first single one ends it.

    >>> clearing_id("guangdong_spot", "da", date(2026, 2, 3))
    'guangdong__spot_da_2026-02-03'
    """
    name = f"{market.replace('_', '__')}_{product}_{day.isoformat()}"
    if len(name) > _NAME_MAX:
        name = f"{hashlib.sha256(name.encode()).hexdigest()}_{day.isoformat()}"
    return name


class ClearingState(msgspec.Struct, frozen=True):
    """The run in force, and what each earlier one said (run -> digest)."""

    latest: Clearing
    runs: dict[str, str]


class ClearingRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="clearing.recorded.v1"):
    clearing: Clearing
    corrects: str | None
    """The run that it takes the place of."""

    def apply(self, state: ClearingState | None) -> ClearingState:
        runs = {} if state is None else state.runs
        return ClearingState(self.clearing, {**runs, self.clearing.run: self.clearing.digest})


class RecordClearing(msgspec.Struct, frozen=True):
    """Record a run of the market's clearing.

    `by_hand`: a person read it. A gateway asks for a result once it is due, and looks at its time itself.
    """

    clearing: Clearing
    by_hand: bool = False

    @property
    def aggregate(self) -> str:
        return f"clearing.{self.clearing.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"market.{self.clearing.market}",)

    def decide_at(
        self, now: datetime, state: ClearingState | None, others: Mapping[str, object]
    ) -> tuple[ClearingRecorded]:
        """Raises:
        Refused: `unknown_market`, `market_gap`, `unknown_product`, `awards_unsettled`; `clearing_intervals`
            for a count of prices that the day does not have; `price_limit` for energy beyond what the product
            clears at; by hand `digest`, `clearing_future` of `check_published`, and `clearing_gate` while
            bids may still come in, or for a run published then; `clearing_run` for a run that was told with
            other content, or one that is older than the run in force.
        """
        one = self.clearing
        history: History[Market] = known(others, f"market.{one.market}", History)
        market = market_at(history, history.latest.document.start_of(one.day))
        product = market.product(one.product)
        product.check_settles()
        count = market.intervals(product, one.day)
        if len(one.price_u) != count:
            wrong = f"{one.day} has {count} intervals, not {len(one.price_u)}"
            raise Refused("clearing_intervals", wrong, place="price_u")
        for number, award in enumerate(one.awards):
            if len(award.power_w) != count:
                wrong = f"{one.day} has {count} intervals, not {len(award.power_w)}"
                raise Refused("clearing_intervals", wrong, place=f"awards[{number}].power_w")
        if self.by_hand:
            if not _SHA256.fullmatch(one.source_sha256):
                wrong = "the SHA-256 of what was read: 64 hexadecimal digits"
                raise Refused("digest", wrong, place="source_sha256")
            check_published(one, product, now)
            _check_gate(now, one, market, product)
        _check_prices(one, product)
        if state is None:
            return (ClearingRecorded(one, None),)
        told = state.runs.get(one.run)
        if told is not None:
            wrong = f"run {one.run} was recorded" + (
                " already" if told == one.digest else " with other content"
            )
            raise Refused("clearing_run", wrong, place="run")
        if one.published < state.latest.published:
            wrong = f"run {state.latest.run} was published later, at {state.latest.published.isoformat()}"
            raise Refused("clearing_run", wrong, place="published")
        return (ClearingRecorded(one, state.latest.run),)


def check_published(one: Clearing, product: Product, now: datetime) -> None:
    """That a run was not published after now and the clocks' margin: it would keep every later one out.

    Raises:
        Refused: `clearing_future`.
    """
    if one.published > now + timedelta(seconds=product.clock_margin_s):
        wrong = f"{one.published.isoformat()} is later than now, {now.isoformat()}"
        raise Refused("clearing_future", wrong, place="published")


def _check_gate(now: datetime, one: Clearing, market: Market, product: Product) -> None:
    """Where the gate follows the interval, the day's first one is the least that must be closed."""
    closes = market.moment(product.gate_closes, product, one.day)
    if now < closes:
        wrong = f"the gate of {product.id} is open until {closes.isoformat()}: nothing is cleared yet"
        raise Refused("clearing_gate", wrong, place="day")
    if one.published < closes:
        wrong = f"the gate of {product.id} was open until {closes.isoformat()}: nothing was published before"
        raise Refused("clearing_gate", wrong, place="published")


def _check_prices(one: Clearing, product: Product) -> None:
    if product.kind != "energy":
        return
    low, high = product.cleared_range_u
    for number, price in enumerate(one.price_u):
        if not low <= price <= high:
            allowed = f"{low} to {high} millionths of the currency per kWh, not {price}"
            raise Refused("price_limit", allowed, place=f"price_u[{number}]")
