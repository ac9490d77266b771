"""What each row of readings was when it was projected, in 64 bits: one changed, deleted or added shows.

Seals are made from the event by the projector, kept in a table of their own and compared whenever rows are
read. They are no signatures: who rewrites a row and its seal alike is found by replaying the stream.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ledger.readings import Run

Seals = npt.NDArray[np.uint64]

SEALED: Final = np.dtype([("start", ">i8"), ("seal", ">u8")])
"""How a run's rows stand in `reading_seal`: each one's start in microseconds since 2000, and its seal."""

_STEP: Final = 0x9E3779B97F4A7C15
_WIDTH_MAX: Final = 1440
"""The most intervals of a row: a day of minutes."""


def _mixed(values: Seals) -> Seals:
    """splitmix64's finaliser: each bit of the sum changes about half of the seal's."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _weights(first: int, count: int) -> Seals:
    numbers = np.arange(first, first + count, dtype=np.uint64)
    return _mixed(numbers * np.uint64(_STEP)) | np.uint64(1)


_OF_WH: Final = _weights(1, _WIDTH_MAX)
_OF_QUALITY: Final = _weights(1 << 20, _WIDTH_MAX)
_OF_START, _OF_SEQUENCE, _OF_LENGTH, _OF_LETTERS = _weights(1 << 30, 4)


def key_of(meter: str, register: str, interval_s: int) -> np.uint64:
    """Whose row it is."""
    digest = hashlib.sha256(f"{meter}/{register}/{interval_s}".encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "big"))


def seals(
    keys: Seals,
    starts_us: npt.NDArray[np.int64],
    sequences: npt.NDArray[np.int64],
    values: npt.NDArray[Any],
    letters: npt.NDArray[np.uint8],
) -> Seals:
    """The seals of rows of one length: `values` are their energies, `letters` the ASCII codes of their
    qualities as they are stored, one or as many as intervals."""
    length, count = values.shape[1], letters.shape[1]
    if max(length, count) > _WIDTH_MAX:
        return np.zeros(len(values), dtype=np.uint64)  # No projected row is so long, so no seal is this one.
    content = values.astype(np.uint64) @ _OF_WH[:length] + letters.astype(np.uint64) @ _OF_QUALITY[:count]
    return _sealed(keys, starts_us, sequences, content, np.uint64(length), np.uint64(count))


def seals_of_run(
    run: Run, sequence: int, starts_us: npt.NDArray[np.int64], firsts: npt.NDArray[np.int64]
) -> bytes:
    """The seals of the rows into which a run was cut, as they are stored; `firsts` are the positions of each
    row's first interval in the run."""
    lengths = np.diff(firsts, append=run.count)
    places = np.arange(run.count) - np.repeat(firsts, lengths)
    values = np.frombuffer(run.wh, dtype="<i4").astype(np.uint64)
    content = np.add.reduceat(values * _OF_WH[places], firsts)
    if len(run.quality) == 1:
        content += np.full(len(firsts), ord(run.quality), dtype=np.uint64) * _OF_QUALITY[0]
        counts = np.ones(len(firsts), dtype=np.uint64)
    else:
        letters = np.frombuffer(run.quality.encode("ascii"), dtype=np.uint8).astype(np.uint64)
        content += np.add.reduceat(letters * _OF_QUALITY[places], firsts)
        counts = lengths.astype(np.uint64)
    key = np.full(len(firsts), key_of(run.meter, run.register, run.interval_s))
    of = np.full(len(firsts), sequence, dtype=np.int64)
    found = np.empty(len(firsts), dtype=SEALED)
    found["start"] = starts_us
    found["seal"] = _sealed(key, starts_us, of, content, lengths.astype(np.uint64), counts)
    return found.tobytes()


def _sealed(
    keys: Seals,
    starts_us: npt.NDArray[np.int64],
    sequences: npt.NDArray[np.int64],
    content: Seals,
    lengths: Any,
    letters: Any,
) -> Seals:
    placed = starts_us.astype(np.uint64) * _OF_START + sequences.astype(np.uint64) * _OF_SEQUENCE
    with np.errstate(over="ignore"):
        shape = lengths * _OF_LENGTH + letters * _OF_LETTERS
        return _mixed(keys + placed + content + shape)
