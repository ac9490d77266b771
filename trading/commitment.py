"""What a trading unit has committed to on one delivery day: one aggregate, so that a race has one winner.

Two bids for the same kW change the same aggregate; whoever comes second is decided on what the first left.
A unit that shares sites with another records the other's commitments on those sites beside its own, in the
same save.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import cast

import msgspec

from ledger.command import known
from ledger.effective import History
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.policy import Policy
from ledger.identity import checked_id
from ledger.interval import midnight, zone_of
from ledger.refusal import Refused
from ledger.trading_unit import TradingUnit
from trading.award_conflict import digest_of
from trading.envelope import DayEnvelope, UnitEnvelope, slots_of
from trading.feasibility import Commitment, Day, check
from trading.product import Id


class UnitDay(msgspec.Struct, frozen=True):
    """The commitments of a unit's day, in the order in which they were made; the day's own envelope."""

    envelope: DayEnvelope | None = None
    commitments: tuple[Commitment, ...] = ()

    def without(self, bid: str) -> tuple[Commitment, ...]:
        return tuple(one for one in self.commitments if one.bid != bid)

    def of(self, bid: str) -> Commitment | None:
        return next((one for one in self.commitments if one.bid == bid), None)


def aggregate_of(unit: str, day: date) -> str:
    """The aggregate of a unit's delivery day.

    >>> aggregate_of("vpp-east", date(2026, 8, 3))
    'commitment.vpp-east_2026-08-03'
    """
    return f"commitment.{unit}_{day.isoformat()}"


class DayEnvelopeStated(msgspec.Struct, frozen=True, tag_field="kind", tag="commitment.envelope_stated.v1"):
    envelope: DayEnvelope

    def apply(self, state: UnitDay | None) -> UnitDay:
        return msgspec.structs.replace(state or UnitDay(), envelope=self.envelope)


class CommitmentMade(msgspec.Struct, frozen=True, tag_field="kind", tag="commitment.made.v1"):
    """A bid's commitment, in place of an earlier one of the same bid."""

    commitment: Commitment

    def apply(self, state: UnitDay | None) -> UnitDay:
        before = state or UnitDay()
        kept = before.without(self.commitment.bid)
        return msgspec.structs.replace(before, commitments=(*kept, self.commitment))


class CommitmentReleased(msgspec.Struct, frozen=True, tag_field="kind", tag="commitment.released.v1"):
    bid: str

    def apply(self, state: UnitDay | None) -> UnitDay:
        before = state or UnitDay()
        return msgspec.structs.replace(before, commitments=before.without(self.bid))


class StateDayEnvelope(msgspec.Struct, frozen=True):
    """State what a unit can do on one delivery day, in place of its standing envelope."""

    unit: Id
    day: date
    envelope: DayEnvelope

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.unit, self.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"trading_unit.{self.unit}",)

    def decide(self, _: UnitDay | None, others: Mapping[str, object]) -> tuple[DayEnvelopeStated]:
        """Raises:
        Refused: `unknown_trading_unit`, `envelope`.

        A smaller envelope than what is committed to is taken: it tells what is so, and the day's commitments
        show the shortfall."""
        checked_id(self.unit, "unit")
        unit = _unit(others, self.unit)
        self.envelope.check(slots_of(unit.zone, self.day))
        return (DayEnvelopeStated(self.envelope),)


class Commit(msgspec.Struct, frozen=True):
    """Bind a unit's day to a bid, if it can be kept beside all that it is bound to.

    `either` is what stays bound while an earlier revision may be awarded as well.
    """

    unit: Id
    day: date
    policy: Id
    commitment: Commitment
    either: Commitment | None = None

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.unit, self.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"trading_unit.{self.unit}", f"envelope.{self.unit}", f"exclusivity.{self.policy}")

    def decide(self, state: UnitDay | None, others: Mapping[str, object]) -> tuple[CommitmentMade]:
        """Raises:
        Refused: `unknown_trading_unit`, `unknown_exclusivity`, `envelope_missing`, `bid_second`, and what
            `feasibility.check` refuses.
        """
        unit = _unit(others, self.unit)
        policy = known(others, f"exclusivity.{self.policy}", Policy)
        held, bound = state or UnitDay(), self.either or self.commitment
        slots = slots_of(unit.zone, self.day)
        start = midnight(self.day, zone_of(unit.zone))
        envelope = held.envelope
        if envelope is None:
            standing = cast("History[UnitEnvelope] | None", others.get(f"envelope.{self.unit}"))
            version = None if standing is None else standing.at(start)
            envelope = None if version is None else DayEnvelope(limits=version.document)
        if envelope is None:
            if self.commitment.of is not None:
                return (CommitmentMade(bound),)
            raise Refused(
                "envelope_missing",
                f"nobody stated what unit {self.unit} can do on {self.day}: state its envelope first",
                place="unit",
            )
        day = Day(self.unit, self.day, start, slots, envelope)
        others_held = held.without(self.commitment.bid)
        self._check_only(others_held)
        check(day, others_held, self.commitment, Conflicts(by_arrival(policy)))
        return (CommitmentMade(bound),)

    def _check_only(self, held: tuple[Commitment, ...]) -> None:
        for one in held:
            if one.product == self.commitment.product and one.of == self.commitment.of:
                wrong = f"bid {one.bid} of the unit stands for this product and day; revise that one"
                raise Refused("bid_second", wrong, place="unit")


class Narrow(msgspec.Struct, frozen=True):
    """Put what markets took or awarded in place of what was offered: facts, whatever else the day holds.

    `seen`: the digest of the day on which it was found out what of them cannot be kept.
    """

    unit: Id
    day: date
    commitments: tuple[Commitment, ...]
    seen: str = ""

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.unit, self.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: UnitDay | None, _: Mapping[str, object]) -> tuple[CommitmentMade, ...]:
        """Raises:
        Refused: `conflict` when the day changed since it was looked at."""
        if self.seen and self.seen != digest_of(state or UnitDay()):
            raise Refused("conflict", f"{self.unit}'s day changed meanwhile; try again", place="unit")
        return tuple(CommitmentMade(one) for one in self.commitments)


class Release(msgspec.Struct, frozen=True):
    """Free what a bid bound."""

    unit: Id
    day: date
    bid: Id

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.unit, self.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: UnitDay | None, __: Mapping[str, object]) -> tuple[CommitmentReleased]:
        return (CommitmentReleased(self.bid),)


def by_arrival(policy: Policy) -> Policy:
    """What stands at a market cannot be taken from it, whichever stream the matrix prefers."""
    order = msgspec.structs.replace(policy.order, bid="arrival")
    return msgspec.structs.replace(policy, order=order)


def _unit(others: Mapping[str, object], name: str) -> TradingUnit:
    history: History[TradingUnit] = known(others, f"trading_unit.{name}", History)
    return history.latest.document
