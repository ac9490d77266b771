"""The book of the two portfolios, beside the demo's first one on the same servers and kept by two persons."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from adapters import approving
from adapters.demo.clock import ScaledClock
from adapters.demo.roster import ZONE, RosterSite, roster
from adapters.demo.site_month import MONTH
from adapters.front_door import FrontDoor, Receipt
from adapters.stack import Stack, running
from ledger.command import Command, TimedCommand
from ledger.interval import zone_of
from ledger.settlement.run import Run, Runs
from ledger.statement.life import StatementKey

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
PREPARES: Final = "ada"
APPROVES: Final = "bob"
"""The demo's two persons."""
_SPEED: Final = 60
"""Seconds of the story to each of ours: a chapter's facts stay within its day."""


class PortfolioBook:
    """What the chapters about the portfolios share."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self.stack = stack
        self.console = console

    @cached_property
    def sites(self) -> tuple[RosterSite, ...]:
        return roster()

    @property
    def folder(self) -> Path:
        """Where the chapters put files for people."""
        return self.stack.settings.state / "portfolios"

    def door(self, day: int) -> FrontDoor:
        """The front door on a day of September, from ten o'clock."""
        ten = datetime(2026, 9, day, 10, tzinfo=zone_of(ZONE))
        clock = ScaledClock(ten.astimezone(UTC), _SPEED)
        return FrontDoor(self.stack.recorder, clock, self.stack.door.guard)

    def run(self, contract: str, number: int) -> Run:
        """A recorded run of the month."""
        runs = self.stack.door.state(f"settlement.{contract}_{MONTH}")
        assert isinstance(runs, Runs)
        return runs.runs[number - 1]

    def keys(self, contract: str, number: int) -> list[StatementKey]:
        """The statements of a run, by party."""
        parties = sorted(self.run(contract, number).delta)
        return [StatementKey(contract, str(MONTH), party, number) for party in parties]

    def position(self) -> int:
        """The stream's end, once every projection has reached it."""
        return self.stack.caught_up()


def once(door: FrontDoor, command: Command, actor: str, name: str = "") -> Receipt:
    """Execute a command once, however often the demo is run."""
    return door.execute(command, command_id=_id_of(command, name), actor=actor)


def by_two(door: FrontDoor, command: Command | TimedCommand, name: str = "") -> Receipt:
    """Have it prepared by one person and approved by another, once.

    Raises:
        Refused: what either of them is refused for.
    """
    name = _id_of(command, name)
    prepared = approving.submit(door, command, command_id=name, actor=PREPARES)
    if prepared.proposal is None:
        return prepared.receipt
    return approving.approve(door, prepared.proposal, command_id=f"{name}:approved", actor=APPROVES)


@contextmanager
def portfolio_book(stack: Stack, console: Console) -> Iterator[PortfolioBook]:
    """The book with its projections moving, founded beside the one that `stack` has."""
    settings = msgspec.structs.replace(stack.settings, book=f"{stack.settings.book}-portfolios")
    with running(settings, stack.clock) as beside:
        projector = beside.projector()
        thread = threading.Thread(target=projector.run, name="portfolios' projector")
        thread.start()
        try:
            yield PortfolioBook(beside, console)
        finally:
            projector.stop()
            thread.join()


def _id_of(command: Command | TimedCommand, name: str) -> str:
    if name:
        return f"demo:{name}"
    asked = hashlib.sha256(type(command).__name__.encode() + msgspec.json.encode(command)).hexdigest()
    return f"demo:{asked[:24]}"
