"""What the handlers work with: the front door, the projections, and who they are for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from adapters.awaited_door import AwaitedDoor
from adapters.front_door import FrontDoor
from adapters.http.proven_keys import ProvenKeys
from adapters.http.recent_keys import RecentKeys
from adapters.nats.log import Log
from adapters.nats.question import ANSWER_S
from adapters.postgres.database import Database


class Service(NamedTuple):
    """One book's API. `projector_status` says why a projector in this process halted, or None."""

    door: FrontDoor
    database: Database
    projector_status: Callable[[], str | None]
    clock: Callable[[], datetime]
    recent: RecentKeys
    proven: ProvenKeys
    awaited: AwaitedDoor

    @property
    def book(self) -> str:
        return self.door.book

    @property
    def log(self) -> Log:
        return self.door.recorder.log

    def last_sequence(self, *, within: float = ANSWER_S) -> int:
        """The stream's last sequence; 0 for an empty book. Asked again for `within` seconds.

        Raises:
            StoreUnavailable, nats.errors.Error, TimeoutError: NATS does not answer.
        """
        return self.log.client.run(self.log.last_sequence(within=within))
