"""What of an award cannot be kept, because the power that an earlier run had freed was sold elsewhere.

A market's clearing is a fact: it is never refused for it. What is short is on record with the award, and
counts as imbalance at the worst price.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import msgspec
import numpy as np

from ledger.exclusivity.conflict import Conflicts
from trading.envelope import SLOT_S
from trading.feasibility import Commitment, Day, lacking_wh, short_of
from trading.product import MICRO, Id, Product

_S_PER_HOUR: Final = 3600
_W_PER_KW: Final = 1000

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class AwardConflict(msgspec.Struct, frozen=True, kw_only=True):
    """W of each quarter-hour that the unit lacks, toward the grid and from it; Wh of stored energy or of room
    that it lacks at worst; and the bids beside which the award cannot be kept."""

    up_w: tuple[int, ...]
    down_w: tuple[int, ...]
    energy_wh: int
    beside: tuple[Id, ...]

    @property
    def short_w(self) -> tuple[int, ...]:
        """The larger of both directions."""
        return tuple(map(max, zip(self.up_w, self.down_w, strict=True)))

    def imbalance(self, product: Product) -> Fraction:
        """What it costs at worst, in major units: all of it at the larger of the product's cap and floor."""
        worst = max(abs(product.cap_u), abs(product.floor_u))
        if not product.timed:
            return Fraction(max(self.short_w) * worst, _W_PER_KW * MICRO)
        power_wh = Fraction(sum(self.short_w) * SLOT_S, _S_PER_HOUR)
        return (power_wh + self.energy_wh) * worst / (_W_PER_KW * MICRO)


def conflict_of(
    day: Day, commitments: Sequence[Commitment], award: Commitment, conflicts: Conflicts
) -> AwardConflict | None:
    """What a unit's day lacks for an award beside its other commitments; None where it can be kept.

    Energy that the award would lack by itself is its own bid's risk, and counted there.
    """
    up, down = short_of(day, commitments, award, conflicts)
    energy_wh = max(lacking_wh(day, [*commitments, award]) - lacking_wh(day, [award]), 0)
    if not up.any() and not down.any() and not energy_wh:
        return None
    slots = np.flatnonzero(up + down)
    beside = [
        one.bid
        for one in commitments
        if (one.joint is None or one.joint != award.joint)
        and (energy_wh or any(one.up_w[slot] or one.down_w[slot] for slot in slots))
        and (any(one.up_w) or any(one.down_w))
    ]
    return AwardConflict(
        up_w=tuple(up.tolist()),
        down_w=tuple(down.tolist()),
        energy_wh=energy_wh,
        beside=tuple(sorted(set(beside))),
    )


def not_covered(day: Day, commitments: Sequence[Commitment], conflicts: Conflicts) -> AwardConflict | None:
    """What a unit's day lacks for all that it is bound to, each in the order in which it was made; None where
    it covers them: an envelope may be cut later, and awards may leave out the charging that others need.

    `beside` are the bids that are short.
    """
    up, down = np.zeros(day.slots, dtype=np.int64), np.zeros(day.slots, dtype=np.int64)
    bids: set[str] = set()
    for number, one in enumerate(commitments):
        short_up, short_down = short_of(day, commitments[:number], one, conflicts)
        up, down = up + short_up, down + short_down
        if short_up.any() or short_down.any():
            bids.add(one.bid)
    energy_wh = max(lacking_wh(day, commitments), 0) if commitments else 0
    if energy_wh:
        bids |= {one.bid for one in commitments}
    if not bids:
        return None
    return AwardConflict(
        up_w=tuple(up.tolist()),
        down_w=tuple(down.tolist()),
        energy_wh=energy_wh,
        beside=tuple(sorted(bids)),
    )


def worst_of(found: Sequence[AwardConflict]) -> AwardConflict:
    """What the days of several units with sites in common lack of one award: the same kW is short once."""
    return AwardConflict(
        up_w=tuple(map(max, zip(*(one.up_w for one in found), strict=True))),
        down_w=tuple(map(max, zip(*(one.down_w for one in found), strict=True))),
        energy_wh=max(one.energy_wh for one in found),
        beside=tuple(sorted({bid for one in found for bid in one.beside})),
    )


def digest_of(state: object) -> str:
    """SHA-256 of a unit's day as it was looked at."""
    return hashlib.sha256(_encode(state)).hexdigest()
