"""The split of all that is left, with a party's minimum."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, Literal

from ledger.clauses.carry import MinimumUnpaid
from ledger.clauses.divided import Divided
from ledger.clauses.flow import Flow, Outcome, Part, Phase, Proration, Stated, one_of
from ledger.clauses.share import Amount, Shares, amount, weights
from ledger.clauses.telling import REACHED, Given, Moved, Told, left_before, shared, stated, times
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.split import largest_remainder

Shortfall = Literal["paid", "carried"]


class FlooredSplit(Divided, frozen=True, kw_only=True, tag="floored_split"):
    """Everything above zero by `shares`, but to `party` at least `minimum` a month.

    What its share lacks, the parties in `funded_by` give up in those parts. With `paid` they do so without
    limit, also out of their own pockets, and every month stands alone. With `carried` each gives no more
    than its own part of this month, and what is still lacking is due on top in the next. A loss is the
    loss split's, and the minimum is due beside it.
    """

    account: ClassVar = MinimumUnpaid

    party: str
    minimum: Amount
    """For a whole month."""
    proration: Proration
    funded_by: Shares
    shortfall: Shortfall

    def __post_init__(self) -> None:
        amount(self.minimum, "minimum")
        one_of(self.proration, Proration, "proration")
        one_of(self.shortfall, Shortfall, "shortfall")
        super().__post_init__()
        assert self.funders
        if self.party in self.funded_by:
            raise Refused("floor_parties", "a party cannot fund its own minimum", place="funded_by")

    @property
    def phase(self) -> Phase:
        return "rest"

    @cached_property
    def funders(self) -> dict[str, Fraction]:
        return weights(self.funded_by, "funded_by")

    @cached_property
    def monthly(self) -> Fraction:
        return amount(self.minimum, "minimum")

    @property
    def percentages(self) -> tuple[Stated, ...]:
        return (*super().percentages, Stated(self.funded_by, f"what {self.party} lacks of its minimum"))

    def named_parties(self) -> Iterator[tuple[str, str]]:
        yield from super().named_parties()
        yield "party", self.party
        for party in self.funded_by:
            yield f"funded_by.{party}", party

    def needs_prior(self, _: Month) -> bool:
        return self.shortfall == "carried"

    def apply(self, flow: Flow) -> Outcome:
        """Divide what is left above zero, then bring the party up to what is due to it."""
        taken = max(flow.remaining, 0)
        parts = self.divide(flow, taken, "remainder")
        unpaid = flow.carried.amount.minor if isinstance(flow.carried, MinimumUnpaid) else 0
        carried = self.shortfall == "carried"
        due = flow.minor(self.monthly * flow.months(self.proration)) + (unpaid if carried else 0)
        own = {part.party: part.minor for part in parts}
        lacking = max(due - own.get(self.party, 0), 0)
        given = _within(lacking, self.funders, own) if carried else largest_remainder(lacking, self.funders)
        total = sum(given.values())
        carry = MinimumUnpaid(Money(lacking - total, flow.currency)) if carried else None
        return Outcome(taken, (*parts, *self._made_up(flow, due, given)), carry)

    def tell(self, flow: Flow) -> tuple[Told, ...]:
        """The shares of what reached the clause; then the minimum less the party's own share, and what each
        funder gives of that: its part, or the whole of its own share where that is less."""
        outcome = self.apply(flow)
        taken = outcome.taken
        count = len(self.parts_of) if taken else 0
        parts, made_up = outcome.parts[:count], outcome.parts[count:]
        found = list(shared(flow, taken, parts, REACHED))
        if not made_up:
            return tuple(found)
        place = {part.party: number for number, part in enumerate(parts)}
        lacking = stated(flow, f"minimum of {self.party}", self.monthly, flow.months(self.proration))
        due = flow.minor(self.monthly * flow.months(self.proration))
        if self.shortfall == "carried" and isinstance(flow.carried, MinimumUnpaid):
            lacking += left_before("minimum left unpaid", flow.carried.amount.minor, flow)
            due += flow.carried.amount.minor
        own = {part.party: part.minor for part in parts}
        if self.party in place:
            lacking += ((Fraction(-1), Given(place[self.party])),)
            due -= own[self.party]
        given = {part.party: -part.minor for part in made_up[1:]}
        emptied = [
            party for party, minor in given.items() if self.shortfall == "carried" and minor == own.get(party)
        ]
        for party in emptied:
            lacking += ((Fraction(-1), Given(place[party])),)
        left = due - sum(given[party] for party in emptied)
        others = {party: self.funders[party] for party in given if party not in emptied}
        told_of_funders: list[Told] = []
        for party, minor in given.items():
            if party in emptied:
                told_of_funders.append(((Fraction(-1), Given(place[party])),))
                continue
            part = others[party] / sum(others.values())
            moved = (part * left - minor) / flow.unit
            rounding: Told = ((Fraction(1), Moved(moved)),) if moved else ()
            told_of_funders.append(times(-part, lacking) + rounding)
        total: Told = tuple((Fraction(1), Given(place[party])) for party in emptied)
        found.append(total + (lacking if others else ()))
        return (*found, *told_of_funders)

    def _made_up(self, flow: Flow, due: int, given: dict[str, int]) -> tuple[Part, ...]:
        total = sum(given.values())
        if not total:
            return ()
        basis = f"minimum of {self.party}, due {flow.money(due)}: made up by {flow.money(total)}"
        funded = tuple(
            Part(
                party,
                Fraction(-minor, flow.unit),
                -minor,
                f"its part of what {self.party} lacks of its minimum",
            )
            for party, minor in sorted(given.items())
            if minor
        )
        return (Part(self.party, Fraction(total, flow.unit), total, basis), *funded)


def _within(total: int, funders: dict[str, Fraction], most: dict[str, int]) -> dict[str, int]:
    """`total` by the funders' parts, none above its most; what one cannot give, the others give."""
    given = dict.fromkeys(funders, 0)
    left = total
    while left:
        able = {
            party: weight for party, weight in funders.items() if weight and given[party] < most.get(party, 0)
        }
        if not able:
            break
        for party, wanted in largest_remainder(left, able).items():
            more = min(wanted, most[party] - given[party])
            given[party] += more
            left -= more
    return given
