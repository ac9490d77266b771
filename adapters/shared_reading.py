"""Reads of aggregates that come at the same time share one: its questions cost once, however many wait.

A read joins only one that has not begun, so that it sees all that was stored before it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from eventsourcing.persistence import Notification

from adapters.together import Together

Positions = Mapping[str, int]
"""Aggregate -> the stream sequence from which on its events are wanted."""
Found = Mapping[str, Sequence[Notification]]


class _Asked:
    def __init__(self, positions: Positions) -> None:
        self.positions = positions
        self.found: Found = {}


class SharedReading:
    """Reads like `read`, which any thread may call at any time."""

    def __init__(self, read: Callable[[Positions], Found]) -> None:
        self._read = read
        self._together = Together(self._read_all)

    def __call__(self, positions: Positions) -> Found:
        """The events of each aggregate from its position on.

        Raises:
            What `read` raises.
        """
        asked = _Asked(positions)
        self._together(asked, len(positions))
        return asked.found

    def _read_all(self, together: Sequence[_Asked]) -> None:
        first: dict[str, int] = {}
        for asked in together:
            for name, start in asked.positions.items():
                first[name] = min(start, first.get(name, start))
        found = self._read(first)
        for asked in together:
            asked.found = {
                name: [event for event in found[name] if event.id >= start]
                for name, start in asked.positions.items()
            }
