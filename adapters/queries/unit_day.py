"""What a trading unit can do on a delivery day and what it is committed to, as of a sequence number."""

from __future__ import annotations

from datetime import date
from typing import Literal, cast

import msgspec

from adapters.postgres.database import Connection
from adapters.queries.folded import states
from ledger.effective import History
from ledger.interval import Instant, midnight, zone_of
from ledger.refusal import Refused
from ledger.trading_unit import TradingUnit
from trading.commitment import UnitDay, aggregate_of
from trading.envelope import DayEnvelope, UnitEnvelope, slots_of
from trading.feasibility import Commitment
from trading.product import DAY_FIRST, DAY_LAST


class UnitDayAnswer(msgspec.Struct, frozen=True):
    """`envelope` is the day's own or the standing one, as `stated` says; None where nobody stated one.

    Powers are W for each of `slots` quarter-hours from `starts` on; commitments in the order in which they
    were made.
    """

    position: int
    unit: str
    day: date
    zone: str
    starts: Instant
    slots: int
    stated: Literal["day", "standing", "missing"]
    envelope: DayEnvelope | None
    commitments: tuple[Commitment, ...]


def unit_day(connection: Connection, position: int, name: str, day: date) -> UnitDayAnswer:
    """A unit's day.

    Raises:
        Refused: `unknown_trading_unit`; `delivery_day` for one beyond the years that are kept.
    """
    if not DAY_FIRST <= day <= DAY_LAST:
        raise Refused("delivery_day", f"{DAY_FIRST} to {DAY_LAST}", place="day")
    of_day = aggregate_of(name, day)
    found = states(connection, (f"trading_unit.{name}", f"envelope.{name}", of_day), position)
    history = cast("History[TradingUnit] | None", found.get(f"trading_unit.{name}"))
    if history is None:
        raise Refused("unknown_trading_unit", f"no trading unit {name!r} is registered", place="name")
    zone = history.latest.document.zone
    starts = midnight(day, zone_of(zone))
    held = cast("UnitDay | None", found.get(of_day)) or UnitDay()
    envelope = held.envelope
    stated: Literal["day", "standing", "missing"] = "day"
    if envelope is None:
        standing = cast("History[UnitEnvelope] | None", found.get(f"envelope.{name}"))
        version = None if standing is None else standing.at(starts)
        envelope = None if version is None else DayEnvelope(limits=version.document)
        stated = "missing" if version is None else "standing"
    return UnitDayAnswer(
        position, name, day, zone, starts, slots_of(zone, day), stated, envelope, held.commitments
    )
