"""The one way in: a command, decided on the folded state, becomes events in the book's stream.

A command id that an aggregate has seen answers its first result, on one node or on a cluster: the
ids are part of the folded state, because JetStream's own deduplication forgets after its window.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, cast

import msgspec
from eventsourcing.persistence import IntegrityError, Notification, StoredEvent

from adapters.events import Event
from adapters.levels import confirmed, last_of_kinds, seldom
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.nats.log import BATCH_MESSAGES_MAX, Unverified
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.shared_reading import SharedReading
from adapters.together import Together
from adapters.waiting import Awaiting, Blocking, Waiting, done
from ledger.command import Command, SaysItself, TimedCommand
from ledger.effective import Period
from ledger.envelope import SCHEMA, Envelope
from ledger.refusal import Refused

_ATTEMPTS: Final = 20
_FOLDS_KEPT: Final = 5_000
_SALT_BYTES: Final = 16


class Wish(msgspec.Struct, frozen=True):
    """A command and the id under which a repeat of it is recognised."""

    command: Command | TimedCommand
    command_id: str


class NotGiven(Exception):
    """An aggregate has not the state that a save was asked for under."""


class Receipt(msgspec.Struct, frozen=True):
    """Where a command's facts are; `repeated` when it had been accepted before."""

    aggregate: str
    version: int
    sequence: int
    repeated: bool = False


class Seen(msgspec.Struct, frozen=True):
    digest: str
    version: int
    sequence: int


class Folded(msgspec.Struct, frozen=True):
    """An aggregate's state, how far it was read, and the commands it has accepted.

    Up to the stream sequence `level` it has no other events than those folded; 0 where that is not known.
    """

    state: object = None
    version: int = 0
    sequence: int = 0
    hash: str = ""
    seen: dict[str, Seen] = {}
    level: int = 0


