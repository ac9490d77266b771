"""What `wattledger repair` finds, does and says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from rich.console import Console

from adapters import access_repair
from adapters.access_log import AccessLog
from adapters.beyond_checkpoint import Unproven, Wanted, described
from adapters.cli.counted import counted
from adapters.cli.session import ACTOR, Session, check_folder
from adapters.continuity import Discontinuity
from adapters.embedded import unreadable
from adapters.embedded.nats_server import NatsServer
from adapters.integrity import checkpoint_files
from adapters.integrity.fault import Fault
from adapters.mapper import UnknownEvent
from adapters.nats import access_stream, stream, telemetry_stream
from adapters.repair import Repaired, Shop, Survey, Unrepairable, begun, going_on, repair, survey
from adapters.settings import Settings
from adapters.settling import lowest_position
from adapters.stack import Stack, running
from adapters.state_folder import StateFolder
from adapters.verify import check_runs
from ledger.refusal import Refused
from ledger.repair_record import Believed, Repair, Step

_SHOWN: Final = 20
_ALIEN: Final = "no envelope that the book can have"
_CHOICES: Final = (
    "say which copy holds: `wattledger repair --beyond-checkpoint archive --reason TEXT` puts them into the"
    " stream, `--beyond-checkpoint stream` sets them aside; compare them with what others hold first"
    " (receipts, backups, bundles)"
)


def wanted(believed: Believed | None, reason: str) -> Wanted | None:
    """What was said of sequences that nothing proves.

    Raises:
        Refused: `reason` for one without the other.
    """
    if (believed is None) != (not reason.strip()):
        raise Refused("reason", "--beyond-checkpoint and --reason go together", place="--reason")
    return None if believed is None else Wanted(believed, reason)


def run(
    session: Session,
    console: Console,
    *,
    dry_run: bool,
    backup: Path | None,
    wanted: Wanted | None = None,
) -> int:
    """Open the book without believing it, and repair it or only say what would be done. What it cannot go on
    with is named, and ends with 1.

    Raises:
        Refused: `repair_busy` while another command has the servers, `operator_identity` without it.
    """
    check_folder(session.settings)
    try:
        return _run(session, console, dry_run=dry_run, backup=backup, wanted=wanted)
    except Unrepairable as impossible:
        return _impossible(impossible)
    except Unproven as doubted:
        print(f"not repaired: {doubted}\n  {_CHOICES}")
    except Discontinuity as lost:
        print(f"FAULT {lost.fault}\n  {lost.fault.remedy}")
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except (UnknownEvent, psycopg.Error) as error:
        print(f"cannot be repaired: {error}".rstrip())
    return 1


def _run(
    session: Session, console: Console, *, dry_run: bool, backup: Path | None, wanted: Wanted | None
) -> int:
    moved = _unreadable(session.settings, dry_run=dry_run)
    if moved and dry_run:
        return 1
    with running(session.settings, session.clock, founding=False, believing=False) as stack:
        if session.settings.embedded and not stack.children:
            raise Refused("repair_busy", "another command runs these servers; end it first", place="state")
        if moved:
            _make_telemetry(stack)
        files = _checkpoint_faults(stack)
        with _shop(stack, backup, wanted) as shop:
            if dry_run:
                return max(_shown(stack, shop, console), files, _said(_access_faults(stack)))
            with console.status("repairing"):
                done = repair(shop, actor=ACTOR)
            stack.projector().catch_up()
            folder = shop.folder
            beside = _beside_recorded(stack, shop, moved)
        runs = _run_faults(stack, console)
    _told(done, folder)
    for one in beside:
        _told_beside(one, folder)
    return max(files, _said(runs))


def _unreadable(settings: Settings, *, dry_run: bool) -> tuple[Path, ...]:
    """The folders of streams that embedded NATS cannot read back. They are named, and moved to the evidence
    unless that is only to be said; what is gone then is made anew as any stream that is gone."""
    if not settings.embedded:
        return ()
    folder = StateFolder(settings.state)
    with folder.entered() as others:
        if others is not None:
            return ()
        try:
            NatsServer(folder.path / "nats").stop()
        except unreadable.Unreadable as lost:
            print(f"FAULT {lost.fault}")
            into = folder.path / "repair" / settings.book
            if dry_run:
                for one in lost.folders:
                    print(f"would move {one} to {into} and make the stream anew, the book's from the archive")
                return lost.folders
            aside = tuple(unreadable.set_aside(lost.folders, into))
            for one, moved in zip(lost.folders, aside, strict=True):
                print(f"{one.name} set aside: {moved}")
            return aside
    return ()


def _access_log(stack: Stack) -> AccessLog:
    return AccessLog(stack.client, stack.settings.book, stack.database, stack.clock)


def _access_faults(stack: Stack) -> list[Fault]:
    return [one.error().fault for one in access_repair.missing(_access_log(stack), stack.door)]


def _beside_recorded(stack: Stack, shop: Shop, moved: Sequence[Path]) -> list[access_repair.Told]:
    """What was set aside or lost of the streams beside the book's, put on record."""
    settings = stack.settings
    mine, books = (
        f"unreadable-{name(settings.book)}-" for name in (access_stream.stream_name, stream.stream_name)
    )
    made = access_repair.Made(
        stack.max_bytes,
        settings.nats_replicas,
        settings.access_days,
        tuple(path for path in moved if path.name.startswith(mine)),
    )
    last = stack.projector().catch_up()
    log = _access_log(stack)
    told = access_repair.repair(log, shop.operator, stack.door, shop.folder, made, actor=ACTOR, last=last)
    found = [] if told is None else [told]
    telemetry = [path for path in moved if not path.name.startswith((mine, books))]
    return found + [
        access_repair.set_aside(stack.door, shop.folder, path, actor=ACTOR, last=last) for path in telemetry
    ]


