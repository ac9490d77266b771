"""A demand response that the market paid or fined as one: by delivered energy, and by shortfall."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, get_args

import msgspec

from ledger.allocation.allocation import Allocation, WhenAllZero, divided
from ledger.clauses.share import Amount, Portion, amount, portion
from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused

UnderPerformer = Literal["paid", "redistributed", "operator"]
"""Who gets the share of a site below the eligibility: the site anyway, the sites that performed, or the
operator."""


class ResponseMember(msgspec.Struct, frozen=True, kw_only=True):
    """What a site was to deliver in the event, q, and what it did, d; Wh, at least zero."""

    site: str
    committed_wh: int
    delivered_wh: int

    def __post_init__(self) -> None:
        checked_id(self.site, "site")
        for place in ("committed_wh", "delivered_wh"):
            if getattr(self, place) < 0:
                raise Refused("negative_energy", "at least zero Wh", place=place)


class ResponseTerms(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="demand_response",
):
    """DOMAIN.md 3.9 with the contract's choices. Usual: cap 1.2, eligibility 80 %; nothing is assumed.

    `delivered_cap` x q is the most that counts of d. A site with d below `eligibility` x q is an
    under-performer, and what it lacks to there is its shortfall. `when_nobody_delivered` and
    `when_nobody_fell_short` are for an amount that no site has a weight for.
    """

    delivered_cap: Amount
    eligibility: Portion
    under_performer: UnderPerformer
    when_nobody_delivered: WhenAllZero
    when_nobody_fell_short: WhenAllZero

    def __post_init__(self) -> None:
        amount(self.delivered_cap, "delivered_cap")
        portion(self.eligibility, "eligibility")
        if self.under_performer not in get_args(UnderPerformer):
            message = f"allowed: {', '.join(get_args(UnderPerformer))}"
            raise Refused("not_allowed", message, place="under_performer")
        for place in ("when_nobody_delivered", "when_nobody_fell_short"):
            if getattr(self, place) not in get_args(WhenAllZero):
                raise Refused("not_allowed", f"allowed: {', '.join(get_args(WhenAllZero))}", place=place)

    def weight(self, member: ResponseMember) -> Fraction:
        """min(d, cap x q), in Wh."""
        most = amount(self.delivered_cap, "delivered_cap") * member.committed_wh
        return min(Fraction(member.delivered_wh), most)

    def shortfall(self, member: ResponseMember) -> Fraction:
        """max(0, eligibility x q - d), in Wh."""
        least = portion(self.eligibility, "eligibility") * member.committed_wh
        return max(Fraction(0), least - member.delivered_wh)


def response_payment(terms: ResponseTerms, total: Money, members: Sequence[ResponseMember]) -> Allocation:
    """The market's payment for the event, by delivered energy.

    With `operator` the shares are those of all sites, and the under-performers' go to the operator; with
    `redistributed` an under-performer has no weight.

    Raises:
        Refused: `member_duplicate`, `no_members`, `weights_zero`.
    """
    _check_once(members)
    weights = {member.site: terms.weight(member) for member in members}
    under = [member.site for member in members if terms.shortfall(member)]
    if terms.under_performer == "redistributed":
        weights |= dict.fromkeys(under, Fraction(0))
    note = f"by min(d, {terms.delivered_cap} q)"
    if under and terms.under_performer != "paid":
        note += f"; below {terms.eligibility} of q: {', '.join(sorted(under))}: {terms.under_performer}"
    shared = divided(total, weights, when_all_zero=terms.when_nobody_delivered, note=note)
    if terms.under_performer != "operator":
        return shared
    nothing = Money.zero(total.currency)
    kept = sum((shared.sites[site] for site in under), shared.kept)
    return msgspec.structs.replace(
        shared,
        sites=shared.sites | dict.fromkeys(under, nothing),
        exact=shared.exact | dict.fromkeys(under, Fraction(0)),
        kept=kept,
    )


def response_penalty(terms: ResponseTerms, total: Money, members: Sequence[ResponseMember]) -> Allocation:
    """The market's penalty for the event (at most zero), by shortfall.

    Raises:
        Refused: `penalty_sign` for an amount above zero; `member_duplicate`, `no_members`, `weights_zero`.
    """
    _check_once(members)
    if total.minor > 0:
        raise Refused("penalty_sign", "a penalty is payable: at most zero", place="total")
    weights = {member.site: terms.shortfall(member) for member in members}
    note = f"by max(0, {terms.eligibility} q - d)"
    return divided(total, weights, when_all_zero=terms.when_nobody_fell_short, note=note)


def _check_once(members: Sequence[ResponseMember]) -> None:
    sites = [member.site for member in members]
    for site in sites:
        if sites.count(site) > 1:
            raise Refused("member_duplicate", "a site is a member once", place=f"members.{site}")
