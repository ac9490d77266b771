"""How a hand-over's command is named: by the part of the award that it hands over, and the clearing's run."""

from __future__ import annotations

from typing import Final

_PREFIX: Final = "handover:"


def command_id(award: str, run: str) -> str:
    """For the aggregate of a shared award's part.

    >>> command_id("award.b1_1", "D1:2")
    'handover:award.b1_1:D1:2'
    """
    return f"{_PREFIX}{award}:{run}"


def award_of(command: str) -> str | None:
    """The aggregate that a command of a hand-over names; None for any other command.

    >>> award_of("handover:award.b1_1:D1:2"), award_of("else")
    ('award.b1_1', None)
    """
    if not command.startswith(_PREFIX):
        return None
    name = command.removeprefix(_PREFIX).partition(":")[0]
    return name if name.startswith("award.") else None
