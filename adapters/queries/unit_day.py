"""What a trading unit can do on a delivery day and what it is committed to, as of a sequence number."""

from __future__ import annotations

from datetime import date
from typing import Literal, cast

import msgspec

from adapters.postgres.database import Connection
from adapters.queries.folded import states
from ledger.effective import History
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.policy import Policy
from ledger.interval import Instant, midnight, zone_of
from ledger.refusal import Refused
from ledger.trading_unit import TradingUnit
from trading import risk
from trading.award_conflict import AwardConflict, not_covered
from trading.commitment import UnitDay, aggregate_of, by_arrival
from trading.envelope import DayEnvelope, UnitEnvelope, slots_of
from trading.feasibility import Commitment, Day
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
    cover: Literal["covered", "not_covered", "unknown"] = "unknown"
    """Whether the unit can keep all of them, by the matrix of the risk policy in force; unknown without an
    envelope or a policy."""
    short: AwardConflict | None = None
    """What it lacks where they are `not_covered`; `beside` are the bids that are short."""


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
    slots = slots_of(zone, day)
    answer = UnitDayAnswer(position, name, day, zone, starts, slots, stated, envelope, held.commitments)
    matrix = _matrix(connection, position)
    if envelope is None or matrix is None:
        return answer
    can = Day(name, day, starts, slots, envelope)
    short = not_covered(can, held.commitments, Conflicts(by_arrival(matrix)))
    cover: Literal["covered", "not_covered"] = "covered" if short is None else "not_covered"
    return msgspec.structs.replace(answer, cover=cover, short=short)


def _matrix(connection: Connection, position: int) -> Policy | None:
    desk = states(connection, (risk.AGGREGATE,), position).get(risk.AGGREGATE)
    if not isinstance(desk, risk.Desk) or desk.policy is None:
        return None
    name = f"exclusivity.{desk.policy.exclusivity}"
    found = states(connection, (name,), position).get(name)
    return found if isinstance(found, Policy) else None
