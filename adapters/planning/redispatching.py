"""What is sold, dispatched anew: a lost site's part by the others, a spot position as real-time prices come.

Both change the committed paths that a plan is made beside; what was sold stays as it is on record, and the
plan's reason says what is done about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
import numpy as np

from adapters.integrity.registered_rows import Read, check_read
from adapters.planning.portfolio import Horizon, Portfolio, day_of
from adapters.planning.taken import Taken
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.market_gates import market_on
from adapters.queries.price_series import series
from adapters.queries.registered import Register
from dispatch.optimiser.lp import SolverError
from dispatch.plan_check import SiteLimits, Whole
from dispatch.planning.following import follow
from dispatch.planning.site_case import SiteCase
from dispatch.redispatch.lost_site import CommittedSite, prepared, reallocated
from dispatch.redispatch.position import expected_prices, redispatch
from ledger.interval import Interval, midnight, zone_of
from ledger.market_price import Product as PriceKind
from ledger.refusal import Refused
from ledger.site import Site
from ledger.streams import Rule
from ledger.streams.spot import SpotRule
from ledger.streams.spot.rule import DeclarationRecovery, ExecutionPenalty
from trading.product import Market

KEEPS_PERMILLE: Final = 850
"""How much of a real-time price's distance from day-ahead is expected an hour later (docs/planning.md)."""
DEVIATION_MICRO: Final = 5_000
"""Less than 0.005 a kWh, what is expected of prices is not worth leaving what was sold for."""
_NOISE_W: Final = 100
"""What the check lets a plan be off by."""
_HOUR_S: Final = 3600
_MICRO: Final = 1_000_000
_FINED: Final = frozenset({"declaration_recovery", "execution_penalty"})


class AtSite(NamedTuple):
    """A site of the plan: its case as if nothing were committed, and its document."""

    case: SiteCase
    site: Site


class Adjusted(NamedTuple):
    """What is committed as it is to be done; in words what was changed and why not, and what it rests on."""

    taken: dict[str, Taken]
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = ()


class AdjustAsked(NamedTuple):
    """`shared` are the sites of whom only the portfolio's own unit has bound something. `now` as in a
    plan."""

    portfolio: Portfolio
    horizon: Horizon
    now: datetime | None
    shared: frozenset[str]


def adjusted(
    connection: Connection,
    position: int,
    asked: AdjustAsked,
    sites: Sequence[AtSite],
    taken: Mapping[str, Taken],
) -> Adjusted:
    """The unit's commitments dispatched anew; as they are where the portfolio is no unit.

    Raises:
        Discontinuity: a price or rule that is read is not what was recorded.
    """
    if asked.portfolio.unit is None or not any(one.path_w.any() for one in taken.values()):
        return Adjusted(dict(taken))
    found = _without_lost(asked, sites, taken)
    return _in_real_time(connection, position, asked, sites, found)


def _lost(limits: SiteLimits) -> bool:
    return not (int(limits.charge_w_max[0]) or int(limits.discharge_w_max[0]))


def _without_lost(asked: AdjustAsked, sites: Sequence[AtSite], taken: Mapping[str, Taken]) -> Adjusted:
    """Paths of lost sites shared out among the others of the unit, as `reallocated` does."""
    own = [one.case.limits for one in sites if one.case.id in asked.shared]
    none = Taken.nothing(asked.horizon.count)
    lost = [one.id for one in own if _lost(one) and taken.get(one.id, none).path_w.any()]
    if not lost:
        return Adjusted(dict(taken))
    target = np.array([taken.get(one.id, none).path_w for one in own], dtype=np.int64).sum(axis=0)
    committed = [
        CommittedSite(
            limits=prepared(_beside_reserves(one, taken.get(one.id, none)), target),
            path_w=taken.get(one.id, none).path_w,
            lost=_lost(one),
        )
        for one in own
    ]
    done = reallocated(committed)
    at_spot = np.zeros(asked.horizon.count, dtype=np.bool_)
    for one in own:
        at_spot |= taken.get(one.id, none).spot_w != 0
    found = dict(taken)
    stand_in: list[str] = []
    for one, path in zip(own, done.path_w, strict=True):
        before = taken.get(one.id, none)
        if (path != before.path_w).any():
            stand_in += [] if one.id in lost else [one.id]
            spot = np.where(at_spot, path, 0)
            found[one.id] = msgspec.structs.replace(before, path_w=path, spot_w=spot)
    most = int(np.abs(done.missing_w).max())
    others = (
        f"{', '.join(stand_in)} give in for it what they can" if stand_in else "no other site can give it"
    )
    short = f", up to {most} W are missing" if most else ""
    return Adjusted(found, (f"{', '.join(lost)} lost: {others}{short}",))


