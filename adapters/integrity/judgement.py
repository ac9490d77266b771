"""Which of two copies that differ is right: what a checkpoint, the chain or a hash says, never a guess.

In this order: a checkpoint whose root the stored tree's leaves have proves every leaf below it; the
aggregate's next envelope, on which both copies agree, holds the hash of the one before; the archive's hash
and the tree's leaf speak for the copy that they belong to. Where the stream differs from some sequence to its
end (it was truncated and written on), the archived envelopes came first and stay; the stream's are forked.
Behind the archive's end what is an envelope that goes on from its aggregate's stays, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from adapters.integrity.copies import Copies, digest_of
from adapters.integrity.fault import Fault, ahead, together
from adapters.integrity.origin import Chains, Origin, origin_of
from adapters.integrity.tail import Tail, judged_tail
from adapters.nats import wire
from ledger.refusal import Refused
from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.entry_bundle import envelope_leaf
from ledger.transparency.tree import Frontier

_CHUNK: Final = 4096
_NEVER: Final = 1 << 62
_NAMED: Final = Origin("", 0, "", "", "", ())

Right = Literal["stream", "archive", "backup"]


class Forked(msgspec.Struct, frozen=True):
    """An envelope that does not stay: what it was, so that it can be decided again."""

    sequence: int
    aggregate: str
    command_id: str
    actor: str
    kinds: tuple[str, ...]
    sha256: str


class Judgement(msgspec.Struct, frozen=True):
    """What a repair may do.

    Sequences 1 to `end` are right, each in the stream unless `right` names another copy. `undecided` are
    sequences below that of which no copy is proven: with any of them nothing is repaired. `lost` are
    sequences that the stream skipped and nothing else has. `chained` are those whose right copy's hash a
    later envelope names that stream and archive both hold. `aliens` are sequences whose message cannot stay,
    and whose number the next takes: what is right are `count` envelopes. `newer` are those undecided ones
    that a newer version of the program wrote.
    """

    faults: tuple[Fault, ...]
    end: int
    right: dict[int, Right]
    forked: tuple[Forked, ...]
    undecided: tuple[int, ...]
    lost: tuple[int, ...]
    stream_differs: bool
    chained: frozenset[int] = frozenset()
    aliens: frozenset[int] = frozenset()
    newer: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        return self.end - sum(one <= self.end for one in self.aliens)

    @property
    def closed_up(self) -> int:
        """The first alien that something right stands behind; 0 for none."""
        first = min(self.aliens, default=0)
        return first if self.count >= first else 0


class Judge:
    """Takes the copies in order of sequence, then gives its judgement.

    `checkpoints` are the signed ones whose signatures were checked, in any order. `backup` gives a further
    copy of a sequence.
    """

    def __init__(
        self, book: str, checkpoints: Sequence[Checkpoint] = (), backup: Mapping[int, bytes] | None = None
    ) -> None:
        self._book = book
        self._checkpoints = sorted(checkpoints, key=lambda one: one.size)
        self._backup = backup or {}
        self._chains = Chains()
        self._open: dict[int, Copies] = {}
        self._tail: list[Copies] = []
        self._said: dict[tuple[str, int], str] = {}
        self._wanted: set[tuple[str, int]] = set()
        self._stored_tree = Roots(self._checkpoints)
        self._envelopes = Roots(self._checkpoints)
        self._broken_tree = self._last_leaf = 0
        self._chained: set[int] = set()
        self._end = self._last_archived = self._last_stored = 0
        self._faults: list[Fault] = []
        self._misplaced = False

    def take(self, copies: Copies) -> None:
        """One sequence, the next."""
        self._end = copies.sequence
        if copies.stored is not None:
            self._last_stored = copies.sequence
            if copies.subject and (right := _subject(self._book, copies.stored)) not in {"", copies.subject}:
                self._misplaced = True
                text = f"the stream keeps it under {copies.subject}, its aggregate's is {right}"
                self._faults.append(Fault("stream_subject", f"sequence {copies.sequence}", text))
        if copies.archived is not None:
            self._last_archived = copies.sequence
        if copies.leaf:
            self._last_leaf = copies.sequence
        if not self._broken_tree:
            if copies.leaf:
                self._stored_tree.add(copies.leaf)
            else:
                self._broken_tree = copies.sequence
        if copies.archived is not None:
            # What was taken for the end was a gap of the archive.
            for gap in self._tail:
                self._may_be(gap)
            self._tail = []
        if _agree(copies):
            assert copies.stored is not None
            if not self._open:
                self._envelopes.add(_leaf(copies.stored))
            origin = origin_of(copies.stored)
            if origin is None or not self._chains.follows(origin, digest_of(copies.stored)):
                self._faults.append(
                    Fault("chain_broken", f"sequence {copies.sequence}", "it does not follow its aggregate's")
                )
            if origin is not None and (origin.aggregate, origin.version - 1) in self._wanted:
                self._said[origin.aggregate, origin.version - 1] = origin.previous
            return
        self._open[copies.sequence] = copies
        if copies.archived is None:
            self._tail.append(copies)
        else:
            self._may_be(copies)

    def _may_be(self, copies: Copies) -> None:
        """Each copy may be the one that the next of its aggregate follows."""
        for payload in (copies.stored, copies.archived, self._backup.get(copies.sequence)):
            origin = None if payload is None else origin_of(payload)
            if origin is not None:
                assert payload is not None
                self._wanted.add((origin.aggregate, origin.version))
                self._chains.skip(origin, digest_of(payload))

    def take_backup(self) -> None:
        """What only the backup has, behind the end of both copies."""
        while self._end + 1 in self._backup:
            self.take(Copies(self._end + 1, None, None, b"", b""))

    def judge(self) -> Judgement:
        """Once every sequence was taken."""
        proven = 0 if self._broken_tree else self._stored_tree.proven
        tail = judged_tail(self._book, self._tail, self._chains, self._backup)
        self._faults += tail.faults
        chosen = {one.sequence: self._chosen(one, proven) for one in self._open.values()}
        fork = self._fork(chosen)
        right: dict[int, Right] = {}
        undecided: list[int] = []
        lost: list[int] = []
        forked: list[Copies] = []
        aliens: set[int] = set()
        end = self._end
        for sequence, copies in self._open.items():
            self._faults += self._faults_of(copies, fork)
            unarchived = copies.archived is None and sequence > self._last_archived
            one = chosen[sequence]
            if end < sequence or (unarchived and sequence >= fork) or self._added(copies):
                # It follows what is lost, forked or was never there: it cannot keep its number.
                end = min(end, sequence - 1)
                forked.append(copies)
            elif sequence in tail.aliens:
                forked.append(copies)
                aliens.add(sequence)
            elif sequence in tail.newer:
                undecided.append(sequence)
            elif one is not None:
                one = "backup" if sequence in tail.from_backup else one
                right[sequence] = one
                if one != "stream":
                    forked.append(copies)
            elif unarchived and not copies.leaf:
                lost.append(sequence)
                end = sequence - 1
            else:
                undecided.append(sequence)
        for split in self._envelopes.split:
            text = f"a checkpoint of {split.size} envelopes was signed over others than these"
            self._faults.append(Fault("checkpoint_split", f"sequence {split.size}", text))
            undecided.append(split.size)
        if self._checkpoints and (size := self._checkpoints[-1].size) > end - len(aliens):
            self._faults.append(
                Fault(
                    "checkpoint_ahead",
                    f"sequence {end + 1}",
                    ahead(end, size),
                )
            )
            undecided += range(end + 1, size + 1)
        return Judgement(
            together(self._faults),
            end,
            right,
            tuple(_leaves(one.sequence, one.stored, tail) for one in forked if one.stored is not None),
            tuple(dict.fromkeys(undecided)),
            tuple(lost),
            any(one != "stream" for one in right.values())
            or end < self._last_stored
            or bool(aliens)
            or self._misplaced,
            frozenset(self._chained),
            frozenset(aliens),
            tuple(sorted(tail.newer)),
        )

    def _fork(self, chosen: dict[int, Right | None]) -> int:
        """The sequence from which another history than the stream's is right, to the end of both copies.

        Beyond all when there is none: a stream that lost its end only has no fork.
        """
        last = first = min(self._last_stored, self._last_archived)
        while first >= 1:
            copies = self._open.get(first)
            if copies is None or copies.stored is None or copies.archived in {None, copies.stored}:
                break
            if chosen[first] == "stream":
                break
            first -= 1
        return first + 1 if first < last else _NEVER

    def _added(self, copies: Copies) -> bool:
        """A row behind the stream's end of which the tree, which grows with the archive, knows nothing."""
        return (
            copies.stored is None
            and copies.archived is not None
            and copies.sequence > max(self._last_stored, self._last_leaf)
            and self._last_leaf == self._broken_tree - 1 > 0
        )

    def _chosen(self, copies: Copies, proven: int) -> Right | None:
        candidates: dict[Right, bytes] = {}
        if copies.stored is not None:
            candidates["stream"] = copies.stored
        if copies.archived is not None:
            candidates["archive"] = copies.archived
        if copies.sequence in self._backup:
            candidates["backup"] = self._backup[copies.sequence]
        by_leaf = _first(candidates, lambda payload: bool(copies.leaf) and _leaf(payload) == copies.leaf)
        if copies.sequence <= proven:
            return by_leaf
        for name, payload in candidates.items():
            origin = origin_of(payload)
            if origin is not None:
                said = self._said.get((origin.aggregate, origin.version))
                if said == digest_of(payload).hex():
                    self._chained.add(copies.sequence)
                    return name
        if copies.archived is None and copies.sequence > self._last_archived:
            return next(iter(candidates), None)
        if len(candidates) > 1 and len(set(candidates.values())) == 1:
            return next(iter(candidates))
        if by_leaf is not None:
            return by_leaf
        by_digest = _first(candidates, lambda payload: digest_of(payload) == copies.digest)
        if by_digest == "archive" and copies.stored is not None:
            # The archive agrees with itself, and the stream says otherwise: nothing else has spoken.
            return None
        return by_digest

    def _faults_of(self, copies: Copies, fork: int) -> Iterator[Fault]:
        place = f"sequence {copies.sequence}"
        stored, archived = copies.stored, copies.archived
        if self._added(copies):
            yield Fault("archive_added", place, "the archive has a row that neither stream nor tree has")
            return
        if stored is None and copies.sequence > self._last_stored:
            yield Fault("stream_lost", place, f"the stream ends at {self._last_stored}")
        elif stored is None:
            yield Fault("stream_hole", place, "the stream gives no message, though it goes on")
        if archived is None and copies.sequence <= self._last_archived:
            yield Fault("archive_missing", place, "the archive has no row, though it goes on")
        by_tree = copies.leaf and archived is not None and _leaf(archived) == copies.leaf
        if archived is not None and not _sound(copies):
            yield Fault("archive_altered", place, "the archived payload has not the archived hash")
        elif stored is not None and archived is not None and stored != archived:
            if copies.sequence >= fork:
                yield Fault("stream_forked", place, "the stream was truncated and written on")
            elif copies.leaf and not by_tree and _leaf(stored) == copies.leaf:
                yield Fault("archive_altered", place, "archived payload and hash were changed together")
            else:
                yield Fault("stream_altered", place, "stream and archive hold two different envelopes")
        if copies.leaf and archived is not None and archived == stored and not by_tree:
            yield Fault("tree_altered", place, "the tree's leaf is not that of the envelope")


