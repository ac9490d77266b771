"""Bring a damaged book back to what was recorded, as far as any copy reaches, and put it on record.

First both copies are judged, and where only a person can say which to believe, nothing is done unasked;
then the stream's content is kept as evidence; then a whole image of what is right is written beside it, with
a plan. Only then is the stream made anew from the image, on the same sequences, and every row that differs
from the stream. Killed anywhere, it goes on with the plan when it is asked again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from adapters import backup as backups
from adapters import continuity, replay
from adapters.beyond_checkpoint import Kept, Unproven, Wanted, kept_to_stream, unproven
from adapters.front_door import FrontDoor
from adapters.integrity import evidence, known_damage
from adapters.integrity.copies import Copies, side_by_side, stored_messages
from adapters.integrity.judgement import Forked, Judge, Judgement, Roots
from adapters.nats import stream
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.postgres.database import Database
from adapters.replay import ReplayProof
from ledger.repair_record import (
    SET_ASIDE_MAX,
    BeyondCheckpoint,
    RecordRepair,
    Repair,
    SetAside,
    Step,
)
from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.entry_bundle import envelope_leaf

_PLAN: Final = "plan.json"


class Unrepairable(RuntimeError):
    """No copy of some sequences is proven right, so nothing was changed."""

    def __init__(self, judgement: Judgement) -> None:
        shown = ", ".join(map(str, judgement.undecided[:10]))
        more = len(judgement.undecided) - 10
        super().__init__(
            f"no copy of sequence {shown}{f' and {more} more' if more > 0 else ''} is proven right:"
            " nothing was changed; give a backup of the book with --backup FILE"
        )
        self.judgement = judgement


class Survey(msgspec.Struct, frozen=True):
    """What a repair would do: `weak` are the fields that the stream's configuration has wrong, and `rows`
    what it would make anew of tables, None where the stream has to be made anew first. `unproven` are the
    sequences of which a person has to say which copy holds, as only the first `proven` envelopes are by a
    signed checkpoint."""

    judgement: Judgement
    weak: tuple[str, ...]
    rows: ReplayProof | None = None
    unproven: tuple[int, ...] = ()
    proven: int = 0

    @property
    def remakes_stream(self) -> bool:
        return self.judgement.stream_differs or bool(self.weak)

    @property
    def nothing_to_do(self) -> bool:
        right = not self.judgement.faults and not self.remakes_stream and not self.unproven
        return right and (self.rows is None or self.rows.equal)


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A repair that was begun. `remade` is when the stream was made that is to be replaced by the image, ""
    for one that is gone; None leaves the stream alone. `rows` is what is to be done to tables."""

    remade: str | None
    image: str
    payloads_sha256: str
    last_sequence: int
    checkpoint_size: int
    lost: tuple[int, ...]
    set_aside: tuple[SetAside, ...]
    set_aside_count: int
    evidence: evidence.Evidence
    rows: tuple[Step, ...] = ()
    beyond: BeyondCheckpoint | None = None
    fallen: tuple[SetAside, ...] = ()
    """What the archive held where the stream was believed."""


class Repaired(msgspec.Struct, frozen=True):
    """What was done: the record, where it stands (0: nothing was wrong, so nothing is on record), and which
    rows differed."""

    repair: Repair | None
    sequence: int
    rows: ReplayProof


class Shop(NamedTuple):
    """What a repair works with: the operator's connection, a front door for the record, and a folder of its
    own. Nobody else writes or projects meanwhile."""

    operator: NatsClient
    database: Database
    door: FrontDoor
    folder: Path
    max_bytes: int
    replicas: int
    checkpoints: Sequence[Checkpoint]
    backup: Path | None = None
    wanted: Wanted | None = None

    @property
    def book(self) -> str:
        return self.door.book

    @property
    def log(self) -> Log:
        return self.door.recorder.log


def begun(folder: Path) -> Plan | None:
    """The plan of a repair that did not come to its end, if there is one."""
    file = folder / _PLAN
    return msgspec.json.decode(file.read_bytes(), type=Plan) if file.is_file() else None


def survey(shop: Shop) -> Survey:
    """Judge both copies, and where the stream is right compare every row with it; changes nothing.

    Raises:
        Refused: `backup` and the others of `backup.checked` for a backup that does not hold.
    """
    found = _surveyed(shop)
    if found.judgement.undecided or found.remakes_stream or found.unproven:
        return found
    return msgspec.structs.replace(found, rows=replay.compare(shop.log, shop.database))


def repair(shop: Shop, *, actor: str) -> Repaired:
    """Do it.

    Raises:
        Unrepairable: names the sequences; nothing was changed.
        Unproven: names the sequences of which a person has to say which copy holds; nothing was changed.
        Refused: as `survey`; `reason`.
    """
    plan = begun(shop.folder) or _planned(shop)
    if plan is not None and plan.remade is not None and not _holds(shop, plan):
        _remake(shop, plan)

    def before(found: ReplayProof) -> None:
        nonlocal plan
        plan = _with_rows(shop, plan, found)

    rows = replay.mend(shop.log, shop.database, before)
    known_damage.note(shop.database, shop.book, ())
    if plan is None:
        return Repaired(None, 0, rows)
    record = _record(plan)
    receipt = shop.door.execute(RecordRepair(record), command_id=f"repair:{record.id}", actor=actor)
    _finish(shop.folder, plan)
    return Repaired(record, receipt.sequence, rows)