def _told_beside(told: access_repair.Told, folder: Path) -> None:
    record = told.repair
    for step in record.steps:
        print(f"{step.action:<20} {step.place}: {_lost(step)}")
    print(f"evidence: {folder / record.evidence_file}, sha256 {record.evidence_sha256}")
    print(f"on record as sequence {told.sequence}" if told.sequence else "on record before")


def _lost(step: Step) -> str:
    if not step.count:
        return "how much was in it is not known"
    return f"{counted(step.count, 'record')} lost, {step.first} to {step.last}"


def _make_telemetry(stack: Stack) -> None:
    """The streams of telemetry, where one was set aside: nothing else has what was in them."""
    settings, operator = stack.settings, stack.operator()
    book, size, replicas = settings.book, stack.max_bytes, settings.nats_replicas
    try:
        telemetry_stream.create(
            operator, book, max_bytes=size, replicas=replicas, days=settings.telemetry_days
        )
    finally:
        operator.close()


def _run_faults(stack: Stack, console: Console) -> list[Fault]:
    """Of rows that are right: the runs that were recorded from others."""
    book = stack.settings.book
    with console.status("settling runs again"), stack.database.reading(book) as connection:
        return check_runs(connection, book, lowest_position(connection))[1]


def _said(faults: Sequence[Fault]) -> int:
    """Say what no repair mends: 1 where there is anything."""
    for fault in faults[:_SHOWN]:
        print(f"FAULT {fault}\n  {fault.remedy}")
    if (more := len(faults) - _SHOWN) > 0:
        print(f"FAULT and {more} more")
    return int(bool(faults))


def _checkpoint_faults(stack: Stack) -> int:
    """Say what is wrong with the checkpoints' files, which no repair puts back: 1 where anything is."""
    faults = checkpoint_files.signed(stack.published).faults
    with stack.database.reading(stack.settings.book) as connection:
        gone = checkpoint_files.check_not_rolled_back(connection, stack.published)
    # `latest` and what was seen before may miss the same file.
    return _said(list(dict.fromkeys((*faults, *gone))))


@contextmanager
def _shop(stack: Stack, backup: Path | None, wanted: Wanted | None) -> Iterator[Shop]:
    settings, addresses = stack.settings, stack.addresses
    if addresses.nats_seed is not None and addresses.nats_operator_seed is None:
        raise Refused(
            "operator_identity",
            "a stream is made anew by the operator's identity only; set WATTLEDGER_NATS_OPERATOR_SEED",
            place="nats_operator_seed",
        )
    operator = stack.operator()
    try:
        yield Shop(
            operator,
            stack.database,
            stack.door,
            settings.state / "repair" / settings.book,
            stack.max_bytes,
            settings.nats_replicas,
            checkpoint_files.signed(stack.published).checkpoints,
            backup,
            wanted,
        )
    finally:
        operator.close()


def _shown(stack: Stack, shop: Shop, console: Console) -> int:
    plan, asked = going_on(shop)
    if plan is not None:
        print(f"a repair was begun and not ended; it goes on from its image up to {plan.last_sequence}")
        return 1
    if begun(shop.folder) is not None:
        print("a repair was begun with an image of which no stream can be made; it would be planned anew")
    with console.status("comparing"):
        found = survey(asked)
    print("\n".join(_lines(found)))
    return _said(_run_faults(stack, console)) if found.nothing_to_do else 1


