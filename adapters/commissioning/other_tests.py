"""Nobody else writes at a site that is under a step test, driver or test: a test reckons with the whole of
the site's connection, and what another storage is told meanwhile it cannot know.

A test takes its device's lease first and looks at the others' then: of two that begin at once, one sees the
other at least. A driver may begin later, so that each command looks for drivers again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.driving.holder_files import SETTLED_S, HolderFiles
from adapters.front_door import FrontDoor
from dispatch.commissioning.report_text import shown_at
from dispatch.control.lease import Lease, day_of_token, lease_aggregate, midnight_after
from ledger.refusal import Refused

LEASE_S: Final = 1800
"""Longer than any test takes; given back as it ends."""
HOLDER: Final = "commission-"
"""So begin the holders of leases that are step tests, and no others."""
_DAY: Final = timedelta(days=1)


def refuse_beside(
    door: FrontDoor, others: Sequence[str], now: datetime, holders: HolderFiles | None = None
) -> None:
    """`others` are the site's other devices. A test that did not give its lease back may have left its device
    with power: nobody's end of process shortens it, only a new test of that device.

    Raises:
        Refused: `step_test_running`; as `refuse_driven`.
    """
    for device, lease in _leases(door, others, now):
        until = _until(lease)
        if lease.holder.startswith(HOLDER) and now < until:
            wrong = (
                f"a step test of {device} runs at the same site, and each reckons with the whole connection:"
                f" wait until it ends. One that was killed is over at {shown_at(until)}, or once {device}"
                " is tested again"
            )
            raise Refused("step_test_running", wrong, place=device)
    refuse_driven(door, others, now, holders)


def refuse_driven(
    door: FrontDoor, others: Sequence[str], now: datetime, holders: HolderFiles | None = None
) -> None:
    """Another storage of the site is no driver's, either. A driver of this machine's folder that has ended
    tells it nothing more; any other may, until its lease and its last write are over.

    Raises:
        Refused: `lease_held`.
    """
    for device, lease in _leases(door, others, now):
        held = not lease.holder.startswith(HOLDER) and now < lease.free_at
        if held and not has_ended(holders, lease.holder):
            wrong = (
                f"{lease.holder} may write to {device} at the same site, and a step test reckons with the"
                f" whole connection: free from {shown_at(lease.free_at)}; a driver renews that while it"
                " runs: stop it first, or leave the site's storages out of its fleet file"
            )
            raise Refused("lease_held", wrong, place=device)


def has_ended(holders: HolderFiles | None, holder: str) -> bool:
    """Whether it is proven that a holder of this folder has ended, and all that it sent with it."""
    if holders is None:
        return False
    if not holders.ended(holder):
        # It may be seen for the first time, and what it sent be on its way still.
        time.sleep(SETTLED_S)
    return holders.ended(holder)


def _leases(door: FrontDoor, devices: Sequence[str], now: datetime) -> Iterator[tuple[str, Lease]]:
    """The last lease of each device, of this UTC day or the one before."""
    today = now.astimezone(UTC).date()
    days = (today, today - _DAY)
    states = door.states([lease_aggregate(device, day) for device in devices for day in days])
    for device in devices:
        held = [states[lease_aggregate(device, day)] for day in days]
        lease = next((one for one in held if isinstance(one, Lease)), None)
        if lease is not None:
            yield device, lease


def _until(lease: Lease) -> datetime:
    """When a test is over at the latest: none is cut off by midnight, though its lease is."""
    if lease.until == midnight_after(day_of_token(lease.token)):
        return lease.since + timedelta(seconds=LEASE_S)
    return lease.until
