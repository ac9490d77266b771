"""What a bid may cost at worst: energy, money payable, imbalance. Exact; rounded nowhere."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import msgspec
import numpy as np

from ledger.quantity import decimal_text, round_half_away
from ledger.refusal import Refused
from trading.bid import Bid
from trading.product import MICRO, Product
from trading.risk import Measure
from trading.segments import Whole, offered_range_w

_S_PER_HOUR: Final = 3600
_W_PER_KW: Final = 1000


class Exposure(msgspec.Struct, frozen=True):
    """`volume_wh` rounded up; the amounts in major units of the market's currency, at least 0."""

    volume_wh: int
    payable: Fraction
    imbalance: Fraction

    def of(self, measure: Measure) -> Fraction:
        match measure:
            case "volume_wh":
                return Fraction(self.volume_wh)
            case "exposure":
                return self.payable
            case "imbalance":
                return self.imbalance
            case "margin":
                return self.payable + self.imbalance


def exposure_of(bid: Bid, product: Product) -> Exposure:
    """The worst that a clearing at the bid's own prices can ask for.

    Energy bought is paid at most at its segment's price; energy sold below zero costs its price. An award of
    power pays and is not paid for. Imbalance: the largest distance between the schedule and what a clearing
    may ask, at the larger of cap and floor; 0 without a schedule, because then all that is offered can be
    delivered.
    """
    low, high = offered_range_w(bid)
    energy = product.kind == "energy"
    volume = _w_to_wh_up(int(np.maximum(-low, high).sum()), product.interval_s)
    if not energy:
        return Exposure(volume, Fraction(0), Fraction(0))
    payable = Fraction(_payable_w_u(bid) * product.interval_s, _S_PER_HOUR * _W_PER_KW * MICRO)
    imbalance = Fraction(0)
    if bid.schedule_w is not None:
        planned = np.array(bid.schedule_w, dtype=np.int64)
        apart = int(np.maximum(high - planned, planned - low).sum())
        worst = max(abs(product.cap_u), abs(product.floor_u))
        imbalance = Fraction(apart * worst * product.interval_s, _S_PER_HOUR * _W_PER_KW * MICRO)
    return Exposure(volume, payable, imbalance)


def _payable_w_u(bid: Bid) -> int:
    """W x millionths that buying all, and selling all below zero, would cost.

    A curve's charging part is bought from its highest price down: each of its W at its own price. Of an
    exclusive group one block is taken: the dearest counts.
    """
    table = bid.table
    bought = np.minimum(table.to_w, 0) - np.minimum(table.from_w, 0)
    sold = np.maximum(table.to_w, 0) - np.maximum(table.from_w, 0)
    total = _dot(bought, np.maximum(table.price_u, 0)) + _dot(sold, np.maximum(-table.price_u, 0))
    dearest: dict[tuple[str, str], int] = {}
    for block in bid.blocks:
        power = abs(sum(block.profile_w))
        against = block.price_u if sum(block.profile_w) < 0 else -block.price_u
        key = ("block", block.id) if block.group is None else ("group", block.group)
        dearest[key] = max(dearest.get(key, 0), power * against)
    return total + sum(dearest.values())


def _dot(power: Whole, price: Whole) -> int:
    return int((power.astype(object) * price.astype(object)).sum()) if len(power) else 0


def _w_to_wh_up(watts: int, interval_s: int) -> int:
    return -(-watts * interval_s // _S_PER_HOUR)


def check_limit(name: str, used: Fraction, asked: Fraction, most: Fraction, measure: Measure) -> None:
    """Raises:
    Refused: `limit_volume`, `limit_exposure`, `limit_imbalance` or `limit_margin`."""
    if used + asked <= most:
        return
    code = "limit_volume" if measure == "volume_wh" else f"limit_{measure}"
    raise Refused(
        code,
        f"limit {name}: {_text(used)} used and {_text(asked)} asked for are more than {_text(most)}",
        place="limits",
    )


def _text(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else decimal_text(round_half_away(value * 100), 2)
