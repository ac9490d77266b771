"""What a device's setpoint register says after a write: ours, the one before, or somebody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal, NamedTuple

Writer = Literal["watchdog", "local_panel", "another_driver", "stranger"]
"""Who is held to have written: the device's own watchdog or revert timer; somebody at the device, which is
not in remote mode; a driver that had the lease before; nobody that is known."""

Answer = Literal["applied", "not_applied", "foreign"]


_AT_ONCE: Final = timedelta()


class ReadBack(NamedTuple):
    """What a reading after a write says, and who wrote where it was not us."""

    answer: Answer
    writer: Writer | None = None


def read_back(
    written_w: int,
    before_w: int | None,
    found_w: int,
    *,
    tolerance_w: int = 0,
    safe_w: int | None = None,
    remote: bool = True,
    earlier_w: tuple[int, ...] = (),
    fallback_s: int | None = None,
    after: timedelta = _AT_ONCE,
    fallen: bool = False,
) -> ReadBack:
    """Judge a reading `found_w` after `written_w`, where `before_w` stood; W, above 0 discharging.

    `tolerance_w` is half a step of the register. `safe_w` is what the device falls back to by itself,
    `remote` whether it obeys us, `earlier_w` what else was written that day. Unknown `before_w` proves
    nothing: a value that is not ours is then somebody else's.

    `after` is how long after the write it was read. What is found in its safe state `fallback_s` or more
    after it may have held ours and fallen back, even where the same stood before: that nothing was applied is
    said only of what was read in time. `fallen`: nothing that was written is obeyed, whatever the register
    holds and however near to it the safe state is.

    >>> read_back(500, 0, 500).answer, read_back(500, 200, 200).answer
    ('applied', 'not_applied')
    >>> read_back(500, 200, 0, safe_w=0)
    ReadBack(answer='foreign', writer='watchdog')
    >>> read_back(500, None, 0, safe_w=0, tolerance_w=600, fallen=True).answer
    'foreign'
    """
    if abs(found_w - written_w) <= tolerance_w and not fallen:
        return ReadBack("applied")
    safe = safe_w is not None and abs(found_w - safe_w) <= tolerance_w
    may_have_held = safe and fallback_s is not None and after >= timedelta(seconds=fallback_s)
    if before_w is not None and abs(found_w - before_w) <= tolerance_w and not may_have_held:
        return ReadBack("not_applied")
    if not remote:
        return ReadBack("foreign", "local_panel")
    if safe:
        return ReadBack("foreign", "watchdog")
    if any(abs(found_w - earlier) <= tolerance_w for earlier in earlier_w):
        return ReadBack("foreign", "another_driver")
    return ReadBack("foreign", "stranger")
