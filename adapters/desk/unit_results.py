"""A unit's positions and profit over days, from what the ledger knows as of a sequence number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from fractions import Fraction
from typing import Final

import msgspec
import numpy as np

from adapters.postgres.database import Connection
from adapters.queries.unit_day import unit_day
from adapters.queries.unit_days import UnitDay, UnitDays
from dispatch.optimiser.perfect_foresight import perfect_foresight
from dispatch.optimiser.site import Storage
from ledger.clauses.flow import exact_text
from ledger.refusal import Refused
from trading.award_conflict import AwardConflict
from trading.envelope import PPM, SLOT_S, UnitEnvelope
from trading.position import Short, Stand, UnitPositions, awarded_wh, by_slot, positions
from trading.product import MICRO
from trading.profit import Column, DayProfit, Dealt, Profit, day_profit, summed

_HOUR_S: Final = 3600
_K: Final = 1000


def unit_positions(
    connection: Connection, book: str, position: int, unit: str, first: date, last: date
) -> list[UnitPositions]:
    """The unit's positions of each day.

    Raises:
        Refused: `unknown_trading_unit`, `position_days`, `meter_interval`.
    """
    days = UnitDays(connection, book, position, unit).days(first, last)
    return [
        msgspec.structs.replace(
            positions(unit, one.day, one.start, one.stands, one.metered),
            not_covered=_not_covered(unit_day(connection, position, unit, one.day).short, one.stands),
        )
        for one in days
    ]


def _not_covered(short: AwardConflict | None, stands: Sequence[Stand]) -> Short | None:
    """What the day lacks, at the worst price of what stands."""
    if short is None:
        return None
    worst = max((short.imbalance(one.product) for one in stands), default=Fraction(0))
    return Short(bid="", beside=short.beside, energy_wh=short.energy_wh, imbalance=exact_text(worst))


def unit_profit(
    connection: Connection, book: str, position: int, unit: str, first: date, last: date
) -> Profit:
    """The unit's day-ahead energy business of each day that it traded.

    Raises:
        Refused: as `unit_positions`; `currency` where the days' markets pay in different ones.
    """
    known = UnitDays(connection, book, position, unit)
    found: list[DayProfit] = []
    currencies: set[str] = set()
    for one in known.days(first, last):
        stand = next(_day_ahead(one.stands), None)
        if stand is None:
            continue
        dealt = _dealt(known, one, stand)
        if dealt is not None:
            found.append(day_profit(dealt))
            currencies.add(known.currency(stand.bid.market, one.day))
    if len(currencies) > 1:
        wrong = f"the days are paid in {', '.join(sorted(currencies))}: ask for each apart"
        raise Refused("currency", wrong, place="unit")
    return summed(unit, currencies.pop() if currencies else "", found)


def _day_ahead(stands: Sequence[Stand]) -> Iterator[Stand]:
    return (one for one in stands if one.energy and one.product.stage == "day_ahead")


def _dealt(known: UnitDays, day: UnitDay, stand: Stand) -> Dealt | None:
    """What is known of the day's trade; None where not even a last price is."""
    slots = len(day.metered.wh)
    price_u = stand.price_u
    if price_u is None:
        last = known.last_prices(stand.bid.market, stand.bid.product, day.day)
        if last is None or len(last[1]) != len(stand.bid.curves):
            return None
        price_u = last[1]
    price = [one / MICRO for one in by_slot(price_u, slots)]
    real_time = _whole(day.metered.real_time)
    schedule = stand.bid.schedule_w
    awarded = awarded_wh(list(_day_ahead(day.stands)), slots)
    envelope = known.envelope(day.day)
    return Dealt(
        day=day.day,
        day_ahead_price=price,
        priced_by="clearing" if stand.price_u is not None else "last_price",
        schedule_wh=None
        if schedule is None
        else [one * SLOT_S / _HOUR_S for one in by_slot(schedule, slots)],
        awarded_wh=_whole(awarded),
        metered_wh=_whole([None if one is None else Fraction(one) for one in day.metered.wh]),
        real_time_price=real_time,
        best=None if envelope is None or real_time is None else _best(envelope, price, real_time),
        settled=day.settled,
    )


def _whole(column: Sequence[Fraction | None]) -> list[Fraction] | None:
    """The column, None where any of it is missing."""
    known = [one for one in column if one is not None]
    return known if len(known) == len(column) else None


def _best(envelope: UnitEnvelope, price: Column, real_time: Column) -> tuple[Column, Column] | None:
    """The best energies for the prices: the optimiser's choice, in whole W, which is then valued exactly."""
    if not envelope.charge_w or not envelope.discharge_w or envelope.ceiling_wh <= envelope.floor_wh:
        return None
    count = len(price)
    storage = Storage(
        charge_kw=envelope.charge_w / _K,
        discharge_kw=envelope.discharge_w / _K,
        floor_kwh=envelope.floor_wh / _K,
        ceiling_kwh=envelope.ceiling_wh / _K,
        start_kwh=envelope.stored_wh / _K,
        end_kwh=envelope.floor_wh / _K,
        charge_efficiency=envelope.charge_ppm / PPM,
        discharge_efficiency=envelope.discharge_ppm / PPM,
        availability=np.ones(count),
        reserve_kwh=np.zeros(count),
    )
    found = perfect_foresight(
        storage,
        SLOT_S / _HOUR_S,
        np.array([float(one) for one in price]),
        np.array([float(one) for one in real_time]),
    )
    return (
        [Fraction(watts * SLOT_S, _HOUR_S) for watts in found.day_ahead_w.tolist()],
        [Fraction(watts * SLOT_S, _HOUR_S) for watts in found.real_time_w.tolist()],
    )
