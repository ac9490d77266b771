"""What is saved with a clearing beside its run: each bid's award, what it binds and uses of limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from adapters.desk.award_conflicts import Raised, StateOf, conflicts_of, kept_uses
from adapters.desk.binding import Binding, award_of
from adapters.front_door import Wish
from ledger.refusal import Refused
from trading.award_conflict import AwardConflict
from trading.bid_life import BidState, Standing, may_stand
from trading.clearing import Award, Clearing
from trading.market_answer import ClearBid, changes, cleared_of
from trading.product import Product
from trading.risk import RiskPolicy


class AboutBid(NamedTuple):
    """A bid that a clearing is about, and its award; None for one of nothing."""

    name: str
    standing: Standing
    product: Product
    award: Award | None

    @property
    def power_w(self) -> tuple[int, ...]:
        """What it was awarded, one power an interval."""
        return (0,) * len(self.standing.draft.bid.curves) if self.award is None else self.award.power_w

    @property
    def corrected(self) -> bool:
        """Whether what it is awarded may have been sold since."""
        return self.standing.status == "cleared" or self.conflicted

    @property
    def conflicted(self) -> bool:
        return self.standing.conflict is not None or may_stand(self.standing)


def standings_of(
    clearing: Clearing, awarded: Mapping[str, Award], names: Iterable[str], state: StateOf
) -> dict[str, Standing]:
    """What of each bid, awarded or of these names, the clearing changes.

    Raises:
        Refused: `award_without_bid`.
    """
    found: dict[str, Standing] = {}
    for name in dict.fromkeys((*awarded, *names)):
        bid = state(f"bid.{name}")
        held = cleared_of(bid if isinstance(bid, BidState) else None, awarded.get(name))
        if name in awarded:
            _check_named(name, held, clearing)
        if held is not None and changes(held, awarded.get(name)):
            found[name] = held
    return found


def _check_named(name: str, held: Standing | None, clearing: Clearing) -> None:
    bid = None if held is None else held.draft.bid
    if bid is None or (bid.market, bid.product, bid.day) != (clearing.market, clearing.product, clearing.day):
        wrong = f"no bid {name} for {clearing.product} on {clearing.day} stands at {clearing.market}"
        raise Refused("award_without_bid", wrong, place=f"awards.{name}")


def awards_of(
    clearing: Clearing,
    about: Sequence[AboutBid],
    binding: Binding,
    policy: Callable[[], RiskPolicy],
    state: StateOf,
    command_id: str,
) -> list[Wish]:
    """The commands of a clearing's save; `policy` is asked for only where something is corrected."""
    ends = [(one.standing, award_of(one.standing.draft.bid, one.product, one.power_w)) for one in about]
    narrows = binding.narrow(ends, command_id)
    corrected = [one for one in about if one.corrected]
    conflicts: dict[str, AwardConflict] = {}
    uses: list[Wish] = []
    if corrected:
        rules = policy()
        conflicts, narrows = conflicts_of(state, rules, narrows, {one.name for one in corrected})
        raised = [
            Raised(one.standing, one.product, conflicts.get(one.name))
            for one in corrected
            if one.name in conflicts or one.conflicted
        ]
        uses = kept_uses(rules, clearing.day, raised, command_id)
    clears = [_clear(clearing, one, conflicts.get(one.name), command_id) for one in about]
    return [*clears, *narrows, *uses]


def _clear(clearing: Clearing, one: AboutBid, conflict: AwardConflict | None, command_id: str) -> Wish:
    held = one.standing
    command = ClearBid(
        one.name, clearing.id, clearing.run, one.power_w, held.draft.revision, conflict, may_stand(held)
    )
    return Wish(command, command_id)
