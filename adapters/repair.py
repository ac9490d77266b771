"""Bring a damaged book back to what was recorded, as far as any copy reaches, and put it on record.

First both copies are judged, and where only a person can say which to believe, nothing is done unasked;
then the stream's content is kept as evidence; then a whole image of what is right is written beside it, with
a plan. Only then is the stream made anew from the image, on the same sequences, and every row that differs
from the stream. Killed anywhere, it goes on with the plan when it is asked again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from adapters import backup as backups
from adapters import continuity, replay
from adapters.beyond_checkpoint import Kept, Unproven, Wanted, kept_to_stream
from adapters.integrity import evidence, known_damage
from adapters.integrity.copies import digest_of, stored_messages
from adapters.integrity.judgement import Forked
from adapters.integrity.origin import Chains, NewerEnvelope, origin_at
from adapters.nats import stream
from adapters.nats.log import Log
from adapters.nats.wire import Alien
from adapters.repair_bound import bound, bound_of, stored_bytes
from adapters.repair_survey import (
    Shop,
    Survey,
    Unrepairable,
    checked,
    copies,
    judged,
    roots,
    survey,
    weaknesses,
    with_backup,
)
from adapters.replay import ReplayProof
from ledger.refusal import Refused
from ledger.repair_record import (
    SET_ASIDE_MAX,
    BeyondCheckpoint,
    RecordRepair,
    Repair,
    SetAside,
    Step,
)
from ledger.transparency.entry_bundle import envelope_leaf

__all__ = ["Repaired", "Shop", "Survey", "Unrepairable", "begun", "going_on", "repair", "survey"]

_PLAN: Final = "plan.json"


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A repair that was begun. `remade` is when the stream was made that is to be replaced by the image, ""
    for one that is gone; None leaves the stream alone. `max_bytes` is the size to which that stream might
    grow, 0 where it is gone or had no bound, `image_bytes` what the image takes in a stream. `rows` is what
    is to be done to tables."""

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
    closed_up: int = 0
    """From which sequence on envelopes got lower numbers, as none stood there; 0: all kept theirs."""
    max_bytes: int = 0
    image_bytes: int = 0


class Repaired(msgspec.Struct, frozen=True):
    """What was done: the record, where it stands (0: nothing was wrong, so nothing is on record), and which
    rows differed."""

    repair: Repair | None
    sequence: int
    rows: ReplayProof
    closed_up: int = 0
    """See `Plan`."""


def begun(folder: Path) -> Plan | None:
    """The plan of a repair that did not come to its end, if there is one. A file that is none says nothing of
    the book, which is judged anew."""
    file = folder / _PLAN
    try:
        return msgspec.json.decode(file.read_bytes(), type=Plan) if file.is_file() else None
    except msgspec.MsgspecError:
        return None


def going_on(shop: Shop) -> tuple[Plan | None, Shop]:
    """The plan to go on with, if one was begun that can be carried out.

    Without a whole image of envelopes that go on from each other it cannot: the book is judged anew, and what
    the image has is one more copy where no backup is given.
    """
    plan = begun(shop.folder)
    if plan is None or plan.remade is None or _holds(shop, plan):
        return plan, shop
    image, chains = shop.folder / plan.image, Chains()
    try:
        manifest = backups.checked(image)
    except Refused:
        return None, shop
    try:
        whole = manifest.last_sequence == plan.last_sequence and all(
            chains.goes_on(origin_at(shop.book, sequence, payload), digest_of(payload))
            for sequence, payload in enumerate(backups.payloads(image, manifest), 1)
        )
    except (Alien, NewerEnvelope):
        whole = False
    return (plan, shop) if whole else (None, shop._replace(backup=shop.backup or image))


def repair(shop: Shop, *, actor: str) -> Repaired:
    """Do it. Everything is decoded and judged before a plan is written, and before anything is deleted.

    Raises:
        Unrepairable: names the sequences; nothing was changed.
        Unproven: names the sequences of which a person has to say which copy holds; nothing was changed.
        Refused: as `survey`; `reason`; `no_space`, before the stream is deleted.
    """
    plan, shop = going_on(shop)
    plan = plan or _planned(shop)
    if plan is not None and plan.remade is not None and not _holds(shop, plan):
        _remake(shop, plan)

    def before(found: ReplayProof) -> None:
        nonlocal plan
        plan = _with_rows(shop, plan, found)

    rows = replay.mend(shop.log, shop.database, before)
    known_damage.note(shop.database, shop.book, ())
    if plan is None:
        (shop.folder / _PLAN).unlink(missing_ok=True)
        return Repaired(None, 0, rows)
    record = _record(plan)
    receipt = shop.door.execute(RecordRepair(record), command_id=f"repair:{record.id}", actor=actor)
    _finish(shop.folder, plan)
    return Repaired(record, receipt.sequence, rows, plan.closed_up)


