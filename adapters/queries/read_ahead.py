"""Readings of many meters, fetched before they are needed."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

from adapters.postgres.database import Connection
from adapters.queries import meter_month
from adapters.queries.meter_month import Fetched, Key, MeterMonth
from ledger.interval import Interval


class Asked(NamedTuple):
    """The readings of `keys` in `interval`, in intervals of `interval_s`."""

    keys: tuple[Key, ...]
    interval: Interval
    interval_s: int


class ReadAhead:
    """Readings as the ledger knew them at sequence `position`.

    With `beside`, a second transaction, those that are expected are fetched on it by a thread of their own
    while others are worked on: most of the time that readings take is PostgreSQL's.
    """

    def __init__(
        self, connection: Connection, book: str, position: int, beside: Connection | None = None
    ) -> None:
        self._connection, self._book, self._position, self._beside = connection, book, position, beside
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._coming: dict[Asked, Future[Fetched]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def expect(self, asked: Asked) -> None:
        """It is asked for soon; what is expected twice is fetched anew the second time."""
        if self._beside is not None and asked not in self._coming:
            self._coming[asked] = self._thread.submit(self._fetch, self._beside, asked)

    def load(self, asked: Asked) -> MeterMonth:
        """The readings.

        Raises:
            Discontinuity: as `meter_month.load`, also of what was fetched before.
        """
        coming = self._coming.pop(asked, None)
        fetched = self._fetch(self._connection, asked) if coming is None else coming.result()
        return meter_month.read(fetched, *asked)

    def _fetch(self, connection: Connection, asked: Asked) -> Fetched:
        return meter_month.fetch(connection, self._book, *asked, self._position)
