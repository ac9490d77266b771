"""What a bid binds beside itself: its unit's day, those of units that share its sites, and limits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np

from adapters.front_door import Wish
from adapters.postgres.database import Database
from adapters.queries import registered, unit_facts
from adapters.settling import lowest_position
from ledger.contract import Contract
from ledger.effective import History
from ledger.interval import Interval, midnight, zone_of
from ledger.refusal import Refused
from ledger.trading_unit import TradingUnit
from trading.bid import Bid
from trading.bid_commands import check_contracts, limit_values, versions_on
from trading.bid_life import BidState, LimitPart, Standing, with_behind
from trading.commitment import Commit, Narrow, Release, UnitDay, aggregate_of
from trading.envelope import SLOT_S
from trading.exposure import exposure_of
from trading.feasibility import Commitment
from trading.product import Market, Product
from trading.risk import RiskPolicy
from trading.segments import Whole, offered_range_w
from trading.usage import FreeLimit, KeepUse, Used, UseLimit

_NOT_SHARED: Final = (0, 1)
_QUERY_DAYS: Final = 31
"""How long after its delivery day a result may change; until then an open limit counts it."""


_KEPT: Final[WeakKeyDictionary[Database, dict[str, tuple[object, SiteTies]]]] = WeakKeyDictionary()
"""What was read last of each book, and by what it is known that nothing was registered since."""


class SiteTies:
    """What is tied to a unit's sites on a day: other units that share them, and contracts."""

    def __init__(
        self, units: Mapping[str, History[TradingUnit]], contracts: Mapping[str, Sequence[Contract]]
    ) -> None:
        self._units = units
        self._contracts = contracts
        self._on_day: dict[date, dict[str, frozenset[str]]] = {}
        self._members_on: dict[tuple[str, date], dict[str, int]] = {}

    @classmethod
    def read(cls, database: Database, book: str) -> SiteTies:
        """From what is registered; what did not change since it was last read is not read again.

        Versions are only ever added, so that the newest one's event and their number tell all of them.
        """
        with database.reading(book) as connection:
            position = lowest_position(connection)
            mark = connection.execute(
                "SELECT max(from_seq), count(*) FROM ledger.registered"
                " WHERE kind IN ('trading_unit', 'contract') AND from_seq <= %s",
                [position],
            ).fetchone()
            kept = _KEPT.setdefault(database, {})
            if book in kept and kept[book][0] == mark:
                return kept[book][1]
            known = unit_facts.units(connection, position)
            contracts = registered.load(connection, "contract", Contract, position).versions
        ties = cls(
            {name: one.history for name, one in known.items()},
            {name: [one.document for one in versions] for name, versions in contracts.items()},
        )
        kept[book] = mark, ties
        return ties

    def contracts(self, bid: Bid) -> tuple[str, ...]:
        """The contracts that hold on the day for any of the unit's sites."""
        sites = self._members(bid.unit, bid).keys()
        return tuple(name for name, its in self._held(bid.day).items() if not its.isdisjoint(sites))

    def _held(self, day: date) -> dict[str, frozenset[str]]:
        """The sites of each contract that holds on the day, by name."""
        held = self._on_day.get(day)
        if held is None:
            sites = {
                name: frozenset(site for one in versions_on(versions, day) for site in one.sites)
                for name, versions in sorted(self._contracts.items())
            }
            held = self._on_day[day] = {name: its for name, its in sites.items() if its}
        return held

    def others(self, unit: str, bid: Bid) -> dict[str, tuple[int, int]]:
        """Other units with some of its sites that day -> (W of these sites, W of all its sites)."""
        own = self._members(unit, bid)
        whole = sum(own.values())
        found: dict[str, tuple[int, int]] = {}
        for other in sorted(self._units):
            if other != unit and (shared := own.keys() & self._members(other, bid).keys()):
                found[other] = sum(own[site] for site in shared), whole
        return found

    def check_clocks(self, unit: str, other: str) -> None:
        """That two units with sites in common have the same days.

        Raises:
            Refused: `zone`.
        """
        own, its = (self._units[name].latest.document.zone for name in (unit, other))
        if own != its:
            wrong = f"{unit} has sites in common with {other}, whose days are of {its} and not of {own}"
            raise Refused("zone", wrong, place="unit")

    def _members(self, unit: str, bid: Bid) -> dict[str, int]:
        """The sites that a unit has at any time of the bid's day, each with the most W of it."""
        known = self._members_on.get((unit, bid.day))
        if known is not None:
            return known
        most: dict[str, int] = {}
        history = self._units.get(unit)
        if history is not None:
            zone = zone_of(history.latest.document.zone)
            day = Interval(midnight(bid.day, zone), midnight(bid.day + timedelta(days=1), zone))
            for instant in _changes(history, day):
                held = history.at(instant)
                for member in () if held is None else held.document.members:
                    if member.stands_at(instant):
                        most[member.site] = max(most.get(member.site, 0), member.capability_w)
        self._members_on[unit, bid.day] = most
        return most


