"""What is stored of one command on one aggregate: its facts, and who, when, why and after what."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import msgspec

from ledger.effective import Period
from ledger.interval import Instant

E = TypeVar("E")

SCHEMA: Final = 1
TOPIC: Final = "envelope.v1"


class Envelope(msgspec.Struct, Generic[E], frozen=True, forbid_unknown_fields=True):
    """All the facts of one save of one aggregate.

    `command` is the id that makes a repeat answer the first result, `command_digest` the SHA-256 of
    what was asked (the same id with another wish is refused), `actor` an opaque id, `recorded_at`
    when we learned it, `effective` when it holds, `causation` the command or sequence it reacts to,
    `previous` the SHA-256 of the aggregate's previous envelope ("" for its first). `salt` is random: the
    envelope's hash is published, and without a salt a small fact could be guessed from it.
    """

    command: str
    command_digest: str
    actor: str
    recorded_at: Instant
    effective: Period | None
    causation: str
    previous: str
    salt: str
    schema: int
    events: tuple[E, ...]