def _beside_reserves(limits: SiteLimits, taken: Taken) -> SiteLimits:
    """Without the power that is held ready, or may be asked for."""
    up, down = taken.up_w + taken.asked_up_w, taken.down_w + taken.asked_down_w
    return msgspec.structs.replace(
        limits,
        charge_w_max=np.maximum(limits.charge_w_max - down, 0),
        discharge_w_max=np.maximum(limits.discharge_w_max - up, 0),
    )


class _Prices(NamedTuple):
    """10^-6 of money per kWh, an interval of the horizon each, up to the local day's end; until when
    real-time prices were seen."""

    expected_micro: Whole
    seen_until: datetime
    rests_on: str


def _in_real_time(
    connection: Connection, position: int, asked: AdjustAsked, sites: Sequence[AtSite], done: Adjusted
) -> Adjusted:
    """Sites that hold a spot position and nothing besides, at the real-time prices expected of the day."""
    unit = asked.portfolio.unit
    assert unit is not None, "asked for a unit alone"
    holding = [one for one in sites if one.case.id in asked.shared and _spot_alone(done.taken, one.case.id)]
    if asked.now is None or not holding:
        return done
    try:
        market, _ = market_on(connection, position, unit.market, day_of(unit.zone, asked.horizon.start))
        rule = _two_settlements(connection, position, market, asked.horizon)
        priced = {
            node: _expected(connection, position, asked, market, node)
            for node in sorted({_node(one.site, market) for one in holding})
        }
    except Refused as refused:
        note = f"spot: what is sold is kept as it is: {refused.reason} ({refused.code})"
        return done._replace(notes=(*done.notes, note))
    found, reasons, notes = dict(done.taken), list(done.reasons), list(done.notes)
    for one in holding:
        prices = priced[_node(one.site, market)]
        try:
            path = _path(one.case, found[one.case.id].path_w, prices.expected_micro)
        except SolverError as error:
            notes.append(f"spot: {one.case.id} keeps what is sold: {error}")
            continue
        before = found[one.case.id]
        off = np.abs(path - before.path_w)
        if off.max() <= _NOISE_W:
            continue
        held = np.zeros(asked.horizon.count, dtype=np.int64)
        held[: len(prices.expected_micro)] = 1
        found[one.case.id] = msgspec.structs.replace(before, path_w=path, spot_w=path, held=held)
        reasons.append(
            f"{one.case.id} re-dispatched at real-time prices up to {prices.seen_until:%Y-%m-%dT%H:%M}Z:"
            f" {int(off.sum()) * asked.horizon.interval_s // _HOUR_S} Wh otherwise than sold"
        )
    rests_on = (*done.rests_on, rule, *(one.rests_on for one in priced.values()))
    return Adjusted(found, tuple(reasons), tuple(notes), rests_on)


def _spot_alone(taken: Mapping[str, Taken], site: str) -> bool:
    """Whether the site's path is a spot position, and nothing else is bound of it."""
    one = taken.get(site)
    if one is None or not one.spot_w.any() or (one.spot_w != one.path_w).any():
        return False
    return not any(getattr(one, name).any() for name in ("up_w", "down_w", "asked_up_w", "asked_down_w"))


def _node(site: Site, market: Market) -> str:
    """Raises:
    Refused: `market_point`."""
    point = site.market_point
    if point is None or point.market != market.id:
        raise Refused("market_point", f"{site.id} is priced at no node of {market.id}", place="spot")
    return point.node


def _two_settlements(connection: Connection, position: int, market: Market, horizon: Horizon) -> str:
    """The rule by which a deviation settles at the real-time price, and is not fined.

    Raises:
        Refused: `market_rule`.
    """
    energy = [one for one in market.products if (one.kind, one.stage) == ("energy", "day_ahead")]
    named = None if not energy or energy[0].settles_as is None else energy[0].settles_as.rule
    rules: Register[Rule]
    if named is not None:
        rules = registered.load(connection, "market_rule", Rule, position, named)  # type: ignore[arg-type]
        held = rules.at(named, horizon.start)
        rule = None if held is None else held.document
        if held is not None and isinstance(rule, SpotRule):
            check_read(connection, Read(frozenset({f"market_rule.{named}"}), frozenset()), position)
            fined = any(isinstance(item, DeclarationRecovery | ExecutionPenalty) for item in rule.items)
            if rule.settlements == "two" and not fined and not _FINED & set(rule.unstated):
                return f"market_rule.{named} v{held.version}"
            wrong = f"{named} fines what is done otherwise than declared, or settles once"
            raise Refused("market_rule", wrong, place="spot")
    wrong = f"no published rule says how {market.id} settles a deviation: name it in settles_as"
    raise Refused("market_rule", wrong, place="spot")