def _changes(history: History[TradingUnit], day: Interval) -> list[datetime]:
    """The day's start, and when a unit or its membership changes within the day."""
    cuts = {day.start}
    for version in history.versions:
        told = [version.period.start, version.period.end]
        told += [at for member in version.document.members for at in (member.since, member.until)]
        cuts |= {at for at in told if at is not None and day.start < at < day.end}
    return sorted(cuts)


def commitment_of(bid: Bid, product: Product) -> Commitment:
    """What a bid may be awarded, as a commitment of its unit."""
    low, high = offered_range_w(bid)
    return _commitment(bid, product, low, high, bid.schedule_w, awarded=False)


def award_of(bid: Bid, product: Product, awarded_w: tuple[int, ...]) -> Commitment:
    """What a bid was awarded, as a commitment of its unit."""
    power = np.array(awarded_w, dtype=np.int64)
    return _commitment(bid, product, np.minimum(power, 0), np.maximum(power, 0), awarded_w, awarded=True)


def _commitment(
    bid: Bid, product: Product, low: Whole, high: Whole, path: tuple[int, ...] | None, *, awarded: bool
) -> Commitment:
    held = product.kind in ("regulation_capacity", "regulation_mileage", "capacity")
    up, down = high, -low
    if product.kind.startswith("regulation") and product.direction == "both":
        up = down = np.maximum(up, down)
    follows = product.energy_check == "schedule" or awarded
    return Commitment(
        bid=bid.id,
        product=bid.product,
        stream=product.stream,
        up_w=_slots(up, product),
        down_w=_slots(down, product),
        path_w=None if held or path is None or not follows else _path(path, product),
        held_s=product.sustain_min * 60 if held or product.energy_check == "none" else None,
        awarded=awarded,
        joint=product.joint,
    )


