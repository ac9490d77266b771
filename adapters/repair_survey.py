"""What a repair would do, judged from every copy that there is; nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from adapters import backup as backups
from adapters import replay
from adapters.beyond_checkpoint import Wanted, unproven
from adapters.front_door import FrontDoor
from adapters.integrity.copies import Copies, digest_of, side_by_side
from adapters.integrity.judgement import Judge, Judgement, Roots
from adapters.integrity.origin import Chains, NewerEnvelope, origin_at
from adapters.nats import stream
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.wire import Alien
from adapters.postgres.database import Database
from adapters.replay import ReplayProof
from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.entry_bundle import envelope_leaf

_NAMED: Final = 10


class Unrepairable(RuntimeError):
    """No copy of some sequences is proven right, so nothing was changed."""

    def __init__(self, judgement: Judgement) -> None:
        undecided = [one for one in judgement.undecided if one not in judgement.newer]
        said = []
        if undecided:
            said.append(f"no copy of {_sequences(undecided)} is proven right")
        if judgement.newer:
            newer = _sequences(judgement.newer)
            said.append(
                f"{newer}: it says that a newer version of this program wrote it, repair with that one"
            )
        way_out = "; give a backup of the book with --backup FILE" if undecided else ""
        super().__init__(f"{'; '.join(said)}: nothing was changed{way_out}")
        self.judgement = judgement


def _sequences(found: Sequence[int]) -> str:
    more = len(found) - _NAMED
    return f"sequence {', '.join(map(str, found[:_NAMED]))}{f' and {more} more' if more > 0 else ''}"


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


def survey(shop: Shop) -> Survey:
    """Judge both copies, and where the stream is right compare every row with it; changes nothing.

    Raises:
        Refused: `backup` and the others of `backup.checked` for a backup that does not hold.
        Unrepairable: names what does not go on from what is before it.
    """
    found = judged(shop)
    if found.remakes_stream and not found.judgement.undecided and not found.unproven:
        for _ in checked(shop, found.judgement):
            pass
    if found.judgement.undecided or found.remakes_stream or found.unproven:
        return found
    return msgspec.structs.replace(found, rows=replay.compare(shop.log, shop.database))


def judged(shop: Shop) -> Survey:
    """As `survey`, without the rows.

    Raises:
        Refused: as `survey`.
    """
    judgement, weak = _judged(shop), tuple(weaknesses(shop))
    if judgement.undecided or all(copy == "stream" for copy in judgement.right.values()):
        return Survey(judgement, weak)
    proven = roots(shop)
    for _, payload in _right(shop, judgement):
        proven.add(envelope_leaf(payload))
    return Survey(judgement, weak, None, unproven(judgement, proven.proven), proven.proven)


def roots(shop: Shop) -> Roots:
    """The signed checkpoints, to be compared with what is right."""
    return Roots(sorted(shop.checkpoints, key=lambda one: one.size))


def copies(shop: Shop) -> Iterator[Copies]:
    """Stream and archive, sequence by sequence."""
    with shop.database.owning() as connection:
        yield from side_by_side(Log(shop.operator, shop.book), connection)


def _judged(shop: Shop) -> Judgement:
    further: dict[int, bytes] = {}
    if shop.backup is not None:
        manifest = backups.checked(shop.backup)
        further = dict(enumerate(backups.payloads(shop.backup, manifest), 1))
    judge = Judge(shop.book, shop.checkpoints, further)
    for one in copies(shop):
        judge.take(one)
    judge.take_backup()
    return judge.judge()


def weaknesses(shop: Shop) -> list[str]:
    """What of the stream's configuration and of its own account is not as it must be."""
    try:
        standing = stream.standing(shop.operator, shop.book)
    except stream.StreamError as error:
        if error.code != stream.NOT_FOUND:
            raise
        return ["there is no stream"]
    weak = stream.weaknesses(standing.config, shop.book, replicas=shop.replicas)
    return weak if standing.state.whole else [*weak, "it says itself that messages are missing"]


def _right(shop: Shop, judgement: Judgement) -> Iterator[tuple[int, bytes]]:
    """The right payload of each sequence up to the judgement's end, but for the aliens."""
    for one, further in islice(with_backup(shop), judgement.end):
        if one.sequence in judgement.aliens:
            continue
        by = {"stream": one.stored, "archive": one.archived, "backup": further}
        payload = by[judgement.right.get(one.sequence, "stream")]
        assert payload is not None, f"sequence {one.sequence} was judged"
        yield one.sequence, payload


def checked(shop: Shop, judgement: Judgement) -> Iterator[bytes]:
    """The right payloads, each an envelope of the book that goes on from its aggregate's.

    Raises:
        Unrepairable: names those that are none or do not: no stream could be made of them.
    """
    chains = Chains()
    wrong: list[int] = []
    newer: list[int] = []
    for sequence, payload in _right(shop, judgement):
        try:
            if not chains.goes_on(origin_at(shop.book, sequence, payload), digest_of(payload)):
                wrong.append(sequence)
        except Alien:
            wrong.append(sequence)
        except NewerEnvelope:
            newer.append(sequence)
        if not wrong and not newer:
            yield payload
    if wrong or newer:
        undecided = tuple(sorted((*wrong, *newer)))
        raise Unrepairable(msgspec.structs.replace(judgement, undecided=undecided, newer=tuple(newer)))


def with_backup(shop: Shop) -> Iterator[tuple[Copies, bytes | None]]:
    """Both copies of each sequence with the backup's, also of those that only the backup has."""
    further: Iterator[bytes] = iter(())
    if shop.backup is not None:
        further = backups.payloads(shop.backup, backups.checked(shop.backup))
    count = 0
    for one in copies(shop):
        count += 1
        yield one, next(further, None)
    for sequence, payload in enumerate(further, count + 1):
        yield Copies(sequence, None, None, b"", b""), payload