def _expected(
    connection: Connection, position: int, asked: AdjustAsked, market: Market, node: str
) -> _Prices:
    """Raises:
    Refused: `price_missing` before any real-time price of the day, or without its day-ahead prices."""
    horizon = asked.horizon
    assert asked.now is not None, "checked before"
    day = day_of(market.zone, horizon.start)
    zone = zone_of(market.zone)
    begin, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    whole = Interval(begin, end)
    day_ahead = _by_interval(connection, position, market.id, node, "day_ahead", whole, horizon.interval_s)
    seen = min(asked.now, horizon.start)
    real_time = _by_interval(
        connection, position, market.id, node, "real_time", Interval(begin, max(seen, begin)),
        horizon.interval_s,
    )  # fmt: skip
    first = int((horizon.start - begin).total_seconds()) // horizon.interval_s
    keeps = round(_kept_each(horizon.interval_s) * 1000)
    expected = expected_prices(day_ahead, real_time[:first], keeps)[first:][: horizon.count]
    until = begin + timedelta(seconds=len(real_time) * horizon.interval_s)
    return _Prices(expected, until, f"prices of {market.id} {node}: day-ahead, real-time to {until:%H:%M}Z")


def _kept_each(interval_s: int) -> float:
    """The part that is kept from one interval to the next, of what is kept in an hour."""
    return float((KEEPS_PERMILLE / 1000) ** (interval_s / _HOUR_S))


def _by_interval(
    connection: Connection, position: int, market: str, node: str, kind: PriceKind, over: Interval, step: int
) -> Whole:
    """Consecutive prices from `over`'s begin on, as far as they reach, by the plan's intervals."""
    if over.end <= over.start:
        raise Refused("price_missing", "no real-time price of the day is told yet", place="spot")
    found, sources = series(connection, position, market=market, node=node, product=kind, interval=over)
    events = frozenset(at for pair in sources for at in pair)
    check_read(connection, Read(frozenset(), events), position)
    values: list[int] = []
    at = over.start
    for block in found.blocks:
        if block.start > at:
            break
        rows = np.asarray(block.mantissas, dtype=np.int64)
        skip = int((at - block.start).total_seconds()) // found.interval_s
        values += [int(one) * _MICRO // 10**block.scale for one in rows[skip:]]
        at = block.end(found.interval_s)
    path = np.array(values, dtype=np.int64)
    if found.interval_s >= step:
        path = np.repeat(path, found.interval_s // step)
    else:
        each = step // found.interval_s
        path = path[: len(path) // each * each].reshape(-1, each).sum(axis=1) // each
    most = int((over.end - over.start).total_seconds()) // step
    if kind == "day_ahead" and len(path) < most:
        raise Refused("price_missing", f"no day-ahead price of {node} after {at}", place="spot")
    if not len(path):
        raise Refused("price_missing", "no real-time price of the day is told yet", place="spot")
    return path[:most]


def _path(case: SiteCase, sold_w: Whole, price_micro: Whole) -> Whole:
    """The site's new path: of the day's rest by price, after it as sold; at the end of the day it holds what
    it would have held as sold."""
    count = len(price_micro)
    as_sold = follow(case.limits, sold_w)
    whole = case.to_optimise().storage
    end = min(max(int(as_sold.stored_wh[count - 1]) / 1000 - 1e-3, whole.floor_kwh), whole.ceiling_kwh)
    storage = msgspec.structs.replace(whole.until(count), end_kwh=end)
    hours = case.limits.interval_s / _HOUR_S
    done = redispatch(storage, hours, sold_w[:count], price_micro, deviation_micro=DEVIATION_MICRO)
    wish = sold_w.copy()
    wish[:count] = done.setpoint_w
    return np.asarray(follow(case.limits, wish).setpoint_w, dtype=np.int64)
