"""What a device does when what it depends on is lost: a table of rows, of which the first that fits holds.

`driver`: nobody writes to the device any more. `nats`: the driver runs, and can record nothing. `plan`: none
is in force. `clock`: nobody knows the time to half a minute.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Part = Literal["driver", "nats", "plan", "clock"]
Action = Literal["follow_plan", "keep_setpoint", "follow_fallback", "stop", "revert"]
"""keep_setpoint: what is written holds, and may be lowered. stop: the driver writes 0. revert: the device's
own watchdog brings it to its safe state, as nobody can write to it."""

PARTS: Final[tuple[Part, ...]] = ("driver", "nats", "plan", "clock")


class Row(NamedTuple):
    """Holds when all of `lost` are lost and, where stated, the conditions are met.

    `agreed`: the site has acknowledged a fallback that covers now. `in_force`: a setpoint is written, has not
    expired, and is not of an emergency that is over.
    """

    lost: frozenset[Part]
    agreed: bool | None
    in_force: bool | None
    action: Action
    why: str


def _lost(*parts: Part) -> frozenset[Part]:
    return frozenset(parts)


TABLE: Final[tuple[Row, ...]] = (
    Row(_lost("driver", "clock"), None, None, "revert", "a schedule cannot be followed without the time"),
    Row(_lost("driver"), True, None, "follow_fallback", "the site's controller follows what it acknowledged"),
    Row(_lost("driver"), False, None, "revert", "no schedule that both sides know"),
    Row(_lost("clock"), None, None, "stop", "nothing that depends on the time may be activated"),
    Row(_lost("nats"), None, True, "keep_setpoint", "its intent is on record until it expires"),
    Row(_lost("nats"), True, False, "follow_fallback", "the schedule was on record before the loss"),
    Row(_lost("nats"), False, False, "stop", "no intent can be recorded"),
    Row(_lost("plan"), None, True, "keep_setpoint", "a newer plan may come before it expires"),
    Row(_lost("plan"), True, False, "follow_fallback", "the schedule takes the plan's place"),
    Row(_lost("plan"), False, False, "stop", "nothing says what else to do"),
    Row(_lost(), None, None, "follow_plan", "nothing is lost"),
)


def on_loss(lost: frozenset[Part], *, agreed: bool, in_force: bool) -> Row:
    """The row that holds.

    >>> on_loss(frozenset({"nats"}), agreed=True, in_force=True).action
    'keep_setpoint'
    """
    return next(
        row
        for row in TABLE
        if row.lost <= lost and row.agreed in (None, agreed) and row.in_force in (None, in_force)
    )
