"""Trading units: which sites a market sees as one, from when to when, and how its result is shared out.

A unit's membership changes by new versions only; a version holds from its instant on (DOMAIN.md 3.9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec

from ledger.allocation.regulation import CapacityTerms, RegulationTerms
from ledger.allocation.response import ResponseTerms
from ledger.allocation.spot import SpotTerms
from ledger.clauses.share import Amount, amount
from ledger.command import known
from ledger.contract import Id
from ledger.effective import History, Period, Version, extended
from ledger.identity import checked_id
from ledger.interval import Instant, Interval, checked_year, zone_of
from ledger.refusal import Refused

Terms = ResponseTerms | SpotTerms | RegulationTerms | CapacityTerms
"""Who bears what of a stream's result; a unit has one of a kind at most, and trades those streams."""

UnitStream = Literal["demand_response", "spot", "regulation", "capacity"]

T = TypeVar("T", bound=msgspec.Struct)

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site, and the power in W with which it weighs in what the unit promises; [since, until)."""

    site: Id
    capability_w: int
    since: Instant | None = None
    until: Instant | None = None

    def __post_init__(self) -> None:
        checked_id(self.site, "site")
        if self.capability_w <= 0:
            raise Refused("capability", "a member's capability is above 0 W", place="capability_w")
        for instant in (self.since, self.until):
            if instant is None:
                continue
            if instant.tzinfo is None:
                raise Refused("naive_time", "an instant needs its UTC offset", place="since")
            checked_year(instant, "since")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise Refused("interval", f"until {self.until} is not after since {self.since}", place="until")

    def stands_at(self, instant: datetime) -> bool:
        return (self.since is None or self.since <= instant) and (self.until is None or instant < self.until)


class TradingUnit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A market's trading unit; `unit_code` is the market operator's own name for it.

    `operator` is the party that trades it: the market pays it, and it has what the terms leave to the
    operator, and the rounding. `rounding_max`, in major units: the most by which a statement may differ from
    its own items and still be the operator's rounding. `zone` says which month a statement belongs to.
    """

    id: Id
    name: str
    market: Id
    unit_code: str
    operator: Id
    zone: str
    members: tuple[Member, ...]
    terms: tuple[Terms, ...]
    rounding_max: Amount

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        checked_id(self.market, "market")
        checked_id(self.operator, "operator")
        for text, place in ((self.name, "name"), (self.unit_code, "unit_code")):
            if not text.strip():
                raise Refused("empty", f"a unit states its {place}", place=place)
        zone_of(self.zone)
        amount(self.rounding_max, "rounding_max")
        if not self.members:
            raise Refused("no_members", "the aggregate has no sites", place="members")
        ordered = sorted(
            self.members, key=lambda one: (one.site, one.since is not None, one.since or one.until)
        )
        for one, other in pairwise(ordered):
            if one.site == other.site and (
                one.until is None or other.since is None or other.since < one.until
            ):
                raise Refused("member_duplicate", f"{one.site} is a member once at a time", place="members")
        if not self.terms or len(set(self.streams)) != len(self.terms):
            raise Refused("unit_terms", "state the terms of one or more streams, each once", place="terms")

    @property
    def streams(self) -> tuple[UnitStream, ...]:
        tags: list[UnitStream] = []
        for terms in self.terms:
            match terms:
                case ResponseTerms():
                    tags.append("demand_response")
                case SpotTerms():
                    tags.append("spot")
                case RegulationTerms():
                    tags.append("regulation")
                case CapacityTerms():
                    tags.append("capacity")
        return tuple(tags)

    def terms_of(self, kind: type[T]) -> T:
        """Raises:
        Refused: `unit_terms` when the unit does not trade that stream."""
        for terms in self.terms:
            if isinstance(terms, kind):
                return terms
        stream = kind.__struct_config__.tag
        raise Refused("unit_terms", f"unit {self.id} states no terms of {stream}", place=f"unit {self.id}")


class Piece(NamedTuple):
    """A time in which neither the unit nor its membership changes."""

    interval: Interval
    unit: TradingUnit
    members: tuple[Member, ...]
    """Who stands in it, by site; may be nobody."""


def pieces(history: History[TradingUnit], interval: Interval) -> list[Piece]:
    """The unit through `interval`, cut where its version or its membership changes.

    Raises:
        Refused: `unit_gap` for a time in which no version holds, `unit_terms` when the terms or the operator
            change within.
    """
    found = _cut(history, interval)
    name = history.latest.document.id
    reached = interval.start
    for piece in found:
        if piece.interval.start != reached:
            break
        reached = piece.interval.end
    if reached != interval.end:
        raise Refused("unit_gap", f"no version of unit {name} holds at {reached}", place=f"unit {name}")
    if any(_agreed(piece.unit) != _agreed(found[0].unit) for piece in found):
        wrong = f"the terms or the operator of unit {name} change between {interval.start} and {interval.end}"
        raise Refused("unit_terms", f"{wrong}: let them begin with a statement's time", place=f"unit {name}")
    return found


def _agreed(unit: TradingUnit) -> tuple[str, tuple[Terms, ...]]:
    return unit.operator, unit.terms


