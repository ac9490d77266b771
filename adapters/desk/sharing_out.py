"""After a clearing: each awarded bid is shared out among the sites that stood in its unit at that time.

A site's headroom is what it can do that day less what it is to do for other awards, in the same direction.
A clearing's run is shared out once; a corrected run again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

import msgspec
import numpy as np

from adapters.desk.desk import Desk
from adapters.front_door import Receipt, Wish
from adapters.links.known_as import clearing_thing
from adapters.nats.log import BATCH_MESSAGES_MAX
from adapters.postgres.database import Connection
from adapters.queries import bids
from adapters.queries.bids import BidFilter
from adapters.settling import wait_until
from ledger.clauses.share import portion
from ledger.effective import History
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.trading_unit import Member, TradingUnit
from trading.award import SITES_MAX, ShareAward, SharedAward, Shares, Takers, Whole, aggregate_of, share_out
from trading.bid import Bid
from trading.clearing import Clearing, ClearingState, clearing_id
from trading.envelope import SLOT_S
from trading.product import Market, Product
from trading.sharing import AvailableSites, SharingTerms, available_aggregate

_FINE_S: Final = 300
"""Awards of products of unlike intervals are compared by the shortest of them."""
_PROJECTED_S: Final = 60.0
_S_PER_HOUR: Final = 3600

_decode: Final = msgspec.json.Decoder(SharedAward).decode


class SharedOut(NamedTuple):
    """A bid's award shared out; `recorded` is False when this run of the clearing was before."""

    bid: str
    sequence: int
    recorded: bool
    gap_wh: int
    """What no site stands behind, in either direction, cut off to Wh."""


class _Cleared(NamedTuple):
    bid: Bid
    awarded_w: Whole


