"""What can be wrong with what is kept, by a stable code, with its place and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, get_args

import msgspec

FaultCode = Literal[
    "stream_missing",
    "stream_lost",
    "stream_hole",
    "stream_altered",
    "stream_forked",
    "stream_subject",
    "stream_alien",
    "stream_unreadable",
    "stream_weak",
    "chain_broken",
    "archive_altered",
    "archive_missing",
    "archive_added",
    "tree_altered",
    "checkpoint_split",
    "checkpoint_ahead",
    "checkpoint_file",
    "checkpoint_key",
    "row_altered",
    "run_altered",
    "access_altered",
    "access_gap",
]
FAULT_CODES: Final[tuple[FaultCode, ...]] = get_args(FaultCode)

_REPAIR: Final = "`wattledger repair --dry-run` shows what can be restored, `wattledger repair` does it"
_REBUILD: Final = (
    "`wattledger repair --dry-run` shows which rows differ, `wattledger repair` makes them anew from the"
    " stream"
)
_SEQUENCE: Final = re.compile(r"sequence ([1-9][0-9]*)")
_INSIDE: Final = re.compile(r"(?:table|sequences?) .+")
_CHECKPOINT: Final = (
    "compare with a copy that a witness or an auditor kept (`wattledger log check FILE`); "
    "two signed checkpoints that disagree are evidence, keep both"
)
REMEDIES: Final[dict[FaultCode, str]] = {
    "stream_missing": _REPAIR,
    "stream_lost": _REPAIR,
    "stream_hole": _REPAIR,
    "stream_altered": _REPAIR,
    "stream_forked": _REPAIR,
    "stream_subject": "end what moved them (`subject_transform`), then `wattledger repair`",
    "stream_alien": f"end what wrote it there (a `source` or `mirror`, a lost identity), then {_REPAIR}",
    "stream_unreadable": _REPAIR,
    "stream_weak": "end what weakened it, then `wattledger repair` makes the stream anew as it must be",
    "chain_broken": _REPAIR,
    "archive_altered": _REPAIR,
    "archive_missing": _REPAIR,
    "archive_added": _REPAIR,
    "tree_altered": _REBUILD,
    "checkpoint_split": _CHECKPOINT,
    "checkpoint_ahead": f"events were lost from both copies: {_REPAIR}, with --backup FILE; into an"
    " empty book `wattledger restore FILE` brings a backup back",
    "checkpoint_file": _CHECKPOINT,
    "checkpoint_key": "put the key's file back from its copy; where there is none the log has ended, and"
    " another is begun (docs/transparency-log.md)",
    "row_altered": _REBUILD,
    "run_altered": "a run and the rows it was settled from disagree: where `wattledger replay` finds all rows"
    " right, `wattledger runs void CONTRACT MONTH RUN REASON --as WHO`, then `wattledger settle MONTH`, which"
    " corrects it from them",
    "access_altered": "who can write the access log's files changed what was seen; keep them as evidence",
    "access_gap": "nothing brings the records back; `wattledger repair` puts on record which are lost, and"
    " numbers go on behind them",
}


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong: `place` is a sequence, a table with its key, or a file."""

    code: FaultCode
    place: str
    message: str

    def __post_init__(self) -> None:
        assert self.code in FAULT_CODES, self.code

    @property
    def remedy(self) -> str:
        return REMEDIES[self.code]

    @property
    def inside(self) -> bool:
        """Whether its place is a row, a table or a sequence."""
        return _INSIDE.fullmatch(self.place) is not None

    def __str__(self) -> str:
        return f"{self.code} at {self.place}: {self.message}"


def together(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """What is said alike of sequences that follow each other, said once of all: `sequences 21 to 123`."""
    ranges: dict[tuple[FaultCode, str, int], list[int]] = {}
    said: list[tuple[Fault, list[int]]] = []
    for fault in faults:
        found = _SEQUENCE.fullmatch(fault.place)
        at = int(found[1]) if found is not None else 0
        before = ranges.pop((fault.code, fault.message, at - 1), None) if at else None
        if before is None:
            before = []
            said.append((fault, before))
        if at:
            before.append(at)
            ranges[fault.code, fault.message, at] = before
    return tuple(
        Fault(fault.code, f"sequences {at[0]} to {at[-1]}", fault.message) if len(at) > 1 else fault
        for fault, at in said
    )


def ahead(last: int, signed: int) -> str:
    """That a checkpoint was signed over more envelopes than there are, in a sentence."""
    if not last:
        text = "this book is empty, and a checkpoint was signed over {} envelopes of it: restore a backup"
        return text.format(signed)
    return f"the book ends at {last}, a checkpoint was signed over {signed} envelopes"
