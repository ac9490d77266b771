"""An award shared out among a unit's sites: by credible capacity, the gap stated and never cut away.

The shares are those of `ledger.allocation.disaggregation` (DOMAIN.md 3.9), interval by interval for equal
awards at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import msgspec

from ledger.allocation.disaggregation import BidMember, BidTerms, disaggregate
from ledger.identity import checked_id
from ledger.refusal import Refused
from trading.product import Id

SITES_MAX: Final = 400
"""The sites of one recorded part; more sites, more parts."""


class SharedAward(msgspec.Struct, frozen=True, kw_only=True):
    """What each site is to do for an award, in W an interval; `gap_w` is what no site stands behind.

    `part` of `parts`: the sites of a large unit are recorded in several.
    """

    bid: Id
    unit: Id
    market: Id
    product: Id
    day: date
    clearing: str
    run: str
    part: int
    parts: int
    sites: dict[str, tuple[int, ...]]
    gap_w: tuple[int, ...]


def share_out(
    terms: BidTerms, award_w: Sequence[int], members: Sequence[BidMember]
) -> tuple[dict[str, list[int]], list[int]]:
    """Each site's power an interval, and the gap, both signed as the award.

    What the sites get and the gap add up to the award in every interval.

    Raises:
        Refused: what `disaggregate` refuses.
    """
    found: dict[int, tuple[dict[str, int], int]] = {}
    sites: dict[str, list[int]] = {member.site: [] for member in members}
    gaps: list[int] = []
    for power in award_w:
        size = abs(power)
        if size not in found:
            whole = size // terms.step_w * terms.step_w
            parts = disaggregate(terms, whole, members)
            found[size] = parts.sites, parts.gap_w + size - whole
        shares, gap = found[size]
        sign = -1 if power < 0 else 1
        for site, column in sites.items():
            column.append(sign * shares[site])
        gaps.append(sign * gap)
    return sites, gaps


class AwardShared(msgspec.Struct, frozen=True, tag_field="kind", tag="award.shared.v1"):
    award: SharedAward

    def apply(self, _: object) -> SharedAward:
        return self.award


class ShareAward(msgspec.Struct, frozen=True):
    """Record how an award is shared out; a corrected clearing is shared out again."""

    award: SharedAward

    @property
    def aggregate(self) -> str:
        return f"award.{self.award.bid}_{self.award.part}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: SharedAward | None, __: Mapping[str, object]) -> tuple[AwardShared]:
        """Raises:
        Refused: `award_sites` for more sites than a part holds."""
        checked_id(self.award.bid, "bid")
        if len(self.award.sites) > SITES_MAX:
            raise Refused("award_sites", f"at most {SITES_MAX} sites in a part", place="sites")
        return (AwardShared(self.award),)