class SharingOut:
    """One desk's sharing out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._door = desk.door

    def share(self, market: str, product: str, day: date, *, actor: str) -> list[SharedOut]:
        """Share out what the clearing's run in force awarded; nothing where that was done.

        Raises:
            Refused: `unknown_clearing`; `sharing_missing`, `unit_gap` or `no_members` for a unit that cannot
                be shared out: nothing of the clearing is recorded then.
        """
        clearing, last = self._in_force(market, product, day)
        its_market, its_product = self._desk.product_on(market, product, day)
        wait_until(self._desk.database, self._door.book, last, _PROJECTED_S)
        with self._desk.database.reading(self._door.book) as connection:
            cleared = self._cleared(connection, last, clearing, its_product)
            done, fresh = self._sorted_out(clearing, cleared, its_product)
            held = _Held(connection, day, {one.bid.id for one in fresh}) if fresh else None
        wishes: list[list[Wish]] = []
        gaps: list[int] = []
        for one in fresh:
            assert held is not None, "what is fresh has been looked up"
            takers, terms = self._takers(one, its_market, its_product, held)
            shares = share_out(terms.terms, one.awarded_w, takers)
            held.add(one.bid, takers.sites, shares.sites_w, its_product)
            wishes.append(list(_wishes(one.bid, clearing, takers.sites, shares)))
            gaps.append(_gap_wh(shares.gap_w, its_product))
        receipts = self._record(wishes, actor, clearing)
        done += [
            SharedOut(one.bid.id, receipt.sequence, not receipt.repeated, gap)
            for one, receipt, gap in zip(fresh, receipts, gaps, strict=True)
        ]
        return sorted(done)

    def follow_up(self, market: str, product: str, day: date, *, actor: str) -> Iterator[str]:
        """A line for each award that this run gave and that is shared out anew."""
        for one in self.share(market, product, day, actor=actor):
            if one.recorded:
                gap = f", {one.gap_wh} Wh without a site" if one.gap_wh else ""
                yield f"bid {one.bid}: award shared out among its sites{gap}"

    def _in_force(self, market: str, product: str, day: date) -> tuple[Clearing, int]:
        """The clearing's run in force as of that sequence number."""
        name, log = f"clearing.{clearing_id(market, product, day)}", self._door.recorder.log
        while True:
            state = self._door.state(name)
            if not isinstance(state, ClearingState):
                wrong = f"{product} of {market} on {day} is not cleared"
                raise Refused("unknown_clearing", wrong, place="day")
            last = log.client.run(log.last_sequence())
            if self._door.state(name) == state:
                return state.latest, last

    def _cleared(
        self, connection: Connection, position: int, clearing: Clearing, product: Product
    ) -> list[_Cleared]:
        """The bids that the clearing awarded something; of energy and of what was shared before, all."""
        wanted = BidFilter(
            market=clearing.market, product=clearing.product, first_day=clearing.day, last_day=clearing.day
        )
        found: list[_Cleared] = []
        for one in bids.bids(connection, position, wanted):
            standing = one.state.standing
            if standing is None or standing.clearing != clearing.id:
                continue
            power = np.array(standing.awarded_w, dtype=np.int64)
            before = self._door.state(aggregate_of(one.id, 1))
            if product.kind == "energy" or power.any() or before is not None:
                found.append(_Cleared(standing.draft.bid, power))
        return found

    def _sorted_out(
        self, clearing: Clearing, cleared: Iterable[_Cleared], product: Product
    ) -> tuple[list[SharedOut], list[_Cleared]]:
        done: list[SharedOut] = []
        fresh: list[_Cleared] = []
        for one in cleared:
            name = aggregate_of(one.bid.id, 1)
            before = self._door.accepted(name, _command_id(clearing, 1))
            if before is None:
                fresh.append(one)
            else:
                state = self._door.state(name)
                assert isinstance(state, SharedAward), "what was accepted has a state"
                gap = _gap_wh(np.array(state.gap_w, dtype=np.int64), product)
                done.append(SharedOut(one.bid.id, before.sequence, recorded=False, gap_wh=gap))
        return done, fresh

    def _takers(
        self, cleared: _Cleared, market: Market, product: Product, held: _Held
    ) -> tuple[Takers, SharingTerms]:
        bid = cleared.bid
        history = self._door.state(f"trading_unit.{bid.unit}")
        assert isinstance(history, History), "a bid's unit is registered"
        start, count = market.start_of(bid.day), market.intervals(product, bid.day)
        stated = self._door.state(f"sharing.{bid.unit}")
        version = stated.at(start) if isinstance(stated, History) else None
        if version is None:
            wrong = f"nobody stated how unit {bid.unit} is shared out on {bid.day}: discount and confidence"
            raise Refused("sharing_missing", wrong, place="unit")
        terms = version.document
        assert isinstance(terms, SharingTerms), "a unit's sharing has terms"
        step = timedelta(seconds=product.interval_s)
        times = [Interval(start + step * number, start + step * (number + 1)) for number in range(count)]
        nameplate = _nameplates(history, times)
        sites = tuple(sorted(nameplate))
        capability = np.array([nameplate[site] for site in sites], dtype=np.int64).reshape(-1, count)
        able = self._available(bid, sites, capability, product)
        return (
            Takers(
                sites=sites,
                confidence=tuple(portion(terms.confidence_of(site), "confidence") for site in sites),
                nameplate_w=capability,
                headroom_w=np.maximum(able - held.bound_w(bid, sites, cleared.awarded_w, product), 0),
            ),
            terms,
        )

    def _available(self, bid: Bid, sites: Sequence[str], capability: Whole, product: Product) -> Whole:
        """What each site can do: its capability, or less where that is stated for the day."""
        state = self._door.state(available_aggregate(bid.unit, bid.day))
        if not isinstance(state, AvailableSites):
            return capability
        able = capability.copy()
        for row, site in enumerate(sites):
            if (profile := state.sites.get(site)) is not None:
                able[row] = np.minimum(able[row], _per_interval(profile, product))
        return able

    def _record(self, wishes: Sequence[list[Wish]], actor: str, clearing: Clearing) -> list[Receipt]:
        """In saves that hold all parts of a bid; answers the first part's receipt of each."""
        found: list[Receipt] = []
        batch: list[Wish] = []
        first: list[int] = []

        def save() -> None:
            if batch:
                causation = clearing_thing(clearing.id, clearing.run)
                receipts = self._door.execute_all(batch, actor=actor, causation=causation)
                found.extend(receipts[at] for at in first)
            batch.clear()
            first.clear()

        for parts in wishes:
            if len(batch) + len(parts) > BATCH_MESSAGES_MAX:
                save()
            first.append(len(batch))
            batch.extend(parts)
        save()
        return found


