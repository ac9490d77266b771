"""What months are settled from, compared with its events while the next contracts are settled."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from adapters.integrity.registered_rows import Read, check_read
from adapters.postgres.database import Database


class ComparedBeside:
    """By a thread and on transactions of its own: most of the time that it takes is PostgreSQL's."""

    def __init__(self, database: Database, book: str, position: int) -> None:
        self._database, self._book, self._position = database, book, position
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compare")
        self._begun = Read.of([])
        self._coming: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def begin(self, read: Read) -> None:
        """Compare it, as far as that has not begun yet."""
        new = Read(read.aggregates - self._begun.aggregates, read.prices - self._begun.prices)
        if new.aggregates or new.prices:
            self._begun = Read.of([self._begun, new])
            self._coming.append(self._thread.submit(self._compare, new))

    def finish(self) -> None:
        """Accept all that was begun.

        Raises:
            Discontinuity: as `check_read`.
        """
        for one in self._coming:
            one.result()

    def _compare(self, read: Read) -> None:
        with self._database.reading(self._book) as connection:
            check_read(connection, read, self._position)
