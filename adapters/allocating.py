"""Sharing out what markets told about trading units: read at one sequence number, decide, record."""

from __future__ import annotations

from typing import NamedTuple

from adapters.front_door import FrontDoor, Wish
from adapters.nats.log import BATCH_MESSAGES_MAX
from adapters.postgres.database import Database
from adapters.queries import unit_facts, unit_inputs
from adapters.settling import lowest_position, wait_until
from ledger.allocation.record import RecordAllocation
from ledger.allocation.shares import allocate
from ledger.allocation.unit_allocation import UnitAllocation
from ledger.command import Command
from ledger.interval import Month
from ledger.trading_unit import RegisterTradingUnit, check_one_unit, with_version


class Allocated(NamedTuple):
    """One statement shared out: `recorded` is False when the latest allocation had the same inputs."""

    allocation: UnitAllocation
    version: int
    sequence: int
    recorded: bool


def allocate_month(
    door: FrontDoor,
    database: Database,
    month: Month,
    *,
    actor: str,
    unit: str | None = None,
    timeout: float = 60.0,
) -> list[Allocated]:
    """Share out every statement about a trading unit, or about one, whose time begins in the month.

    Different inputs give the next version, which corrects; settling afterwards takes it over.

    Raises:
        Refused: what a statement cannot be shared out for; nothing of the month was recorded.
        Behind: the projections are not level with the stream in time.
    """
    log = door.recorder.log
    position = log.client.run(log.last_sequence())
    wait_until(database, door.book, position, timeout)
    with database.reading(door.book) as connection:
        inputs = unit_inputs.load(connection, door.book, month, position, unit=unit)
        known = unit_facts.allocations(connection, [one.fact.id for one in inputs], position)
    made = [allocate(*one) for one in inputs]
    done: list[Allocated] = []
    fresh: list[tuple[int, UnitAllocation]] = []
    for allocation in made:
        stored = known.get(allocation.fact)
        if stored is None:
            fresh.append((1, allocation))
        elif stored.allocation.differs_from(allocation) is not None:
            fresh.append((stored.version + 1, allocation))
        else:
            done.append(Allocated(stored.allocation, stored.version, stored.sequence, recorded=False))
    for start in range(0, len(fresh), BATCH_MESSAGES_MAX):
        chunk = fresh[start : start + BATCH_MESSAGES_MAX]
        wishes = [
            Wish(RecordAllocation(one), f"allocate:{version}:{one.inputs_digest}") for version, one in chunk
        ]
        receipts = door.execute_all(wishes, actor=actor, causation=f"sequence:{position}")
        done += [
            Allocated(one, receipt.version, receipt.sequence, recorded=not receipt.repeated)
            for (_, one), receipt in zip(chunk, receipts, strict=True)
        ]
    return sorted(done, key=lambda one: one.allocation.fact)


def check_members(door: FrontDoor, database: Database, command: Command) -> None:
    """That no site of a unit is in another unit of the same stream at once, as far as is projected.

    Two that are registered in the same moment can still pass each other: allocating refuses them.

    Raises:
        Refused: `unit_overlap`.
    """
    if not isinstance(command, RegisterTradingUnit):
        return
    with database.reading(door.book) as connection:
        known = unit_facts.units(connection, lowest_position(connection))
    histories = {name: one.history for name, one in known.items()}
    own = with_version(histories.get(command.unit.id), command.period, command.unit)
    check_one_unit(command.unit.id, histories | {command.unit.id: own})
