"""Work that comes at the same time is done together: what a turn costs is paid once, however many wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_AT_ONCE: Final = 2
"""So many turns are under way, one computing while the other waits for the servers."""
_SIZE_MAX: Final = 100
"""How large a turn grows. What is larger by itself is done by itself and keeps nobody waiting."""


class _Turn(Generic[T]):
    def __init__(self) -> None:
        self.items: list[T] = []
        self.size = 0
        self.begins = threading.Event()
        self.ended = threading.Event()
        self.failed = False


class Together(Generic[T]):
    """`work` is done on all items of a turn by the thread that came first; the others wait for it."""

    def __init__(self, work: Callable[[Sequence[T]], None]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: list[_Turn[T]] = []

    def __call__(self, item: T, size: int) -> None:
        """Have the item worked on, alone where it is larger than a turn.

        A turn of several that ends with an error is taken again by each for itself: the fault of one is not
        its neighbour's.

        Raises:
            What `work` raises.
        """
        if size > _SIZE_MAX:
            self._work([item])
            return
        with self._lock:
            turn, leads = self._turn_for(size)
            turn.items.append(item)
            turn.size += size
        if leads:
            turn.begins.wait()
            self._lead(turn)
        else:
            turn.ended.wait()
        if turn.failed:
            self._work([item])

    def _turn_for(self, size: int) -> tuple[_Turn[T], bool]:
        """The last turn that has not begun and has room, or a new one."""
        if self._waiting and self._waiting[-1].size + size <= _SIZE_MAX:
            return self._waiting[-1], False
        turn = _Turn[T]()
        if self._running < _AT_ONCE:
            self._running += 1
            turn.begins.set()
        else:
            self._waiting.append(turn)
        return turn, True

    def _lead(self, turn: _Turn[T]) -> None:
        turn.failed = len(turn.items) > 1
        try:
            self._work(turn.items)
            turn.failed = False
        except Exception:
            if not turn.failed:
                raise
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.pop(0).begins.set()
                else:
                    self._running -= 1
            turn.ended.set()