class Save:
    """One try to accept commands, together or not at all, and what became of it; neither `receipts` nor
    `refused` means that it is to be tried again. On the `first` what seems new is not looked for. `given` are
    states that aggregates must have for anything to be decided."""

    def __init__(
        self,
        wishes: Sequence[Wish],
        actor: str,
        causation: str = "",
        *,
        first: bool = True,
        given: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.wishes = wishes
        self.given = given
        self.first = first
        self.actor = actor
        self.causation = causation
        self.receipts: list[Receipt] | None = None
        self.refused: BaseException | None = None

    def answer(self) -> list[Receipt] | None:
        """None when it is to be tried again.

        Raises:
            Refused, NotGiven, StoreFull, StoreUnavailable: why it was not accepted.
        """
        if self.refused is not None:
            raise self.refused
        return self.receipts

    @property
    def touched(self) -> set[str]:
        """What it is decided on."""
        return {name for wish in self.wishes for name in _touched(wish.command)}.union(self.given)


def attempts(
    wishes: Sequence[Wish],
    actor: str,
    causation: str = "",
    given: Mapping[str, object] = MappingProxyType({}),
) -> Iterator[tuple[float, Save]]:
    """The same save as often as it is tried, each after a pause in seconds.

    Raises:
        Refused: `conflict` for two commands of one aggregate, `batch` for too many.
    """
    names = {wish.command.aggregate for wish in wishes}
    if len(names) != len(wishes):
        raise Refused("conflict", "two commands of one save change the same aggregate")
    if len(wishes) > BATCH_MESSAGES_MAX:
        raise Refused("batch", f"at most {BATCH_MESSAGES_MAX} commands in one save")
    for attempt in range(_ATTEMPTS):
        yield 0.002 * max(attempt - 1, 0), Save(wishes, actor, causation, first=attempt == 0, given=given)


def contended(wishes: Sequence[Wish]) -> Refused:
    place = wishes[0].command.aggregate
    return Refused("conflict", "others keep changing the same thing; try again", place=place)


class FrontDoor:
    """Decides commands for one book and appends what follows.

    `guard` runs before the first append after every connect; it raises when the stream is not the
    one that the archive knows.
    """

    def __init__(
        self,
        recorder: JetStreamApplicationRecorder,
        clock: Callable[[], datetime],
        guard: Callable[[], None],
    ) -> None:
        self.recorder = recorder
        self.book = recorder.log.book
        self._clock = clock
        self.guard = guard
        self._mapper = EnvelopeMapper()
        self._blocking = Blocking(recorder.log.client)
        self._read = SharedReading(recorder.select_aggregates)
        self._together = Together(self.accept)
        self._folds: OrderedDict[str, Folded] = OrderedDict()
        self._stored: OrderedDict[str, Notification] = OrderedDict()
        self._lock = threading.Lock()
        self._latest = datetime.min.replace(tzinfo=UTC)

    def execute(
        self, command: Command | TimedCommand, *, command_id: str, actor: str, causation: str = ""
    ) -> Receipt:
        """Accept one command.

        Raises:
            Refused: the command is not acceptable, or its id was used for another one.
            StoreFull, StoreUnavailable: nothing can be stored now.
        """
        return self.execute_all([Wish(command, command_id)], actor=actor, causation=causation)[0]

    def record(self, command: Command, *, actor: str) -> Receipt:
        """Accept a command unless it is what the aggregate's last accepted one asked for.

        For files that may be read twice: the same content again changes nothing, and an older content
        that something else replaced meanwhile is a new version.

        Raises:
            Refused: as `execute`.
        """
        known = self.known_or_id(command)
        return known if isinstance(known, Receipt) else self.execute(command, command_id=known, actor=actor)

    def known_or_id(self, command: Command) -> Receipt | str:
        """Where the command is in force already, or the id under which to record it now."""
        folded = self._load_all([command.aggregate])[command.aggregate]
        asked = _digest_of(command)
        last = next(reversed(folded.seen.values()), None)
        if last is not None and last.digest == asked:
            return Receipt(command.aggregate, last.version, last.sequence, repeated=True)
        return f"record:{folded.version + 1}:{asked}"

    def execute_all(self, wishes: Sequence[Wish], *, actor: str, causation: str = "") -> list[Receipt]:
        """Accept all the commands or none; each changes another aggregate.

        Raises:
            Refused: as `execute`; `conflict` when others kept changing the same aggregates.
        """
        for pause_s, save in attempts(wishes, actor, causation):
            time.sleep(pause_s)
            self._together(save, len(wishes))
            if (receipts := save.answer()) is not None:
                return receipts
        raise contended(wishes)

    def accepted(self, aggregate: str, command_id: str) -> Receipt | None:
        """Where the aggregate's command of that id is; None when it accepted none."""
        seen = self._load_all([aggregate])[aggregate].seen.get(command_id)
        return None if seen is None else Receipt(aggregate, seen.version, seen.sequence, repeated=True)

    def recorded_before(self, command: Command) -> Receipt | None:
        """Where the aggregate accepted the same command, under whichever id; None where it never did."""
        folded = self._load_all([command.aggregate])[command.aggregate]
        asked = _digest_of(command)
        found = next((one for one in folded.seen.values() if one.digest == asked), None)
        if found is None:
            return None
        return Receipt(command.aggregate, found.version, found.sequence, repeated=True)

    def accepted_ids(self, aggregate: str) -> Collection[str]:
        """The ids of all commands that the aggregate has accepted."""
        return self._load_all([aggregate])[aggregate].seen.keys()

    def state(self, aggregate: str) -> object:
        """The aggregate's state now; None when it does not exist."""
        return self._load_all([aggregate])[aggregate].state

    def states(self, aggregates: Collection[str]) -> dict[str, object]:
        """As `state`, of several."""
        return {name: folded.state for name, folded in self._load_all(aggregates).items()}

    async def held(self, aggregates: Collection[str]) -> dict[str, object]:
        """The states of those of which the leader knows nothing that was not folded here; for who awaits.

        Raises:
            StoreUnavailable, nats.errors.Error: NATS does not answer.
        """
        log = self.recorder.log
        lasts = await log.client.awaited(last_of_kinds(log, seldom(aggregates)))
        found: dict[str, object] = {}
        with self._lock:
            for name, last in lasts.items():
                folded = self._folds.get(name)
                if folded is not None and folded.version and folded.level >= last:
                    self._folds.move_to_end(name)
                    found[name] = folded.state
        return found

    def _now(self) -> datetime:
        """The clock, or what was recorded last where the clock was set back behind it."""
        with self._lock:
            self._latest = max(self._latest, self._clock())
            return self._latest

    @property
    def _unguarded(self) -> bool:
        log = self.recorder.log
        return log.verified_epoch != log.client.epoch

    def _ensure_guarded(self) -> None:
        log = self.recorder.log
        while self._unguarded:
            epoch = log.client.epoch
            self.guard()
            log.verified_epoch = epoch

    def accept(self, saves: Sequence[Save]) -> None:
        """Try each of these saves once: it has receipts then, or is refused, or is to be tried again.

        What one of them changes the next must not have been decided without: it is tried again.
        """
        done(self._accept(saves, self._blocking))

    async def accepted_together(self, saves: Sequence[Save]) -> None:
        """As `accept`, for who awaits; all but what seldom blocks is done on the loop of the NATS client.

        Raises:
            Disconnected: the connection was closed meanwhile.
        """
        await self.recorder.log.client.awaited(self._accept(saves, Awaiting()))

    async def _accept(self, saves: Sequence[Save], waiting: Waiting) -> None:
        if self._unguarded:
            await waiting.worked(self._ensure_guarded)
        touched = [save.touched for save in saves]
        names = set().union(*touched)
        read = {name for save in saves for wish in save.wishes for name in wish.command.reads}
        read.update(name for save in saves for name in save.given)
        changed_first = {wish.command.aggregate for save in saves if save.first for wish in save.wishes}
        loaded = await self._load(waiting, names, perhaps_new=changed_first - read)
        changed: set[str] = set()
        decided: list[tuple[Save, list[Receipt], list[StoredEvent]]] = []
        for save, on in zip(saves, touched, strict=True):
            if on & changed:
                continue
            try:
                receipts, stored = self._decide(save, loaded)
            except (Refused, NotGiven) as refused:
                if await waiting.asked(self._is_current({name: loaded[name] for name in on})):
                    save.refused = refused
                continue
            await waiting.given_way()
            changed.update(str(event.originator_id) for event in stored)
            if stored:
                decided.append((save, receipts, stored))
            else:
                save.receipts = receipts
        if not decided:
            return
        if self.recorder.look_due():
            await waiting.worked(self.recorder.look)
        outcomes = await waiting.asked(self.recorder.insert_each([stored for _, _, stored in decided]))
        for (save, receipts, stored), outcome in zip(decided, outcomes, strict=True):
            match outcome:
                case IntegrityError() | Unverified():
                    pass
                case BaseException():
                    save.refused = outcome
                case sequences:
                    self._keep(stored, sequences)
                    save.receipts = self._with_sequences(receipts, sequences)

    def _decide(self, save: Save, loaded: Mapping[str, Folded]) -> tuple[list[Receipt], list[StoredEvent]]:
        for name, state in save.given.items():
            if loaded[name].state != state:
                raise NotGiven(name)
        receipts: list[Receipt] = []
        stored: list[StoredEvent] = []
        for wish in save.wishes:
            command = wish.command
            folded = loaded[command.aggregate]
            asked = _digest_of(command)
            if (seen := folded.seen.get(wish.command_id)) is not None:
                if seen.digest != asked:
                    raise Refused(
                        "command_id_reused", f"command id {wish.command_id!r} asked for something else"
                    )
                receipts.append(Receipt(command.aggregate, seen.version, seen.sequence, repeated=True))
                continue
            others = {name: loaded[name].state for name in command.reads}
            now = self._now()
            if _is_timed(type(command)):
                decided = cast("TimedCommand", command).decide_at(now, folded.state, others)
            else:
                decided = cast("Command", command).decide(folded.state, others)
            events = cast("tuple[Event, ...]", decided)
            envelope = Envelope(
                command=wish.command_id,
                command_digest=asked,
                actor=save.actor,
                recorded_at=now,
                effective=_effective(events),
                causation=save.causation,
                previous=folded.hash,
                salt=secrets.token_hex(_SALT_BYTES),
                schema=SCHEMA,
                events=events,
            )
            stored.append(self._mapper.to_stored(command.aggregate, folded.version + 1, envelope))
            receipts.append(Receipt(command.aggregate, folded.version + 1, 0))
        return receipts, stored

    @staticmethod
    def _with_sequences(receipts: list[Receipt], sequences: list[int]) -> list[Receipt]:
        left = iter(sequences)
        return [r if r.repeated else msgspec.structs.replace(r, sequence=next(left)) for r in receipts]

    def _keep(self, stored: Sequence[StoredEvent], sequences: Sequence[int]) -> None:
        """Remember what was just stored, so that it need not be read to be folded."""
        with self._lock:
            for event, sequence in zip(stored, sequences, strict=True):
                name = str(event.originator_id)
                if name in self._folds or event.originator_version == 1:
                    self._stored[name] = Notification(
                        event.originator_id, event.originator_version, event.topic, event.state, sequence
                    )
            while len(self._stored) > _FOLDS_KEPT:
                self._stored.popitem(last=False)

    def _load_all(self, aggregates: Collection[str]) -> dict[str, Folded]:
        return done(self._load(self._blocking, aggregates))

    async def _load(
        self, waiting: Waiting, aggregates: Collection[str], perhaps_new: Collection[str] = ()
    ) -> dict[str, Folded]:
        """Each aggregate as it is now.

        Of `perhaps_new` those that neither we nor the archive know are taken to be new: the append proves it.
        """
        with self._lock:
            folds = {name: self._folds.get(name, Folded()) for name in aggregates}
            own = {name: self._stored.pop(name) for name in aggregates if name in self._stored}
        for name, recorded in own.items():
            if recorded.originator_version == folds[name].version + 1:
                folds[name] = self._folded_with(folds[name], recorded)
        log = self.recorder.log
        kept = seldom(name for name, fold in folds.items() if fold.version)
        unseen = [name for name in perhaps_new if not folds[name].version]
        lasts: dict[str, int] = {}
        new: frozenset[str] = frozenset()
        if kept or unseen:
            lasts, new = await waiting.asked(self._asked_of_both(kept, unseen))
        behind = {name for name, last in lasts.items() if folds[name].level < last}
        unread = (lasts.keys() - behind) | new
        starts = {name: fold.sequence + 1 for name, fold in folds.items() if name not in unread}
        found = await waiting.worked(functools.partial(self._read, starts)) if starts else {}
        for name, events in found.items():
            for recorded in events:
                folds[name] = self._folded_with(folds[name], recorded)
        if behind:
            versions = {name: folds[name].version for name in behind}
            for name in await waiting.asked(confirmed(log, versions)):
                folds[name] = msgspec.structs.replace(folds[name], level=lasts[name])
        with self._lock:
            for name, folded in folds.items():
                self._folds[name] = folded
                self._folds.move_to_end(name)
            while len(self._folds) > _FOLDS_KEPT:
                self._folds.popitem(last=False)
        return folds

    async def _asked_of_both(
        self, kept: Collection[str], unseen: Collection[str]
    ) -> tuple[dict[str, int], frozenset[str]]:
        """The leader is asked and the archive at the same time."""
        lasts, new = await asyncio.gather(
            last_of_kinds(self.recorder.log, kept), self.recorder.unarchived(unseen)
        )
        return lasts, new

    def _folded_with(self, folded: Folded, recorded: Notification) -> Folded:
        envelope = self._mapper.to_envelope(recorded.topic, recorded.state)
        assert envelope.previous == folded.hash, f"{recorded.originator_id}: its chain of hashes is broken"
        with self._lock:
            self._latest = max(self._latest, envelope.recorded_at)
        state: Any = folded.state
        for event in envelope.events:
            state = event.apply(state)
        version = recorded.originator_version
        seen = folded.seen | {envelope.command: Seen(envelope.command_digest, version, recorded.id)}
        digest = wire.digest(wire.pack(self.book, recorded))
        return Folded(state, version, recorded.id, digest, seen, folded.level)

    async def _is_current(self, loaded: Mapping[str, Folded]) -> bool:
        """Whether the leader knows nothing newer than what the refusal was decided on."""
        log = self.recorder.log
        for aggregate, folded in loaded.items():
            last = await log.last_of(aggregate)
            if (last[0] if last else 0) != folded.version:
                return False
        return True


@functools.cache
def _is_timed(kind: type) -> bool:
    """As isinstance would say, which looks through a protocol's attributes anew each time."""
    return hasattr(kind, "decide_at")


@functools.cache
def _says_itself(kind: type) -> bool:
    return hasattr(kind, "asked_in_full")


def _touched(command: Command | TimedCommand) -> tuple[str, ...]:
    return (command.aggregate, *command.reads)


def _digest_of(command: Command | TimedCommand) -> str:
    if _says_itself(type(command)):
        body = cast("SaysItself", command).asked_in_full
    else:
        body = msgspec.json.encode(command)
    # To look for one letter takes a tenth of the time, and in most commands there is none.
    if b"\\" in body and b"\\u0000" in body:
        raise Refused("control_character", "text holds a NUL character, which no projection can keep")
    named = type(command).__name__.encode() + b" " + body
    return hashlib.sha256(named).hexdigest()


def _effective(events: Sequence[Event]) -> Period | None:
    for event in events:
        period = getattr(event, "period", None)
        if isinstance(period, Period):
            return period
    return None
