"""What was done when a damaged book was repaired: on record in the book itself, one aggregate a repair."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from ledger.identity import checked_id
from ledger.refusal import Refused

Action = Literal[
    "stream_restored",
    "rows_restored",
    "envelopes_set_aside",
    "envelopes_lost",
    "stream_set_aside",
    "access_lost",
]
"""The stream was made anew from what was right, rows were made anew from the stream, envelopes of a forked or
broken end were set aside as evidence, sequences were lost that no copy has; a stream beside the book's was
set aside that NATS does not read back, records of the access log were lost."""
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
Believed = Literal["archive", "stream"]
"""Which copy a person believed where no signed checkpoint proves either."""
_REASON_MAX: Final = 2000
SET_ASIDE_MAX: Final = 1000
"""How many of the envelopes set aside are named here; all of them are in the evidence's file."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Step(msgspec.Struct, frozen=True):
    """One thing done, to the sequences `first` to `last` of a stream or the rows of a table."""

    action: Action
    place: str
    """`stream`, the table's name, or which stream beside the book's: `access`, whose numbers are meant then,
    or `telemetry`, of which nothing is numbered."""
    first: int
    last: int
    count: int

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise Refused(
                "repair_action", f"{self.action!r} is not one of {', '.join(ACTIONS)}", place="action"
            )
        if not 0 <= self.first <= self.last or self.count < 0:
            raise Refused(
                "repair_sequences", f"{self.first} to {self.last}, {self.count} of them", place="sequences"
            )


class SetAside(msgspec.Struct, frozen=True):
    """An envelope that did not stay: its command may be given again, under an id of its own."""

    sequence: int
    aggregate: str
    command_id: str
    actor: str
    sha256: str


class BeyondCheckpoint(msgspec.Struct, frozen=True):
    """The `count` sequences from `first` to `last` that stood in another copy than the stream only, with no
    signed checkpoint to prove them: which copy was believed, and why.

    Believing the archive put them into the stream; believing the stream set the archive's aside.
    """

    believed: Believed
    first: int
    last: int
    count: int
    reason: str

    def __post_init__(self) -> None:
        if self.believed not in get_args(Believed):
            raise Refused(
                "repair_believed",
                f"{self.believed!r} is not one of {', '.join(get_args(Believed))}",
                place="believed",
            )
        if not 1 <= self.first <= self.last or not 1 <= self.count <= self.last - self.first + 1:
            raise Refused(
                "repair_sequences", f"{self.first} to {self.last}, {self.count} of them", place="beyond"
            )
        if not 0 < len(self.reason.strip()) <= len(self.reason) <= _REASON_MAX:
            raise Refused("reason", f"say why, in at most {_REASON_MAX} characters", place="reason")


class Repair(msgspec.Struct, frozen=True):
    """A repair as it was done. `last_sequence` is the last that was right, `checkpoint_size` how many
    envelopes the signed checkpoint covers that it was proven against (0: there was none)."""

    id: str
    last_sequence: int
    checkpoint_size: int
    steps: tuple[Step, ...]
    set_aside: tuple[SetAside, ...]
    evidence_file: str
    evidence_sha256: str
    beyond: BeyondCheckpoint | None = None

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        if self.last_sequence < 0:
            raise Refused(
                "repair_sequences", f"{self.last_sequence} is not a sequence", place="last_sequence"
            )
        if not 0 <= self.checkpoint_size <= self.last_sequence:
            raise Refused(
                "repair_sequences",
                f"{self.checkpoint_size} is not 0..{self.last_sequence} envelopes",
                place="checkpoint_size",
            )
        if not self.steps:
            raise Refused("repair_action", "a repair names what it did", place="steps")
        if len(self.set_aside) > SET_ASIDE_MAX:
            raise Refused("repair_sequences", f"at most {SET_ASIDE_MAX} are named here", place="set_aside")
        if not _SHA256.fullmatch(self.evidence_sha256):
            raise Refused("sha256", "64 hexadecimal digits", place="evidence_sha256")


class BookRepaired(msgspec.Struct, frozen=True, tag_field="kind", tag="repair.recorded.v1"):
    repair: Repair

    def apply(self, _: object) -> Repair:
        return self.repair


class RecordRepair(msgspec.Struct, frozen=True, tag_field="command", tag="repair.record"):
    """Put a repair on record."""

    repair: Repair

    @property
    def aggregate(self) -> str:
        return f"repair.{self.repair.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Repair | None, _: Mapping[str, object]) -> tuple[BookRepaired]:
        """Raises:
        Refused: `exists`."""
        if state is not None:
            raise Refused("exists", f"repair {self.repair.id} is on record", place="id")
        return (BookRepaired(self.repair),)
