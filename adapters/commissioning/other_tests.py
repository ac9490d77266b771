"""One step test at a site at a time: each reckons with the whole of the site's connection.

A test takes its device's lease first and looks at the others' then: of two that begin at once, one sees the
other at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.front_door import FrontDoor
from dispatch.control.lease import Lease, day_of_token, lease_aggregate, midnight_after
from ledger.refusal import Refused

LEASE_S: Final = 1800
"""Longer than any test takes; given back as it ends."""
HOLDER: Final = "commission-"
"""So begin the holders of leases that are step tests, and no others."""
_DAY: Final = timedelta(days=1)


def refuse_beside(door: FrontDoor, others: Sequence[str], now: datetime) -> None:
    """`others` are the site's other devices. A test that did not give its lease back may have left its device
    with power: nobody's end of process shortens it, only a new test of that device.

    Raises:
        Refused: `step_test_running`.
    """
    today = now.astimezone(UTC).date()
    days = (today, today - _DAY)
    states = door.states([lease_aggregate(device, day) for device in others for day in days])
    for device in others:
        held = [states[lease_aggregate(device, day)] for day in days]
        lease = next((one for one in held if isinstance(one, Lease)), None)
        if lease is None or not lease.holder.startswith(HOLDER):
            continue
        until = _until(lease)
        if now < until:
            wrong = (
                f"a step test of {device} runs at the same site, and each reckons with the whole connection:"
                f" wait until it ends. One that was killed is over at {until.isoformat()}, or once {device}"
                " is tested again"
            )
            raise Refused("step_test_running", wrong, place=device)


def _until(lease: Lease) -> datetime:
    """When the test is over at the latest: none is cut off by midnight, though its lease is."""
    if lease.until == midnight_after(day_of_token(lease.token)):
        return lease.since + timedelta(seconds=LEASE_S)
    return lease.until
