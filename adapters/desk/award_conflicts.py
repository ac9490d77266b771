"""Which corrected awards cannot be kept beside what was sold since, and what is saved with them then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import date
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from adapters.desk.binding import until
from adapters.front_door import Wish
from ledger.effective import History
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.policy import Policy
from ledger.interval import midnight, zone_of
from trading.award_conflict import AwardConflict, conflict_of, digest_of, worst_of
from trading.bid_life import LimitPart, Standing, may_stand
from trading.commitment import CommitmentMade, Narrow, UnitDay, by_arrival
from trading.envelope import DayEnvelope, slots_of
from trading.feasibility import Day
from trading.product import Product
from trading.risk import RiskPolicy
from trading.usage import KeepUses, Used

_IMBALANCE: Final = ("imbalance", "margin")

StateOf = Callable[[str], object]
"""An aggregate's folded state."""


class Raised(NamedTuple):
    """A bid whose award conflicts, or did: what of limits it uses is said again."""

    standing: Standing
    product: Product
    conflict: AwardConflict | None


def conflicts_of(
    state: StateOf, policy: RiskPolicy, narrows: Sequence[Wish], corrected: Collection[str]
) -> tuple[dict[str, AwardConflict], list[Wish]]:
    """Each corrected bid's conflict, and `narrows` that hold only on the days as they were looked at."""
    found: dict[str, list[AwardConflict]] = defaultdict(list)
    wishes: list[Wish] = []
    matrix = state(f"exclusivity.{policy.exclusivity}")
    for wish in narrows:
        command = wish.command
        assert isinstance(command, Narrow), "awards narrow"
        wanted = [one for one in command.commitments if one.bid in corrected]
        if not wanted or not isinstance(matrix, Policy):
            wishes.append(wish)
            continue
        before = state(command.aggregate)
        held = before if isinstance(before, UnitDay) else UnitDay()
        wishes.append(Wish(msgspec.structs.replace(command, seen=digest_of(held)), wish.command_id))
        after = held
        for one in command.commitments:
            after = CommitmentMade(one).apply(after)
        day = _day(state, command.unit, command.day, held)
        if day is None:
            continue
        conflicts = Conflicts(by_arrival(matrix))
        for one in wanted:
            conflict = conflict_of(day, after.without(one.bid), one, conflicts)
            if conflict is not None:
                found[one.bid].append(conflict)
    return {bid: worst_of(all_) for bid, all_ in found.items()}, wishes


def kept_uses(policy: RiskPolicy, day: date, raised: Sequence[Raised], command_id: str) -> list[Wish]:
    """Each bid's part of a limit on imbalance, with its conflict's beside what its submission used; of one
    that was given back, its parts of all limits."""
    limits = {limit.id: limit for limit in policy.limits}
    parts: dict[tuple[str, str], list[Used]] = defaultdict(list)
    for one in raised:
        bid = one.standing.draft.bid
        for part in with_imbalance(policy, one).uses:
            if part.limit not in limits:
                continue
            if may_stand(one.standing) or limits[part.limit].measure in _IMBALANCE:
                parts[part.limit, part.value].append(Used(bid.id, part.amount, until(bid)))
    return [
        Wish(KeepUses(limits[name], value, day, tuple(used)), command_id)
        for (name, value), used in sorted(parts.items())
    ]


def with_imbalance(policy: RiskPolicy, one: Raised) -> Standing:
    """The standing, with its conflict's part of each limit on imbalance beside what its submission used."""
    measures = {limit.id: limit.measure for limit in policy.limits}
    uses = tuple(
        msgspec.structs.replace(part, amount=str(_amount(one, part)))
        if measures.get(part.limit) in _IMBALANCE
        else part
        for part in one.standing.uses
    )
    return msgspec.structs.replace(one.standing, uses=uses)


def _amount(one: Raised, part: LimitPart) -> Fraction:
    more = Fraction(0) if one.conflict is None else one.conflict.imbalance(one.product)
    return Fraction(part.amount) + more


def _day(state: StateOf, unit: str, day: date, held: UnitDay) -> Day | None:
    """What the unit can do that day; None where nobody stated it."""
    history = state(f"trading_unit.{unit}")
    assert isinstance(history, History), "what is bound is a registered unit's"
    zone = history.latest.document.zone
    start = midnight(day, zone_of(zone))
    envelope = held.envelope
    if envelope is None:
        standing = state(f"envelope.{unit}")
        version = standing.at(start) if isinstance(standing, History) else None
        if version is None:
            return None
        envelope = DayEnvelope(limits=version.document)
    return Day(unit, day, start, slots_of(zone, day), envelope)
