"""Money and invoices under the number of their document: recorded once, by whichever way."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.front_door import FrontDoor, Receipt, Wish
from ledger.command import Command


def book(door: FrontDoor, commands: Sequence[Command], *, command_id: str, actor: str) -> Receipt:
    """Accept all the commands or none; answers where the first one's fact is.

    What is recorded already, the same in everything, is answered as it was recorded.

    Raises:
        Refused: `exists` for another content under a recorded number, and what the commands refuse.
    """
    known = door.recorded_before(commands[0])
    if known is not None:
        return known
    return door.execute_all([Wish(command, command_id) for command in commands], actor=actor)[0]