def unit_digest(history: History[TradingUnit], interval: Interval, stream: UnitStream) -> str:
    """SHA-256 of what a statement of `stream` about `interval` is shared out by.

    That is who stood in the unit when, with which capability; the stream's terms; the unit's code, operator,
    zone and `rounding_max`. A version that changes none of it for any of the interval leaves the digest as it
    is.
    """
    found: list[tuple[datetime, datetime, list[object]]] = []
    for piece in _cut(history, interval):
        unit = piece.unit
        terms = [own for name, own in zip(unit.streams, unit.terms, strict=True) if name == stream]
        members = [(one.site, one.capability_w) for one in piece.members]
        held: list[object] = [
            unit.unit_code,
            unit.operator,
            unit.zone,
            unit.rounding_max,
            terms,
            members,
        ]
        start, end = piece.interval.start.astimezone(UTC), piece.interval.end.astimezone(UTC)
        if found and found[-1][1:] == (start, held):
            start = found.pop()[0]
        found.append((start, end, held))
    return hashlib.sha256(_encode(found)).hexdigest()


def members_during(history: History[TradingUnit], interval: Interval) -> list[str]:
    """The sites that are members for any of the time, in order."""
    return sorted({member.site for piece in _cut(history, interval) for member in piece.members})


def stands(history: History[TradingUnit], site: str, interval: Interval) -> bool:
    """Whether the site is a member for any of the time."""
    return any(
        _meet(start, end, interval.start, interval.end) and site in _sites(unit, start)
        for start, end, unit in _stretches(history)
    )


def check_one_unit(name: str, units: Mapping[str, History[TradingUnit]]) -> None:
    """That no site of unit `name` is in another unit of the same stream at the same time.

    Raises:
        Refused: `unit_overlap`.
    """
    for other, history in sorted(units.items()):
        if other == name:
            continue
        theirs = list(_stretches(history))
        for start, end, unit in _stretches(units[name]):
            for their_start, their_end, their_unit in theirs:
                if unit is None or their_unit is None or not _meet(start, end, their_start, their_end):
                    continue
                shared = sorted(_sites(unit, start) & _sites(their_unit, their_start))
                streams = [stream for stream in unit.streams if stream in their_unit.streams]
                if shared and streams:
                    raise Refused(
                        "unit_overlap",
                        f"site {shared[0]} is in unit {other} for {streams[0]} from"
                        f" {max(start, their_start)}: let it leave that unit first",
                        place="members",
                    )


def _cut(history: History[TradingUnit], interval: Interval) -> list[Piece]:
    """The pieces of `interval` in which a version holds."""
    found: list[Piece] = []
    for start, end, unit in _stretches(history):
        begin = max(start, interval.start)
        stop = interval.end if end is None else min(end, interval.end)
        if begin < stop and unit is not None:
            standing = [member for member in unit.members if member.stands_at(begin)]
            members = tuple(sorted(standing, key=lambda one: one.site))
            found.append(Piece(Interval(begin, stop), unit, members))
    return found


def _stretches(
    history: History[TradingUnit],
) -> Iterator[tuple[datetime, datetime | None, TradingUnit | None]]:
    """Stretches of time between all changes, the last one open, each with the version that holds."""
    cuts = {version.period.start for version in history.versions}
    cuts |= {version.period.end for version in history.versions if version.period.end is not None}
    for version in history.versions:
        for member in version.document.members:
            cuts |= {instant for instant in (member.since, member.until) if instant is not None}
    ordered = sorted(cuts)
    for start, end in zip(ordered, [*ordered[1:], None], strict=True):
        held = history.at(start)
        yield start, end, None if held is None else held.document


def _sites(unit: TradingUnit | None, instant: datetime) -> set[str]:
    return set() if unit is None else {one.site for one in unit.members if one.stands_at(instant)}


def _meet(start: datetime, end: datetime | None, other: datetime, other_end: datetime | None) -> bool:
    return (other_end is None or start < other_end) and (end is None or other < end)


class TradingUnitRegistered(msgspec.Struct, frozen=True, tag_field="kind", tag="unit.registered.v1"):
    period: Period
    unit: TradingUnit

    def apply(self, state: History[TradingUnit] | None) -> History[TradingUnit]:
        return extended(state, self.period, self.unit)


class RegisterTradingUnit(msgspec.Struct, frozen=True, tag_field="command", tag="trading_unit.register"):
    """Register a unit, or the version that replaces it where their times overlap."""

    period: Period
    unit: TradingUnit

    @property
    def aggregate(self) -> str:
        return f"trading_unit.{self.unit.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        sites = (f"site.{site}" for site in sorted({one.site for one in self.unit.members}))
        return (*sites, f"party.{self.unit.operator}")

    def decide(
        self, state: History[TradingUnit] | None, others: Mapping[str, object]
    ) -> tuple[TradingUnitRegistered]:
        """Raises:
        Refused: `unknown_site`, `unknown_party`; `unit_market` for a unit of another market under the same
            id."""
        for name in self.reads:
            known(others, name, History)
        if state is not None and state.latest.document.market != self.unit.market:
            raise Refused("unit_market", f"{self.unit.id} is a unit of another market", place="market")
        return (TradingUnitRegistered(self.period, self.unit),)


def with_version(
    history: History[TradingUnit] | None, period: Period, unit: TradingUnit
) -> History[TradingUnit]:
    """The history as it would be with that version."""
    return extended(history, period, unit)


def history_of(versions: list[tuple[Period, TradingUnit]]) -> History[TradingUnit]:
    """A history from its versions in the order in which they were recorded."""
    return History(tuple(Version(number, *one) for number, one in enumerate(versions, 1)))