# ---------------------------------------------------------------------- planning


def _planned(shop: Shop) -> Plan | None:
    """The plan, written down with evidence and image; None when the stream is as it must be."""
    found = judged(shop)
    if found.judgement.undecided:
        raise Unrepairable(found.judgement)
    if not found.unproven:
        return _written(shop, found) if found.remakes_stream else None
    if shop.wanted is None:
        raise Unproven(found.unproven, found.proven)
    beyond = _beyond(found.unproven, shop.wanted)
    if beyond.believed == "archive":
        return _written(shop, found, beyond)
    aliens = found.judgement.aliens
    envelopes = (one for one in with_backup(shop) if one[0].sequence not in aliens)
    kept = kept_to_stream(found.judgement, found.unproven, found.proven, envelopes)
    forked = sorted(
        (*kept.judgement.forked, *(one for one in found.judgement.forked if one.sequence in aliens)),
        key=lambda one: one.sequence,
    )
    judgement = msgspec.structs.replace(kept.judgement, forked=tuple(forked))
    return _written(shop, msgspec.structs.replace(found, judgement=judgement), beyond, kept)


def _beyond(sequences: tuple[int, ...], wanted: Wanted) -> BeyondCheckpoint:
    return BeyondCheckpoint(wanted.believed, sequences[0], sequences[-1], len(sequences), wanted.reason)


def _written(
    shop: Shop, found: Survey, beyond: BeyondCheckpoint | None = None, left: Kept | None = None
) -> Plan:
    judgement, folder = found.judgement, shop.folder
    fallen = () if left is None else tuple(map(_set_aside, left.fallen[:SET_ASIDE_MAX]))
    kept = evidence.keep(folder, shop.book, copies(shop))
    if not found.remakes_stream:
        plan = Plan(None, "", "", judgement.end, found.proven, (), (), 0, kept, beyond=beyond, fallen=fallen)
        _write(folder / _PLAN, msgspec.json.encode(plan))
        return plan
    anew = "-anew" if shop.backup == folder / f"image-{kept.sha256[:16]}.backup" else ""
    image = folder / f"image-{kept.sha256[:16]}{anew}.backup"
    image.unlink(missing_ok=True)
    signed = roots(shop)
    digest = hashlib.sha256()
    size = 0

    def right() -> Iterator[bytes]:
        nonlocal size
        for payload in checked(shop, judgement):
            signed.add(envelope_leaf(payload))
            digest.update(payload)
            size += stored_bytes(payload)
            yield payload

    backups.write(image, backups.Manifest(backups.FORMAT, shop.book, judgement.count), right())
    disputed = tuple(one.size for one in (*signed.split, *signed.ahead))
    if disputed:
        image.unlink()
        raise Unrepairable(msgspec.structs.replace(judgement, undecided=disputed))
    replaced = _standing(shop)
    plan = Plan(
        "" if replaced is None else replaced.created,
        image.name,
        digest.hexdigest(),
        judgement.count,
        signed.proven,
        judgement.lost,
        tuple(map(_set_aside, judgement.forked[:SET_ASIDE_MAX])),
        len(judgement.forked),
        kept,
        beyond=beyond,
        fallen=fallen,
        closed_up=judgement.closed_up,
        max_bytes=bound_of(replaced),
        image_bytes=size,
    )
    _write(folder / _PLAN, msgspec.json.encode(plan))
    return plan


def _with_rows(shop: Shop, plan: Plan | None, found: ReplayProof) -> Plan:
    """The plan with the tables that are about to be made anew, written down before they are."""
    steps = tuple(
        Step(
            "rows_restored", table.table, min(table.sequence, found.position), found.position, table.differing
        )
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
    proven = roots(shop)
    for _, payload in islice(stored_messages(shop.operator, shop.book), last):
        proven.add(envelope_leaf(payload))
    return proven.proven


def _standing(shop: Shop) -> stream.Standing | None:
    """What the server says of the stream; None while there is none."""
    try:
        return stream.standing(shop.operator, shop.book)
    except stream.StreamError as error:
        if error.code != stream.NOT_FOUND:
            raise
        return None


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
    standing = _standing(shop)
    if standing is None or standing.created == plan.remade or weaknesses(shop):
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
    max_bytes = bound(shop, _standing(shop), kept=plan.max_bytes, content=plan.image_bytes)
    stream.delete(shop.operator, shop.book)
    stream.create(shop.operator, shop.book, max_bytes=max_bytes, replicas=shop.replicas)
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
