"""The transparency log: a proof in a long log, and the checkpoint of a thousand new envelopes."""

from __future__ import annotations

import hashlib
import random
import statistics
from datetime import UTC, datetime
from functools import partial

import psycopg

from adapters.projections.transparency import append
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.published_log import PublishedLog
from benchmarks.figure import Figure, seconds
from benchmarks.rig import Book, Rig
from ledger.transparency.entry_bundle import envelope_leaf

_PROOF_LIMIT_MS = 10
_SIGNING_LIMIT_MS = 20
_PROOFS = 200
_ROUNDS = 20
_NEW = 1000
_CHUNK = 200_000
_RECORDED = datetime(2026, 9, 1, tzinfo=UTC)
_FILLER = "x" * 2000


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """The tree is made by the projection's own code out of made-up envelopes; of the archive there is only
    what is asked for."""
    size = 200_000 if quick else 10_000_000
    book = rig.book()
    asked = sorted(random.Random(1).sample(range(1, size + 1), _PROOFS))
    _grow(book, size)
    _archive(book, sorted({*asked, size}))
    _settle(book)
    log = PublishedLog(
        book.database,
        book.log.book,
        f"bench.example/{book.log.book}",
        CheckpointFolder(rig.folder / "checkpoints" / book.log.book),
        rig.folder / "log.key",
        makes_key=True,
    )
    log.sign()
    log.proof(asked[0])
    taken = sorted(seconds(partial(log.proof, sequence)) for sequence in asked)
    proof = 1000 * taken[len(taken) * 95 // 100]
    signing = 1000 * statistics.median(
        _checkpoint(book, log, size + _NEW * number) for number in range(_ROUNDS)
    )
    book.close()
    return [
        Figure(
            f"a proof among {size:,} envelopes, 95 % of {_PROOFS} are faster",
            proof,
            _PROOF_LIMIT_MS,
            "limit",
            "ms",
            _PROOF_LIMIT_MS / proof,
            1.0,
        ),
        Figure(
            f"checkpoint of {_NEW:,} new envelopes of 2 kB",
            signing,
            _SIGNING_LIMIT_MS,
            "limit",
            "ms",
            _SIGNING_LIMIT_MS / signing,
            1.0,
        ),
    ]


def _checkpoint(book: Book, log: PublishedLog, size: int) -> float:
    """Seconds from envelopes in memory to a signed checkpoint on the disk."""
    payloads = [_payload(sequence) for sequence in range(size + 1, size + _NEW + 1)]
    _archive(book, [size + _NEW])

    def work() -> None:
        _append(book, size, [envelope_leaf(payload) for payload in payloads])
        log.sign()

    return seconds(work)


def _grow(book: Book, size: int) -> None:
    for start in range(0, size, _CHUNK):
        end = min(start + _CHUNK, size)
        _append(book, start, [envelope_leaf(_payload(sequence)) for sequence in range(start + 1, end + 1)])


def _settle(book: Book) -> None:
    """What took years otherwise is on the disk before anything is timed."""
    with psycopg.connect(book.database.url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE ledger.tree_tile")
        connection.execute("CHECKPOINT")


def _append(book: Book, size: int, leaves: list[bytes]) -> None:
    name = book.log.book
    with book.database.projecting() as connection:
        append(connection, name, size, leaves)
        connection.execute(
            "INSERT INTO ledger.position VALUES (%s, 'tree', %s, '') ON CONFLICT (book, projection)"
            " DO UPDATE SET sequence = excluded.sequence",
            [name, size + len(leaves)],
        )


def _archive(book: Book, sequences: list[int]) -> None:
    rows = [
        (book.log.book, at, f"bench.{at}", 1, hashlib.sha256(_payload(at)).digest(), _payload(at))
        for at in sequences
    ]
    with book.database.owning() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ledger.envelope VALUES (%s, %s, %s, %s, %s,"
            f" '{_RECORDED.isoformat()}', '{_RECORDED.isoformat()}', %s)",
            rows,
        )


def _payload(sequence: int) -> bytes:
    return f'{{"n":{sequence},"filler":"{_FILLER}"}}'.encode()