class Roots:
    """The roots of a growing tree, compared with checkpoints as it passes their sizes."""

    def __init__(self, checkpoints: Sequence[Checkpoint]) -> None:
        self._due = list(checkpoints)
        self._frontier = Frontier()
        self._waiting: list[bytes] = []
        self.proven = 0
        self.split: tuple[Checkpoint, ...] = ()

    def add(self, leaf: bytes) -> None:
        """The next leaf."""
        self._waiting.append(leaf)
        size = self._frontier.size + len(self._waiting)
        if len(self._waiting) == _CHUNK or (self._due and self._due[0].size <= size):
            self._grow()
        while self._due and self._due[0].size <= size:
            checkpoint = self._due.pop(0)
            if checkpoint.size < size:
                continue
            if checkpoint.root == self._frontier.root:
                self.proven = checkpoint.size
            else:
                self.split = (*self.split, checkpoint)

    def _grow(self) -> None:
        self._frontier, _ = self._frontier.append(self._waiting)
        self._waiting = []

    @property
    def ahead(self) -> tuple[Checkpoint, ...]:
        """Checkpoints of more leaves than there are."""
        size = self._frontier.size + len(self._waiting)
        return tuple(one for one in self._due if one.size > size)

    @property
    def root(self) -> bytes:
        self._grow()
        return self._frontier.root


