"""The folder that embedded servers work in: one process owns it, others join that one's servers."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import msgspec

from adapters.embedded.child import ChildFailed, private_folder

_OWNER_S: Final = 90.0
"""How long an owner may take to start or to stop."""
_JOINED_S: Final = 60.0
"""How long an owner that wants to stop waits for who has joined."""
_LOOK_S: Final = 0.05


class Addresses(msgspec.Struct, frozen=True):
    """Where the running servers are, and which book their owner projects; who joins them reads this."""

    book: str
    nats_url: str
    nats_monitor_url: str | None
    nats_seed: str | None
    nats_operator_seed: str | None
    postgres_url: str
    process: int | None = None
    """The owner's process id, where it runs on this machine."""


class StateFolder:
    """`lock` is held by the owner, `joined` is shared by who has joined, `running.json` has the addresses."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock = self.path / "lock"
        self._note = self.path / "running.json"

    @property
    def founded(self) -> bool:
        """Whether servers were ever started here."""
        return self._lock.is_file()

    @property
    def owned(self) -> bool:
        """Whether a process owns the folder at this moment."""
        if not self.founded:
            return False
        with self._lock.open("rb") as lock:
            return not _take(lock, fcntl.LOCK_SH)

    @property
    def announced(self) -> Addresses | None:
        """Where the servers of the process that owns the folder are; None while it starts or stops, and where
        nobody owns it."""
        if not self.owned:
            return None
        with suppress(FileNotFoundError):
            return msgspec.json.decode(self._note.read_bytes(), type=Addresses)
        return None

    @contextmanager
    def entered(self) -> Iterator[Addresses | None]:
        """Owned by this process for the time being (None), or joined: where the owner's servers are.

        An owner that starts or stops is waited for.

        Raises:
            ChildFailed: it did not get there in time.
        """
        private_folder(self.path)
        with ExitStack() as held:
            lock = held.enter_context(self._lock.open("ab"))
            self._joined = held.enter_context((self.path / "joined").open("ab"))
            yield self._own_or_join(lock)

    def _own_or_join(self, lock: IO[bytes]) -> Addresses | None:
        give_up = time.monotonic() + _OWNER_S
        while not _take(lock, fcntl.LOCK_EX):
            if _take(self._joined, fcntl.LOCK_SH):
                with suppress(FileNotFoundError):
                    return msgspec.json.decode(self._note.read_bytes(), type=Addresses)
                fcntl.flock(self._joined, fcntl.LOCK_UN)
            if time.monotonic() > give_up:
                raise ChildFailed(f"another process holds {self.path}, and its servers do not come up")
            time.sleep(_LOOK_S)
        self._note.unlink(missing_ok=True)
        return None

    def announce(self, addresses: Addresses) -> None:
        """Let others join from now on; only the owner does this."""
        partial = self._note.with_suffix(".new")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(addresses))
        partial.rename(self._note)

    def close(self) -> None:
        """Let nobody join any more, and wait for who has joined; only the owner does this, once or twice."""
        give_up = time.monotonic() + _JOINED_S
        if not _take(self._joined, fcntl.LOCK_EX):
            print("another command still uses these servers: waiting for it", file=sys.stderr, flush=True)
            while not _take(self._joined, fcntl.LOCK_EX) and time.monotonic() < give_up:
                time.sleep(_LOOK_S)
        self._note.unlink(missing_ok=True)


def _take(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
