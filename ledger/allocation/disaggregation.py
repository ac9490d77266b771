"""The aggregate's bid as its members' parts: by credible capacity, never more than each has headroom for."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from ledger.allocation.allocation import checked_sites
from ledger.clauses.share import Portion, portion
from ledger.identity import checked_id
from ledger.refusal import Refused


class BidMember(msgspec.Struct, frozen=True, kw_only=True):
    """A site's nameplate, how much of it one may believe in, and what it can still take in the interval."""

    site: str
    nameplate_w: int
    confidence: Portion
    headroom_w: int

    def __post_init__(self) -> None:
        checked_id(self.site, "site")
        portion(self.confidence, "confidence")
        if not 0 <= self.headroom_w <= self.nameplate_w:
            raise Refused("headroom", "0 to the nameplate's power", place="headroom_w")

    @property
    def credible_w(self) -> Fraction:
        """Nameplate x confidence: a weight, and no promise."""
        return portion(self.confidence, "confidence") * self.nameplate_w


class BidTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`discount` is the part of the credible capacity that may be promised; `step_w` the market's smallest
    part (three decimals of a MW: 1000)."""

    discount: Portion
    step_w: int

    def __post_init__(self) -> None:
        portion(self.discount, "discount")
        if self.step_w <= 0:
            raise Refused("bid_step", "above zero W", place="step_w")


class Disaggregation(msgspec.Struct, frozen=True, kw_only=True):
    """`sites` + `over_committable_w` + `no_headroom_w` = `bid_w`; what is over either is the gap."""

    bid_w: int
    committable_w: int
    sites: dict[str, int]
    over_committable_w: int
    no_headroom_w: int

    def __post_init__(self) -> None:
        assert sum(self.sites.values()) + self.gap_w == self.bid_w, "nothing of a bid is lost"

    @property
    def gap_w(self) -> int:
        """What no member stands behind; above zero the bid is infeasible."""
        return self.over_committable_w + self.no_headroom_w


def committable_w(terms: BidTerms, members: Sequence[BidMember]) -> int:
    """The most that may be promised: sum of credible capacity x discount, cut off to whole steps."""
    promised = sum((member.credible_w for member in members), Fraction(0))
    promised *= portion(terms.discount, "discount")
    return int(promised // terms.step_w) * terms.step_w


def disaggregate(terms: BidTerms, bid_w: int, members: Sequence[BidMember]) -> Disaggregation:
    """The bid's parts, in whole steps.

    Each member gets its part by credible capacity, cut off to a step, at most its headroom; what is left
    goes by credible capacity to members with headroom, again and again, the last steps one each by the
    largest cut-off, ties by site id. What exceeds the committable capacity, or every headroom, is told
    and not cut away.

    Raises:
        Refused: `no_members`, `member_duplicate`; `bid_step` for a bid below zero or between two steps.
    """
    checked_sites([member.site for member in members])
    weights = {member.site: member.credible_w for member in members}
    if len(weights) != len(members):
        raise Refused("member_duplicate", "a site is a member once", place="members")
    if bid_w < 0 or bid_w % terms.step_w:
        raise Refused("bid_step", f"a bid is whole steps of {terms.step_w} W from 0", place="bid_w")
    promised = committable_w(terms, members)
    room = {member.site: member.headroom_w // terms.step_w for member in members if member.credible_w}
    parts = _fill(min(bid_w, promised) // terms.step_w, room, weights)
    sites = {member.site: parts.get(member.site, 0) * terms.step_w for member in members}
    over = max(0, bid_w - promised)
    return Disaggregation(
        bid_w=bid_w,
        committable_w=promised,
        sites=sites,
        over_committable_w=over,
        no_headroom_w=bid_w - over - sum(sites.values()),
    )


def _fill(steps: int, room: dict[str, int], weights: dict[str, Fraction]) -> dict[str, int]:
    """Steps over sites by weight, none above its room; fewer than `steps` when all room is taken."""
    parts = dict.fromkeys(room, 0)
    left = min(steps, sum(room.values()))
    while left:
        open_ = {site: weights[site] for site in room if parts[site] < room[site]}
        whole = sum(open_.values(), Fraction(0))
        exact = {site: left * weight / whole for site, weight in open_.items()}
        full = [site for site, share in exact.items() if share // 1 > room[site] - parts[site]]
        for site, share in exact.items():
            given = min(share.numerator // share.denominator, room[site] - parts[site])
            parts[site] += given
            left -= given
        if not full:
            wanting = [site for site in open_ if parts[site] < room[site]]
            for site in sorted(wanting, key=lambda site: (-(exact[site] % 1), site))[:left]:
                parts[site] += 1
                left -= 1
    return parts
