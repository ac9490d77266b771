"""A trading unit's result in a month: the share of a market's statement that a site was allocated.

It claims what the un-aggregated stream would. Where the matrix refuses energy of a response, the site
loses that part of its payment: it stays with the unit's operator, which owes it back to the market or to
the stream that was there first (DOMAIN.md 4). A clearing, an award and a certification cannot be settled
in part, and are refused whole.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Final, Literal

import numpy as np

from ledger.allocation.unit_allocation import ShareTerm, SiteAllocation, Taken, part_of
from ledger.clauses.flow import exact_text
from ledger.exclusivity.claim import Claim
from ledger.exclusivity.grant import Grant, Granted
from ledger.exclusivity.refused_part import refused_parts
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.settlement.markets.case import Case, Whole
from ledger.settlement.markets.commitment import kept_wh, mean_w
from ledger.streams.earned import Earned
from ledger.trading_unit import UnitStream

_STREAM: Final[dict[UnitStream, Literal["demand_response", "spot", "ancillary", "capacity"]]] = {
    "demand_response": "demand_response",
    "spot": "spot",
    "regulation": "ancillary",
    "capacity": "capacity",
}
"""Both in the exclusivity matrix and on the line."""
_SHOWN: Final = 40
_DIGITS: Final = 16


class Allocated:
    """A claim for each time in which the unit sold something of the storage; a line for each item."""

    def claims(self, case: Case) -> list[Claim]:
        return [
            claim
            for one in case.market.allocated
            for number, taken in enumerate(one.share.taken)
            if (claim := _claim(case, one, taken, number)) is not None
        ]

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        earned: list[Earned] = []
        for one in case.market.allocated:
            lines = [_earned(one, term) for term in one.share.terms if _speaks(term)]
            earned += [*lines, *_cut(case, one, granted)]
        return earned


def _claim(case: Case, one: SiteAllocation, taken: Taken, number: int) -> Claim | None:
    settled = case.market.interval
    if not (settled.start <= one.share.interval.start and one.share.interval.end <= settled.end):
        raise Refused(
            "allocation_interval",
            f"{one.fact} is about {one.share.interval.start} to {one.share.interval.end}, the contract's days"
            f" are {settled.start} to {settled.end}: let the site's membership end with them",
            place=case.place,
        )
    up_w: Whole | None = None
    down_w: Whole | None = None
    discharge_wh: Whole | None = None
    charge_wh: Whole | None = None
    rows = case.rows(taken.interval)
    match taken.sold:
        case "up_w":
            up_w = np.full(rows.stop - rows.start, taken.values[0], dtype=np.int64)
            down_w = up_w if one.stream == "regulation" else None
        case "metered":
            discharge_wh, charge_wh = case.discharge_wh[rows].copy(), case.charge_wh[rows].copy()
        case "discharge_wh":
            discharge_wh = _stored(case, one, taken, case.discharge_wh[rows])
            up_w = mean_w(case, discharge_wh)
        case "charge_wh":
            charge_wh = _stored(case, one, taken, case.charge_wh[rows])
            down_w = mean_w(case, charge_wh)
    asked = [array for array in (up_w, discharge_wh, charge_wh) if array is not None]
    if taken.sold != "metered" and not any(int(array.sum()) for array in asked):
        return None
    return Claim(
        id=_name(one, number),
        stream=_STREAM[one.stream],
        site=case.site.id,
        purpose="market",
        interval=taken.interval,
        discharge_wh=discharge_wh,
        charge_wh=charge_wh,
        up_w=up_w,
        down_w=down_w,
    )


def _first_part(granted: Granted, grant: Grant) -> str:
    """What was refused of a claim first, in favour of whom, in words."""
    parts = refused_parts(granted, of=(grant.claim.stream,))
    return next(part.words for part in parts if part.claim == grant.claim.id)


def _name(one: SiteAllocation, number: int) -> str:
    """Of one claim the statement's id; of each of several one that no other id is, however long that is."""
    if len(one.share.taken) == 1:
        return one.fact
    digest = hashlib.sha256(f"{one.fact}/{number}".encode()).hexdigest()
    return f"{one.fact[:_SHOWN]}-{number + 1}-{digest[:_DIGITS]}"