# ---------------------------------------------------------------------- judging


def _surveyed(shop: Shop) -> Survey:
    judgement, weak = _judged(shop), tuple(_weak(shop))
    if judgement.undecided or all(copy == "stream" for copy in judgement.right.values()):
        return Survey(judgement, weak)
    roots = _roots(shop)
    for payload in _right(shop, judgement):
        roots.add(envelope_leaf(payload))
    return Survey(judgement, weak, None, unproven(judgement, roots.proven), roots.proven)


def _roots(shop: Shop) -> Roots:
    return Roots(sorted(shop.checkpoints, key=lambda one: one.size))


def _copies(shop: Shop) -> Iterator[Copies]:
    with shop.database.owning() as connection:
        yield from side_by_side(Log(shop.operator, shop.book), connection)


def _judged(shop: Shop) -> Judgement:
    further: dict[int, bytes] = {}
    if shop.backup is not None:
        manifest = backups.checked(shop.backup)
        further = dict(enumerate(backups.payloads(shop.backup, manifest), 1))
    judge = Judge(shop.checkpoints, further)
    for one in _copies(shop):
        judge.take(one)
    judge.take_backup()
    return judge.judge()


def _weak(shop: Shop) -> list[str]:
    try:
        standing = stream.standing(shop.operator, shop.book)
    except stream.StreamError as error:
        if error.code != stream.NOT_FOUND:
            raise
        return ["there is no stream"]
    weak = stream.weaknesses(standing.config, shop.book, replicas=shop.replicas)
    return weak if standing.state.whole else [*weak, "it says itself that messages are missing"]


# ---------------------------------------------------------------------- planning


def _planned(shop: Shop) -> Plan | None:
    """The plan, written down with evidence and image; None when the stream is as it must be."""
    found = _surveyed(shop)
    if found.judgement.undecided:
        raise Unrepairable(found.judgement)
    if not found.unproven:
        return _written(shop, found) if found.remakes_stream else None
    if shop.wanted is None:
        raise Unproven(found.unproven, found.proven)
    beyond = _beyond(found.unproven, shop.wanted)
    if beyond.believed == "archive":
        return _written(shop, found, beyond)
    kept = kept_to_stream(found.judgement, found.unproven, found.proven, _with_backup(shop))
    return _written(shop, msgspec.structs.replace(found, judgement=kept.judgement), beyond, kept)


def _beyond(sequences: tuple[int, ...], wanted: Wanted) -> BeyondCheckpoint:
    return BeyondCheckpoint(wanted.believed, sequences[0], sequences[-1], len(sequences), wanted.reason)


def _written(
    shop: Shop, found: Survey, beyond: BeyondCheckpoint | None = None, left: Kept | None = None
) -> Plan:
    judgement, folder = found.judgement, shop.folder
    fallen = () if left is None else tuple(map(_set_aside, left.fallen[:SET_ASIDE_MAX]))
    kept = evidence.keep(folder, shop.book, _copies(shop))
    if not found.remakes_stream:
        plan = Plan(None, "", "", judgement.end, found.proven, (), (), 0, kept, beyond=beyond, fallen=fallen)
        _write(folder / _PLAN, msgspec.json.encode(plan))
        return plan
    image = folder / f"image-{kept.sha256[:16]}.backup"
    image.unlink(missing_ok=True)
    roots = _roots(shop)
    digest = hashlib.sha256()

    def right() -> Iterator[bytes]:
        for payload in _right(shop, judgement):
            roots.add(envelope_leaf(payload))
            digest.update(payload)
            yield payload

    backups.write(image, backups.Manifest(backups.FORMAT, shop.book, judgement.end), right())
    disputed = tuple(one.size for one in (*roots.split, *roots.ahead))
    if disputed:
        image.unlink()
        raise Unrepairable(msgspec.structs.replace(judgement, undecided=disputed))
    plan = Plan(
        _made(shop),
        image.name,
        digest.hexdigest(),
        judgement.end,
        roots.proven,
        judgement.lost,
        tuple(map(_set_aside, judgement.forked[:SET_ASIDE_MAX])),
        len(judgement.forked),
        kept,
        beyond=beyond,
        fallen=fallen,
    )
    _write(folder / _PLAN, msgspec.json.encode(plan))
    return plan