def _lines(found: Survey) -> Iterator[str]:
    judgement = found.judgement
    for fault in judgement.faults[:_SHOWN]:
        yield f"FAULT {fault}"
    if (more := len(judgement.faults) - _SHOWN) > 0:
        yield f"FAULT and {more} more"
    for weakness in found.weak:
        yield f"FAULT stream_weak at stream: {weakness}"
    if judgement.undecided:
        yield f"cannot be repaired: {Unrepairable(judgement)}"
        return
    if found.unproven:
        yield f"would not be repaired unasked: {described(found.unproven, found.proven)}"
        yield f"  {_CHOICES}"
        yield "  with the archive believed:"
    if found.remakes_stream:
        yield f"would make the stream anew, sequences 1 to {judgement.count}"
        from_archive = [at for at, copy in judgement.right.items() if copy != "stream"]
        if from_archive:
            yield f"  of them not from the stream: {counted(len(from_archive), 'envelope')}"
    for one in judgement.forked[:_SHOWN]:
        what = f"{', '.join(one.kinds)} of {one.aggregate}, command {one.command_id} by {one.actor}"
        yield f"  would set aside sequence {one.sequence}: {what if one.aggregate else _ALIEN}"
    if judgement.closed_up:
        yield f"  what stands behind sequence {judgement.closed_up} and is right would get a lower number"
    if judgement.lost:
        yield f"  lost, in no copy: {', '.join(map(str, judgement.lost[:_SHOWN]))}"
    if found.rows is None:
        yield "  would then compare every row with a replay, and make those that differ anew"
        return
    for table in found.rows.tables:
        if table.difference is not None:
            differing = counted(table.differing, "row")
            yield f"would make table {table.table} anew, of which these differ ({differing}):"
            yield from (f"  {key}" for key in table.keys)
            if (more := table.differing - len(table.keys)) > 0:
                yield f"  and {counted(more, 'row')} more"
    if found.nothing_to_do:
        yield f"nothing to repair up to position {found.rows.position}"


def _impossible(impossible: Unrepairable) -> int:
    for fault in impossible.judgement.faults[:_SHOWN]:
        print(f"FAULT {fault}")
    print(f"cannot be repaired: {impossible}")
    return 1


def _told(done: Repaired, folder: Path) -> None:
    if done.repair is None:
        print(f"nothing to repair up to position {done.rows.position}")
        return
    record = done.repair
    if (beyond := record.beyond) is not None:
        where = f"sequences {beyond.first} to {beyond.last}, {counted(beyond.count, 'event')}"
        print(f"{beyond.believed} believed beyond the newest checkpoint: {where}; reason: {beyond.reason}")
    for step in record.steps:
        noun = "row" if step.action == "rows_restored" else "event"
        print(f"{step.action:<20} {step.place}: {counted(step.count, noun)}")
    for one in record.set_aside:
        command = f"command {one.command_id} by {one.actor}; give the command again under a new id"
        what = f" of {one.aggregate}, {command}" if one.aggregate else f": {_ALIEN}, sha256 {one.sha256}"
        print(f"  set aside: sequence {one.sequence}{what}")
    if done.closed_up:
        print(
            f"  what stood behind sequence {done.closed_up} is kept in its order under lower numbers, each by"
            " as many as were set aside before it: a receipt's number above it is the old one"
        )
    elif any(step.action == "stream_restored" for step in record.steps):
        print(
            f"  whatever was acknowledged after sequence {record.last_sequence} and stood in no copy is lost:"
            " a receipt with a higher number is void"
        )
    print(f"evidence: {folder / record.evidence_file}, sha256 {record.evidence_sha256}")
    print(f"book right up to sequence {record.last_sequence}; on record as sequence {done.sequence}")
    print(f"  {_proven(record)}")


def _proven(record: Repair) -> str:
    """By what the events are right that everything else was made from."""
    if not record.checkpoint_size:
        return (
            "by what the copies say of each other: no signed checkpoint covers these events;"
            " `wattledger log checkpoint` signs one"
        )
    later = record.last_sequence - record.checkpoint_size
    more = f"; {counted(later, 'later event')} by what the copies say of each other" if later else ""
    return f"proven by the signed checkpoint of {counted(record.checkpoint_size, 'event')}{more}"