def _slots(power: Whole, product: Product) -> tuple[int, ...]:
    """Per quarter-hour: an interval's power in each of its quarters, the largest of shorter ones."""
    if product.interval_s >= SLOT_S:
        return tuple(np.repeat(power, product.interval_s // SLOT_S).tolist())
    return tuple(power.reshape(-1, SLOT_S // product.interval_s).max(axis=1).tolist())


def _path(path: tuple[int, ...], product: Product) -> tuple[int, ...]:
    """Per quarter-hour, or as it is where the intervals are shorter."""
    return tuple(np.repeat(np.array(path, dtype=np.int64), max(product.interval_s // SLOT_S, 1)).tolist())


def scaled(commitment: Commitment, unit: str, shared_w: int, whole_w: int) -> Commitment:
    """The part of a commitment that falls on shared sites, rounded up: another unit's day records it."""

    def part(power: int) -> int:
        return -(-power * shared_w // whole_w)

    return Commitment(
        bid=commitment.bid,
        product=commitment.product,
        stream=commitment.stream,
        up_w=tuple(map(part, commitment.up_w)),
        down_w=tuple(map(part, commitment.down_w)),
        path_w=None if commitment.path_w is None else tuple(map(part, commitment.path_w)),
        or_path_w=tuple(tuple(map(part, path)) for path in commitment.or_path_w),
        held_s=commitment.held_s,
        awarded=commitment.awarded,
        of=unit,
        joint=commitment.joint,
    )


def either(revisions: Sequence[Commitment]) -> Commitment:
    """What must stay bound while each of these revisions, the newest first, may be awarded."""
    newest = revisions[0]
    paths = dict.fromkeys(path for one in revisions for path in one.paths_w)
    first, *rest = paths if all(one.paths_w for one in revisions) else (None,)
    held = [one.held_s for one in revisions if one.held_s is not None]
    return Commitment(
        bid=newest.bid,
        product=newest.product,
        stream=newest.stream,
        up_w=tuple(map(max, zip(*(one.up_w for one in revisions), strict=True))),
        down_w=tuple(map(max, zip(*(one.down_w for one in revisions), strict=True))),
        path_w=first,
        or_path_w=tuple(path for path in rest if path is not None),
        held_s=max(held, default=None),
        of=newest.of,
        joint=newest.joint,
    )


def bound_by(standings: Sequence[Standing], product: Product) -> Commitment:
    """What revisions that may be awarded, the newest first, bind together."""
    return either([commitment_of(one.bid, product) for one in standings])


class Binding:
    """The commands that are saved with a submission, and with its end."""

    def __init__(self, ties: SiteTies) -> None:
        self._ties = ties

    def uses(
        self, policy: RiskPolicy, bid: Bid, market: Market, product: Product, by: str
    ) -> tuple[LimitPart, ...]:
        """Which limits the bid uses, and how much of each."""
        exposure = exposure_of(bid, product)
        return tuple(
            LimitPart(name, value, str(exposure.of(limit.measure)))
            for (name, value), limit in limit_values(policy.limits, bid, market, by).items()
        )

    def contracts(self, bid: Bid) -> tuple[str, ...]:
        """The contracts that say what its sites may be offered for."""
        return self._ties.contracts(bid)

    def check_contracts(self, bid: Bid, product: Product, state: Callable[[str], object]) -> None:
        """Raises:
        Refused: `contract_forbids` where a contract keeps one of the unit's sites out of the stream."""
        names = self.contracts(bid)
        check_contracts(
            names, bid, product, {f"contract.{name}": state(f"contract.{name}") for name in names}
        )

    def units(self, bid: Bid) -> tuple[str, ...]:
        """The units whose days it binds."""
        return (bid.unit, *self._ties.others(bid.unit, bid))

    def take(
        self,
        policy: RiskPolicy,
        bid: Bid,
        product: Product,
        state: BidState | None,
        uses: tuple[LimitPart, ...],
        overridden: tuple[str, ...],
        command_id: str,
    ) -> list[Wish]:
        """What a submission saves beside itself; `state` is the bid's, None for one that is not known yet."""
        new = commitment_of(bid, product)
        before, old = ((), ()) if state is None else (state.awardable, state.replaced)
        also = either([new, *(commitment_of(one.bid, product) for one in old)]) if old else None
        wishes = [Wish(Commit(bid.unit, bid.day, policy.exclusivity, new, also), command_id)]
        for unit, (shared, whole) in self._ties.others(bid.unit, bid).items():
            self._ties.check_clocks(bid.unit, unit)
            part = scaled(new, bid.unit, shared, whole)
            rest = None if also is None else scaled(also, bid.unit, shared, whole)
            wishes.append(Wish(Commit(unit, bid.day, policy.exclusivity, part, rest), command_id))
        limits = {limit.id: limit for limit in policy.limits}
        amounts = _amounts(uses, *(one.uses for one in old))
        for part_ in uses:
            used = Used(bid.id, str(amounts.pop((part_.limit, part_.value))), until(bid))
            limit = limits[part_.limit]
            use = UseLimit(limit, part_.value, bid.day, used, part_.limit in overridden, part_.amount)
            wishes.append(Wish(use, command_id))
        asked = {(part_.limit, part_.value) for part_ in uses}
        gone = _amounts(*(one.uses for one in before)).keys() - amounts.keys() - asked
        return wishes + _used(policy, bid, amounts, gone, command_id)

    def keep(
        self, policy: RiskPolicy, before: Sequence[Standing], after: Sequence[Standing], command_id: str
    ) -> list[Wish]:
        """What of each limit the revisions `after` use, in place of what those `before` did: facts."""
        amounts = _amounts(*(one.uses for one in after))
        gone = _amounts(*(one.uses for one in before)).keys() - amounts.keys()
        return _used(policy, before[0].draft.bid, amounts, gone, command_id)

    def unbound(self, bid: Bid, commitment: Commitment, state: Callable[[str], object]) -> str | None:
        """A unit with sites in common whose day does not bind the bid's part of them; None where all do."""
        for unit, (shared, whole) in self._ties.others(bid.unit, bid).items():
            self._ties.check_clocks(bid.unit, unit)
            part, day = scaled(commitment, bid.unit, shared, whole), state(aggregate_of(unit, bid.day))
            held = day.of(bid.id) if isinstance(day, UnitDay) else None
            if held is None or not (_holds(held.up_w, part.up_w) and _holds(held.down_w, part.down_w)):
                return unit
        return None

    def narrow(self, ends: Sequence[tuple[Standing, Commitment]], command_id: str) -> list[Wish]:
        """What acknowledgements and awards put in the place of what was bound: one command a unit's day."""
        found: dict[tuple[str, date], list[Commitment]] = {}
        for standing, commitment in ends:
            bid = standing.draft.bid
            found.setdefault((bid.unit, bid.day), []).append(commitment)
            shares = self._ties.others(bid.unit, bid)
            for unit in standing.units[1:]:
                shared, whole = shares.get(unit, _NOT_SHARED)
                part = scaled(commitment, bid.unit, shared, whole)
                found.setdefault((unit, bid.day), []).append(part)
        return [Wish(Narrow(unit, day, tuple(all_)), command_id) for (unit, day), all_ in found.items()]

    def free(self, policy: RiskPolicy, standing: Standing, command_id: str) -> list[Wish]:
        """What an end without an award gives back."""
        bid = standing.draft.bid
        ended = with_behind(standing)
        units = dict.fromkeys(unit for one in ended for unit in one.units)
        wishes = [Wish(Release(unit, bid.day, bid.id), command_id) for unit in units]
        return wishes + self.keep(policy, ended, (), command_id)


def _holds(bound: Sequence[int], wanted: Sequence[int]) -> bool:
    return all(have >= want for have, want in zip(bound, wanted, strict=True))


def _amounts(*uses: tuple[LimitPart, ...]) -> dict[tuple[str, str], Fraction]:
    """The most that any of the revisions uses, by limit and for whom."""
    most: dict[tuple[str, str], Fraction] = {}
    for part in itertools.chain(*uses):
        key = part.limit, part.value
        most[key] = max(most.get(key, Fraction(0)), Fraction(part.amount))
    return most


def _used(
    policy: RiskPolicy,
    bid: Bid,
    amounts: Mapping[tuple[str, str], Fraction],
    gone: Collection[tuple[str, str]],
    command_id: str,
) -> list[Wish]:
    limits = {limit.id: limit for limit in policy.limits}
    wishes: list[Wish] = []
    for (name, value), amount in amounts.items():
        if name in limits:
            used = Used(bid.id, str(amount), until(bid))
            wishes.append(Wish(KeepUse(limits[name], value, bid.day, used), command_id))
    for name, value in sorted(gone):
        if name in limits:
            wishes.append(Wish(FreeLimit(limits[name], value, bid.day, bid.id), command_id))
    return wishes


def until(bid: Bid) -> datetime:
    """When a bid's part of a limit ends by itself."""
    return midnight(bid.day + timedelta(days=_QUERY_DAYS), zone_of("UTC"))
