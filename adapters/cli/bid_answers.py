"""Commands of a person who sends a bid by hand, or has seen what the market says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.bid_text import stored
from adapters.cli.close import As
from adapters.cli.session import Session
from adapters.cli.submitting import once
from adapters.desk.desk import Desk
from adapters.front_door import Receipt
from trading.bid_life import standing_of
from trading.market_answer import AcknowledgeBid

Name = Annotated[str, Parameter(help="the bid's id")]
Revision = Annotated[int | None, Parameter(help="the revision; what was submitted last, if not stated")]
Said = Annotated[str, Parameter(help="what the market said")]


def add_to(group: App, session: Session) -> None:
    """Add the commands to those about bids."""

    def noted(name: str, stated: int | None, work: Callable[[Desk, int, str], Receipt]) -> None:
        with session.open() as stack:
            stack.caught_up()
            desk = Desk(stack.door, stack.database)
            revision = standing_of(desk.state(name), name).draft.revision if stated is None else stated
            print(stored(desk, name, work(desk, revision, once())))

    @group.command
    def send(name: Name, *, by: As, revision: Revision = None) -> None:
        """Put on record that you send a submitted bid by hand now, where no gateway does.

        The gate is checked once more. Then say what the market answered: acknowledge, refuse or unsent.
        """
        noted(name, revision, lambda desk, at, once_: desk.send(name, at, command_id=once_, actor=by))

    @group.command
    def acknowledge(name: Name, reference: str, *, by: As, revision: Revision = None) -> None:
        """Say that the market has a bid that was sent, under its own REFERENCE."""

        def work(desk: Desk, at: int, once_: str) -> Receipt:
            return desk.acknowledge(AcknowledgeBid(name, at, reference), command_id=once_, actor=by)

        noted(name, revision, work)

    @group.command
    def refuse(name: Name, reason: Said, *, by: As, revision: Revision = None) -> None:
        """Say that the market did not take a bid: what it bound is free."""

        def work(desk: Desk, at: int, once_: str) -> Receipt:
            return desk.refuse(name, at, reason, command_id=once_, actor=by, by_hand=True)

        noted(name, revision, work)

    @group.command
    def unsent(name: Name, reason: Said, *, by: As, revision: Revision = None) -> None:
        """Say that the market does not have a bid that was to be sent: it may be sent again."""

        def work(desk: Desk, at: int, once_: str) -> Receipt:
            return desk.note_unsent(name, at, reason, command_id=once_, actor=by)

        noted(name, revision, work)

    @group.command
    def withdrawn(name: Name, reason: Said, *, by: As, revision: Revision = None) -> None:
        """Say that the market gave back a bid that was asked for: what it bound is free."""

        def work(desk: Desk, at: int, once_: str) -> Receipt:
            return desk.withdraw(name, at, reason, command_id=once_, actor=by, by_hand=True)

        noted(name, revision, work)
