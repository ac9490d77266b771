"""Samples on this machine's disk until they are elsewhere for good: NATS may be away, a device is read all
the same.

What becomes of them when the disk's share is full, in this order: the oldest samples of the fast channel go;
the oldest others keep each minute's first and last; the oldest go whole. What went is on record as `Thinned`.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from adapters.embedded.child import private_folder
from adapters.telemetry.frame import Item, Unkept
from adapters.telemetry.held import HeldLane
from adapters.telemetry.lane import SEGMENT_BYTES
from dispatch.telemetry.gaps import Thinned
from dispatch.telemetry.sample import Sample
from dispatch.telemetry.settlement_interval import REGISTER_ROLES
from ledger.refusal import Refused

Channel = Literal["seconds", "fast"]
"""seconds: what is kept for days and settled. fast: of minutes, for the eye; never used for settlement."""

SYNC_S: Final = 0.2
"""What a power cut can cost: the samples of the last 0.2 s and of one sync."""
BYTES_MIN: Final = 1 << 16
ITEMS_AT_ONCE: Final = 5000
"""How many samples are sent before the first of them is acknowledged."""
_SEGMENTS: Final = 16
_MINUTE_MS: Final = 60_000


class Outbox:
    """The samples of one process, in the order in which they were put; its files lie in `folder`.

    The folder takes at most `bytes_max`, what comes in a second and a half segments a channel; no less than
    64 KiB.

    Raises:
        Refused: `outbox_busy` while another process has the folder; `outbox_size`.
    """

    def __init__(self, folder: Path, bytes_max: int) -> None:
        if bytes_max < BYTES_MIN:
            raise Refused("outbox_size", f"at least {BYTES_MIN} bytes", place="bytes_max")
        self.folder = private_folder(folder)
        self.bytes_max = bytes_max
        self._held = _hold(folder)
        segment_bytes = min(SEGMENT_BYTES, bytes_max // _SEGMENTS)
        self.seconds = HeldLane(folder / "seconds", segment_bytes)
        self.fast = HeldLane(folder / "fast", segment_bytes)
        # What the last process may have sent half of is left whole, so that it is known where it had come to.
        self.seconds.waiting(ITEMS_AT_ONCE)
        self._unkept = 0
        self._sync_failure = ""
        self._news: list[Callable[[], object]] = []
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="outbox", daemon=True)
        self._keeper.start()

    def put(self, sample: Sample, *, fast: bool = False) -> bool:
        """Keep the sample; written when this returns, and on the disk within `SYNC_S` and one sync.

        Never waits for NATS. False where the disk did not take it (`failure`): then it is held in memory, and
        sent from there.

        Raises:
            Unkept: it cannot be written down, on whatever disk: `unwritten` counts it.
        """
        lane = self.fast if fast else self.seconds
        try:
            written = lane.keep(sample)
        except Unkept:
            self._unkept += 1
            raise
        if not fast:
            for news in self._news:
                news()
        return written

    @property
    def failure(self) -> str:
        """Why the disk does not take what is put; "" while it does."""
        return self.seconds.failure or self.fast.failure or self._sync_failure

    @property
    def unwritten(self) -> int:
        """How many samples were lost: no entry can hold them, or memory was full as well. Their numbers are
        missing from the others."""
        return self._unkept + self.seconds.let_go + self.fast.let_go

    def on_news(self, told: Callable[[], object]) -> None:
        """Call `told` after each sample that was put, on the thread that put it. The fast channel's are sent
        with the next others: ten a second each alone would keep the disk busy."""
        self._news.append(told)

    @property
    def bytes(self) -> int:
        """What the samples take on the disk now."""
        return self.seconds.bytes + self.fast.bytes

    def _keep(self) -> None:
        while not self._stop.wait(SYNC_S):
            try:
                for lane in (self.seconds, self.fast):
                    lane.put_held()
                    lane.sync()
                self.bound()
            except OSError as error:
                self._sync_failure = str(error)
            else:
                self._sync_failure = ""

    def bound(self) -> None:
        """Let go of samples until the rest fits, as far as there are any that may go."""
        while self.bytes > self.bytes_max:
            if not (
                self.fast.rewrite_oldest("drop", dropped)
                or self.seconds.rewrite_oldest("thin", thinned)
                or self.seconds.rewrite_oldest("drop", dropped)
            ):
                return

    def close(self) -> None:
        """Put everything on the disk and let another process have the folder."""
        self._stop.set()
        self._keeper.join()
        for lane in (self.seconds, self.fast):
            lane.put_held()
        self.seconds.close()
        self.fast.close()
        os.close(self._held)


def _hold(folder: Path) -> int:
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file
    os.close(file)
    raise Refused("outbox_busy", f"another process keeps its samples in {folder}", place=str(folder))


def thinned(items: Sequence[Item]) -> Sequence[Item] | None:
    """Each minute's first and last sample of a device, those with a revenue meter's register before others,
    and what was let go; None where nothing can go."""
    kept: set[int] = set()
    minutes: dict[tuple[str, str, int], list[tuple[int, Sample]]] = {}
    for place, item in enumerate(items):
        if isinstance(item, Sample):
            minutes.setdefault((item.device, item.run, item.at_ms // _MINUTE_MS), []).append((place, item))
    for group in minutes.values():
        settling = [one for one in group if any(role in one[1].readings for role in REGISTER_ROLES)]
        chosen = settling or group
        kept |= {chosen[0][0], chosen[-1][0]}
    return _without(items, kept)


def dropped(items: Sequence[Item]) -> Sequence[Item] | None:
    """No sample, and what was let go; None where there is none."""
    return _without(items, set())


def _without(items: Sequence[Item], kept: set[int]) -> Sequence[Item] | None:
    """Marks stand behind the samples that are left: a mark is not of the order of samples."""
    gone: dict[tuple[str, str], list[Sample]] = {}
    for place, item in enumerate(items):
        if isinstance(item, Sample) and place not in kept:
            gone.setdefault((item.device, item.run), []).append(item)
    if not gone:
        return None
    left = [item for place, item in enumerate(items) if isinstance(item, Thinned) or place in kept]
    return [*left, *(_mark(samples) for samples in gone.values())]


def _mark(samples: Sequence[Sample]) -> Thinned:
    first, last = samples[0], samples[-1]
    at = [sample.at_ms for sample in samples]
    return Thinned(first.device, first.run, first.number, last.number, min(at), max(at), len(samples))