def _stored(case: Case, one: SiteAllocation, taken: Taken, metered: Whole) -> Whole:
    """The part of the sold Wh that came from the storage: only they can be sold twice."""
    if len(taken.values) != len(metered):
        wrong = f"{one.fact} has {len(taken.values)} intervals, the meter has {len(metered)}"
        raise Refused("interval", wrong, place=case.place)
    stored: Whole = np.minimum(np.array(taken.values, dtype=np.int64), metered)
    return stored


def _speaks(term: ShareTerm) -> bool:
    """Whether the term has money, or is a payment of nothing, which a person asks about."""
    return bool(term.amount.minor) or bool(Fraction(term.exact)) or term.item == "payment"


def _earned(one: SiteAllocation, term: ShareTerm) -> Earned:
    exact = Fraction(term.exact)
    total = one.totals[term.item]
    statement = f"{one.document}, run {one.run}, of unit {one.unit_code}"
    if not term.weights:
        label = f"{term.item} of {statement}: {one.share.note}"
        basis = Basis(label, "1", "as allocated", exact_text(exact), exact_text(exact))
    elif exact == part_of(term) * total.exact:
        label = f"{term.item} of {statement}: {_shown(term.weight)} of {_shown(term.weights)} {term.unit}"
        basis = Basis(
            label, exact_text(part_of(term)), "of the item", exact_text(total.exact), exact_text(exact)
        )
    else:
        label = f"{term.item} of {statement}: by the unit's terms, not by weight"
        basis = Basis(label, "1", "as allocated", exact_text(exact), exact_text(exact))
    note = f"{term.item} of unit {one.unit}, statement {one.fact}; {one.share.note}"
    return Earned(_STREAM[one.stream], exact, term.amount, (basis,), note)


def _shown(text: str) -> str:
    return exact_text(Fraction(text))


def _cut(case: Case, one: SiteAllocation, granted: Granted) -> list[Earned]:
    """What a response loses for kWh or kW that another stream had; other streams are settled whole.

    Raises:
        Refused: `spot_conflict`, `above_nameplate`.
    """
    lost: list[Earned] = []
    for number, taken in enumerate(one.share.taken):
        grant = next((grant for grant in granted.grants if grant.claim.id == _name(one, number)), None)
        if grant is None or grant.whole:
            continue
        if taken.sold == "metered":
            raise Refused(
                "spot_conflict",
                f"{_first_part(granted, grant)}; a clearing cannot be settled in part: keep the two apart",
                place=case.place,
            )
        if taken.sold == "up_w":
            wrong = f"{one.fact} commits more power than the storage has beside its other commitments"
            raise Refused("above_nameplate", f"{wrong}: {_first_part(granted, grant)}", place=case.place)
        asked = grant.claim.asked(taken.sold)
        assert asked is not None
        lost_wh = int((asked - kept_wh(case, grant, taken.sold)).sum())
        if not lost_wh:
            continue
        paid = next(term for term in one.share.terms if term.item == "payment")
        part = Fraction(lost_wh, sum(taken.values))
        # Of the amount and not of the exact share: what was allocated and what is lost then leave whole fen.
        exact = -part * paid.amount.exact
        label = (
            f"{lost_wh} Wh of {one.fact} belong to another stream;"
            f" their payment stays with {one.operator}, the operator of unit {one.unit}"
        )
        term = Basis(label, exact_text(part), "of the payment", str(-paid.amount), exact_text(exact))
        lost.append(
            Earned(_STREAM[one.stream], exact, Money.round(exact, paid.amount.currency), (term,), label)
        )
    return lost