def _subject(book: str, payload: bytes) -> str:
    """Where the message belongs; "" for a payload that is none, of which other checks speak."""
    try:
        header = wire.checked_header(book, 0, payload)
    except wire.Alien:
        return ""
    return wire.subject(book, header.aggregate)


def _agree(copies: Copies) -> bool:
    return (
        copies.stored is not None
        and copies.stored == copies.archived
        and digest_of(copies.stored) == copies.digest
        and (not copies.leaf or _leaf(copies.stored) == copies.leaf)
    )


def _sound(copies: Copies) -> bool:
    """Whether the archive row is its own hash's."""
    return copies.archived is not None and digest_of(copies.archived) == copies.digest


def _leaf(payload: bytes) -> bytes:
    try:
        return envelope_leaf(payload)
    except Refused:
        return b""


def _first(candidates: dict[Right, bytes], holds: Callable[[bytes], bool]) -> Right | None:
    return next((name for name, payload in candidates.items() if holds(payload)), None)


def _leaves(sequence: int, payload: bytes, tail: Tail) -> Forked:
    """What does not stay; of a message that nobody waits for, only that it was there."""
    if tail.aliens.get(sequence, _NAMED) is None:
        return Forked(sequence, "", "", "", (), digest_of(payload).hex())
    return forked_of(sequence, payload)


def forked_of(sequence: int, payload: bytes) -> Forked:
    """What an envelope that does not stay was."""
    origin = origin_of(payload)
    digest = digest_of(payload).hex()
    if origin is None:
        return Forked(sequence, "", "", "", (), digest)
    return Forked(sequence, origin.aggregate, origin.command, origin.actor, origin.kinds, digest)


def checked(copies: Iterable[Copies], judge: Judge) -> Judgement:
    """The judgement over all of them."""
    for one in copies:
        judge.take(one)
    judge.take_backup()
    return judge.judge()
