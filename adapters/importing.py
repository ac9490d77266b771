"""A file of meter readings into the book: checked whole, then stored block by block, and resumable."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from adapters import meters
from adapters.front_door import FrontDoor, Wish
from adapters.meters import Profile
from adapters.meters.report import Parsed
from ledger.effective import History
from ledger.interval import Interval
from ledger.meter import Meter
from ledger.meter_import import (
    CompleteImport,
    Import,
    ImportOpened,
    OpenImport,
    RecordReadings,
    check_clock,
)
from ledger.readings import MeterSpec, Run, run_of
from ledger.refusal import Refused

_BLOCK_BYTES_MAX: Final = 400_000
"""Of packed values; as text in its envelope a block stays well below NATS's limit of 1 MiB."""
_SAVE_BLOCKS_MAX: Final = 250
_SAVE_BYTES_MAX: Final = 8 << 20

Progress = Callable[[int, int], None]
"""Blocks stored, blocks in all."""


class Imported(msgspec.Struct, frozen=True):
    """What an import stored; `repeated` when all of it was stored before."""

    import_id: str
    parsed: Parsed
    blocks: int
    sequence: int
    repeated: bool


class KnownMeters(Mapping[str, MeterSpec]):
    """The meters of the book, each asked for when a file first names it."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._specs: dict[str, MeterSpec | None] = {}

    def __getitem__(self, meter: str) -> MeterSpec:
        if meter not in self._specs:
            history = self._door.state(f"meter.{meter}")
            known = isinstance(history, History)
            self._specs[meter] = _spec(history) if known else None
        spec = self._specs[meter]
        if spec is None:
            raise KeyError(meter)
        return spec

    def __iter__(self) -> Iterator[str]:
        return (meter for meter, spec in self._specs.items() if spec is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _spec(history: object) -> MeterSpec:
    assert isinstance(history, History)
    meter = history.latest.document
    assert isinstance(meter, Meter)
    return meter.spec


def import_file(
    door: FrontDoor,
    data: bytes,
    *,
    file_name: str,
    profile: Profile,
    actor: str,
    accept_valid: bool = False,
    progress: Progress | None = None,
    received_at: datetime | None = None,
) -> Imported:
    """Read the whole file, then store it.

    A file with a rejected reading is refused whole, unless `accept_valid`: then the good readings are
    stored and `Imported.parsed.rejected` tells the rest. The same file with the same profile stores
    nothing twice; after a crash it stores what was missing. With `received_at` a reading of an interval
    that had not ended by then is rejected.

    Raises:
        NotWhole: readings were rejected, without `accept_valid`; nothing was stored.
        Refused: what is wrong with the file as a whole; nothing was stored.
    """
    parsed = meters.read(data, profile, KnownMeters(door), received_at)
    if not accept_valid:
        parsed.require_whole()
    if not parsed.runs:
        if parsed.rejected:
            first = parsed.rejected[0]
            why = f"every reading was rejected, the first ({first.place}) for: {first.reason}"
            raise Refused("rejected", why, place=file_name)
        raise Refused("no_readings", _why_none(parsed), place=file_name)
    if received_at is not None:
        for run in parsed.runs:
            check_clock(run, received_at)
    digest = _digest(data, profile, parsed)
    import_id = digest[:32]
    blocks = blocks_of(import_id, parsed.runs)
    opened = ImportOpened(
        digest=digest,
        file_name=file_name,
        format=str(type(profile).__struct_config__.tag),
        meters=tuple(sorted({run.meter for run in parsed.runs})),
        covers=Interval(min(run.start for run in parsed.runs), max(run.end for run in parsed.runs)),
        blocks=len(blocks),
        readings=parsed.readings,
        rounding_drift_wh=str(parsed.drift_wh),
    )
    begun = door.state(f"import.{import_id}")
    if isinstance(begun, Import):
        opened = begun.opened
    door.execute(OpenImport(import_id, opened), command_id=f"{import_id}:open", actor=actor)
    done = 0
    for save in _saves(blocks):
        door.execute_all(save, actor=actor, causation=f"import.{import_id}")
        done += len(save)
        if progress is not None:
            progress(done, len(blocks))
    receipt = door.execute(CompleteImport(import_id), command_id=f"{import_id}:complete", actor=actor)
    return Imported(import_id, parsed, len(blocks), receipt.sequence, receipt.repeated)


def _why_none(parsed: Parsed) -> str:
    if parsed.accumulated:
        return "only accumulation reads: they are not interval data and cannot be settled"
    return "no reading in the file"


def _digest(data: bytes, profile: Profile, parsed: Parsed) -> str:
    """Of the file, how it was read, and which of its readings were left out."""
    total = hashlib.sha256(data)
    total.update(msgspec.json.encode(profile))
    for entry in parsed.rejected:
        total.update(f"{entry.row} {entry.column} {entry.code}\n".encode())
    return total.hexdigest()


def blocks_of(import_id: str, runs: Sequence[Run]) -> list[RecordReadings]:
    """The runs as one block a meter and UTC month, or several where one would be too large."""
    grouped: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        for piece in _by_utc_month(run):
            grouped[piece.meter, f"{piece.start:%Y-%m}"].append(piece)
    blocks: list[RecordReadings] = []
    for (meter, month), pieces in sorted(grouped.items()):
        pieces.sort(key=lambda piece: (piece.register, piece.start))
        waiting: list[Run] = []
        for piece in pieces:
            if waiting and sum(len(run.wh) for run in waiting) + len(piece.wh) > _BLOCK_BYTES_MAX:
                blocks.append(RecordReadings(meter, month, import_id, tuple(waiting)))
                waiting = []
            waiting.append(piece)
        blocks.append(RecordReadings(meter, month, import_id, tuple(waiting)))
    return blocks


def _by_utc_month(run: Run) -> Iterator[Run]:
    while True:
        year, month = run.start.year + run.start.month // 12, run.start.month % 12 + 1
        count = _count_before(run, datetime(year, month, 1, tzinfo=run.start.tzinfo))
        if count >= run.count:
            yield run
            return
        values, qualities = run.values, run.qualities
        yield run_of(run.meter, run.register, run.start, run.interval_s, values[:count], qualities[:count])
        start = run.start + (run.end - run.start) * count // run.count
        run = run_of(run.meter, run.register, start, run.interval_s, values[count:], qualities[count:])


def _count_before(run: Run, end: datetime) -> int:
    return -(-int((end - run.start).total_seconds()) // run.interval_s)


def _saves(blocks: Sequence[RecordReadings]) -> Iterator[list[Wish]]:
    """Blocks to be stored together: bounded in number and bytes, no aggregate twice."""
    waiting: list[Wish] = []
    aggregates: set[str] = set()
    size = 0
    for index, block in enumerate(blocks):
        weight = sum(len(run.wh) for run in block.runs)
        full = len(waiting) == _SAVE_BLOCKS_MAX or size + weight > _SAVE_BYTES_MAX
        if waiting and (full or block.aggregate in aggregates):
            yield waiting
            waiting, aggregates, size = [], set(), 0
        waiting.append(Wish(block, f"{block.import_id}:{index}"))
        aggregates.add(block.aggregate)
        size += weight
    if waiting:
        yield waiting