def _with_rows(shop: Shop, plan: Plan | None, found: ReplayProof) -> Plan:
    """The plan with the tables that are about to be made anew, written down before they are."""
    steps = tuple(
        Step("rows_restored", table.table, min(table.sequence, found.position), found.position, table.rows)
        for table in found.tables
        if table.difference is not None
    )
    if plan is None:
        kept = evidence.keep_rows(shop.folder, shop.book, msgspec.to_builtins(found))
        proven = _proven(shop, found.position)
        plan = Plan(None, "", "", found.position, proven, (), (), 0, kept)
    known = {step.place for step in plan.rows}
    plan = msgspec.structs.replace(
        plan, rows=(*plan.rows, *(step for step in steps if step.place not in known))
    )
    _write(shop.folder / _PLAN, msgspec.json.encode(plan))
    return plan


def _proven(shop: Shop, last: int) -> int:
    """Of how many of the stream's events up to `last`, which stay, a signed checkpoint is (0: of none)."""
    roots = _roots(shop)
    for _, payload in islice(stored_messages(shop.operator, shop.book), last):
        roots.add(envelope_leaf(payload))
    return roots.proven


def _made(shop: Shop) -> str:
    """When the stream was made; "" while there is none."""
    try:
        return stream.standing(shop.operator, shop.book).created
    except stream.StreamError as error:
        if error.code != stream.NOT_FOUND:
            raise
        return ""


def _right(shop: Shop, judgement: Judgement) -> Iterator[bytes]:
    """The right payload of each sequence up to the judgement's end."""
    for one, further in islice(_with_backup(shop), judgement.end):
        by = {"stream": one.stored, "archive": one.archived, "backup": further}
        payload = by[judgement.right.get(one.sequence, "stream")]
        assert payload is not None, f"sequence {one.sequence} was judged"
        yield payload


def _with_backup(shop: Shop) -> Iterator[tuple[Copies, bytes | None]]:
    """Both copies of each sequence with the backup's, also of those that only the backup has."""
    further: Iterator[bytes] = iter(())
    if shop.backup is not None:
        further = backups.payloads(shop.backup, backups.checked(shop.backup))
    count = 0
    for one in _copies(shop):
        count += 1
        yield one, next(further, None)
    for sequence, payload in enumerate(further, count + 1):
        yield Copies(sequence, None, None, b"", b""), payload


def _set_aside(one: Forked) -> SetAside:
    return SetAside(one.sequence, one.aggregate, one.command_id, one.actor, one.sha256)


def _write(file: Path, content: bytes) -> None:
    partial = file.with_suffix(".new")
    with partial.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    partial.rename(file)
    evidence.sync_folder(file.parent)


# ---------------------------------------------------------------------- doing


def _holds(shop: Shop, plan: Plan) -> bool:
    """Whether the stream is the one that this repair made, with all of the image; it may go on with what was
    appended since."""
    if _weak(shop) or _made(shop) == plan.remade:
        return False
    digest = hashlib.sha256()
    count = 0
    for sequence, payload in islice(stored_messages(shop.operator, shop.book), plan.last_sequence):
        count += 1
        if sequence != count:
            return False
        digest.update(payload)
    return count == plan.last_sequence and digest.hexdigest() == plan.payloads_sha256


def _remake(shop: Shop, plan: Plan) -> None:
    image = shop.folder / plan.image
    manifest = backups.checked(image)
    assert manifest.last_sequence == plan.last_sequence
    stream.delete(shop.operator, shop.book)
    stream.create(shop.operator, shop.book, max_bytes=shop.max_bytes, replicas=shop.replicas)
    log = Log(shop.operator, shop.book)
    backups.append_all(log, backups.payloads(image, manifest))
    assert _holds(shop, plan), "the stream holds what was appended to it"
    made = stream.standing(shop.operator, shop.book)
    continuity.note_compared(shop.operator, shop.database, shop.book, made)


def _record(plan: Plan) -> Repair:
    steps: list[Step] = []
    last = plan.last_sequence
    if plan.remade is not None:
        steps.append(Step("stream_restored", "stream", min(1, last), last, last))
    if plan.set_aside_count:
        named = [one.sequence for one in plan.set_aside]
        steps.append(Step("envelopes_set_aside", "stream", min(named), max(named), plan.set_aside_count))
    if plan.beyond is not None and plan.beyond.believed == "stream":
        first, last_one = plan.beyond.first, plan.beyond.last
        steps.append(Step("envelopes_set_aside", "envelope", first, last_one, plan.beyond.count))
    if plan.lost:
        steps.append(Step("envelopes_lost", "stream", plan.lost[0], plan.lost[-1], len(plan.lost)))
    return Repair(
        plan.evidence.sha256[:32],
        last,
        plan.checkpoint_size,
        (*steps, *plan.rows),
        (*plan.set_aside, *plan.fallen)[:SET_ASIDE_MAX],
        plan.evidence.file,
        plan.evidence.sha256,
        plan.beyond,
    )


def _finish(folder: Path, plan: Plan) -> None:
    """The evidence stays; what only the repair needed goes."""
    if plan.image:
        (folder / plan.image).unlink(missing_ok=True)
    (folder / _PLAN).unlink()
    evidence.sync_folder(folder)
