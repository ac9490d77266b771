"""From where a webhook may be told again: from what there is."""

from __future__ import annotations

from adapters.front_door import FrontDoor
from ledger.refusal import Refused


def check_replay(door: FrontDoor, after: int) -> None:
    """That the ledger has come to a sequence number: what follows below one ahead of it would never be told.

    Raises:
        Refused: `live_ahead`.
    """
    log = door.recorder.log
    last = log.client.run(log.last_sequence())
    if after > last:
        raise Refused("live_ahead", f"the ledger ends at {last}, before {after}", place="after")