class _Held:
    """What sites are to do for other awards of a day, by the shortest interval that products have."""

    def __init__(self, connection: Connection, day: date, without: set[str]) -> None:
        self._up: dict[str, dict[str, Whole]] = {}
        self._down: dict[str, dict[str, Whole]] = {}
        rows = connection.execute(
            "SELECT a.document::text, m.product->>'kind', (m.product->>'interval_s')::integer,"
            " m.product->>'joint_with'"
            " FROM ledger.registered AS a, LATERAL (SELECT product FROM ledger.registered AS r,"
            " jsonb_array_elements(r.document->'products') AS product WHERE r.kind = 'market'"
            " AND r.id = a.document->>'market' AND product->>'id' = a.document->>'product'"
            " ORDER BY r.version DESC LIMIT 1) AS m"
            " WHERE a.kind = 'award' AND a.to_seq IS NULL AND a.document->>'day' = %s"
            " AND NOT a.document->>'bid' = ANY(%s) ORDER BY a.id",
            [day.isoformat(), sorted(without)],
        ).fetchall()
        parts: dict[str, dict[int, tuple[SharedAward, str, int, str]]] = defaultdict(dict)
        for text, kind, interval_s, partner in rows:
            one = _decode(text)
            joint = None if partner is None else min(one.product, partner)
            power_name = _power_name(one.bid, one.unit, one.market, joint)
            parts[one.bid][one.part] = one, kind, interval_s, power_name
        for of_bid in parts.values():
            run = of_bid[1][0].run
            for one, kind, interval_s, power_name in of_bid.values():
                if one.run == run:
                    power = np.array(list(one.sites.values()), dtype=np.int64)
                    self._put(power_name, tuple(one.sites), power, kind, interval_s)

    def add(self, bid: Bid, sites: Sequence[str], sites_w: Whole, product: Product) -> None:
        """What is shared out now stands against what is shared out next."""
        name = _power_name(bid.id, bid.unit, bid.market, product.joint)
        self._put(name, sites, sites_w, product.kind, product.interval_s)

    def _put(self, name: str, sites: Sequence[str], sites_w: Whole, kind: str, interval_s: int) -> None:
        if not len(sites):
            return
        fine = np.repeat(sites_w, interval_s // _FINE_S, axis=1)
        both = kind.startswith("regulation")
        up = np.abs(fine) if both else np.maximum(fine, 0)
        down = np.abs(fine) if both else np.maximum(-fine, 0)
        for row, site in enumerate(sites):
            for of, power in ((self._up, up[row]), (self._down, down[row])):
                named = of.setdefault(site, {})
                named[name] = np.maximum(named[name], power) if name in named else power

    def bound_w(self, bid: Bid, sites: Sequence[str], award_w: Whole, product: Product) -> Whole:
        """The most that each site is bound to within each interval, in the direction of the award there.

        What is awarded for the same power as this bid's product is left out.
        """
        own = _power_name(bid.id, bid.unit, bid.market, product.joint)
        found = np.zeros((len(sites), len(award_w)), dtype=np.int64)
        each = product.interval_s // _FINE_S
        sign = np.repeat(award_w, each)
        both = product.kind.startswith("regulation")
        for row, site in enumerate(sites):
            others = {name for name in self._up.get(site, ()) if name != own}
            if others:
                up = np.sum([self._up[site][name] for name in others], axis=0, dtype=np.int64)
                down = np.sum([self._down[site][name] for name in others], axis=0, dtype=np.int64)
                bound = np.maximum(up, down) if both else np.where(sign < 0, down, up)
                found[row] = bound.reshape(-1, each).max(axis=1)
        return found


def _power_name(bid: str, unit: str, market: str, joint: str | None) -> str:
    """A bid's power is its own, or that of the joint products of its unit and market."""
    return f"bid {bid}" if joint is None else f"{unit} {market} {joint}"


def _gap_wh(gap_w: Whole, product: Product) -> int:
    return int(np.abs(gap_w).sum()) * product.interval_s // _S_PER_HOUR


def _nameplates(history: History[TradingUnit], times: Sequence[Interval]) -> dict[str, Whole]:
    """Each member's capability in the intervals in which it stands throughout; 0 in others.

    Raises:
        Refused: `unit_gap` for an interval in which no version of the unit holds.
    """
    found: dict[str, Whole] = {}
    for first, last, unit in _same_unit(history, times):
        for member in unit.members:
            rows = [number for number in range(first, last) if _stands(member, times[number])]
            if rows:
                own = found.setdefault(member.site, np.zeros(len(times), dtype=np.int64))
                own[rows] = member.capability_w
    return found


def _same_unit(
    history: History[TradingUnit], times: Sequence[Interval]
) -> Iterator[tuple[int, int, TradingUnit]]:
    """Runs of intervals in which one version of the unit holds."""
    first, before = 0, None
    for number, time in enumerate(times):
        version = history.at(time.start)
        if version is None:
            name = history.latest.document.id
            raise Refused("unit_gap", f"no version of unit {name} holds at {time.start}", place="unit")
        if before is not None and version.number != before.number:
            yield first, number, before.document
            first = number
        before = version
    if before is not None:
        yield first, len(times), before.document


def _stands(member: Member, time: Interval) -> bool:
    if member.since is None and member.until is None:
        return True
    return member.stands_at(time.start) and (member.until is None or time.end <= member.until)


def _per_interval(profile: Sequence[int], product: Product) -> Whole:
    """The least power of the quarter-hours in each interval."""
    power = np.array(profile, dtype=np.int64)
    if product.interval_s >= SLOT_S:
        least: Whole = power.reshape(-1, product.interval_s // SLOT_S).min(axis=1)
        return least
    return np.repeat(power, SLOT_S // product.interval_s)


def _wishes(bid: Bid, clearing: Clearing, sites: Sequence[str], shares: Shares) -> Iterator[Wish]:
    starts = range(0, len(sites), SITES_MAX)
    gap = tuple(shares.gap_w.tolist())
    for number, start in enumerate(starts, 1):
        chunk = sites[start : start + SITES_MAX]
        rows = map(tuple, shares.sites_w[start : start + SITES_MAX].tolist())
        award = SharedAward(
            bid=bid.id,
            unit=bid.unit,
            market=bid.market,
            product=bid.product,
            day=bid.day,
            clearing=clearing.id,
            run=clearing.run,
            part=number,
            parts=len(starts),
            sites=dict(zip(chunk, rows, strict=True)),
            gap_w=gap,
        )
        yield Wish(ShareAward(award), _command_id(clearing, number))


def _command_id(clearing: Clearing, part: int) -> str:
    return f"share:{clearing.id}:{clearing.run}:{clearing.digest}:{part}"
