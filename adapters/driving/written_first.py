"""What the journal keeps, told: the same entry again is the same command."""

from __future__ import annotations

from datetime import date

from adapters.driving.journal import Entry, Journal
from adapters.driving.watched_door import WatchedDoor
from dispatch.control.command_life import DeviceDay, command_aggregate
from dispatch.control.command_records import RecordWrittenFirst
from ledger.refusal import Refused


async def tell_written_first(
    door: WatchedDoor, journal: Journal, entry: Entry, *, certain: bool, after: int = 0
) -> int:
    """Put it on record; its sequence on its day. `after` as in `RecordWritten`.

    Raises:
        StoreLost; Refused: as `RecordWrittenFirst`, but not for what is on record already.
    """
    day = day_of(entry)
    command = RecordWrittenFirst(
        entry.device, day, entry.setpoint, entry.journal, entry.before_w, entry.at, entry.by, certain, after
    )
    try:
        await door.execute(command, f"journal-{entry.journal}")
    except Refused as refused:
        # Told before its end was known: then it stands there as uncertain.
        if refused.code not in ("journal_repeated", "command_id_reused"):
            raise
    state = await door.state(command_aggregate(entry.device, day))
    assert isinstance(state, DeviceDay), "it has a command"
    await journal.told(entry.journal)
    return state.journalled[entry.journal]


def day_of(entry: Entry) -> date:
    """The UTC day on which it was written."""
    return entry.at.date()
