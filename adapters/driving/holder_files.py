"""Which holders of leases have ended: each keeps a file of its own locked for as long as it lives.

The kernel gives a lock back only when the process has ended, and by then its connections are gone with what
they had not sent. So who finds the lock free knows more than any clock tells, as long as it asks the same
kernel about the same file. A file that was copied or restored, or that is looked at from another machine or
after a restart of this one, proves nothing: the holder's lease is waited for then.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from adapters.embedded.child import private_folder
from dispatch.control.lease import LASTS_S_MAX
from ledger.identity import checked_id

SETTLED_S: Final = 1.0
"""So long after it was seen to have ended nothing that it sent is on its way: a command by MQTT is not obeyed
for longer than that, and what a socket held went with the process."""
_KEPT_S: Final = 2 * LASTS_S_MAX
"""By then no lease of it is waited for."""
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class HolderFiles:
    """Of one folder, for the drivers and step tests that start from it one after the other."""

    def __init__(self, folder: Path, seconds: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._seconds = seconds
        self._ended_at: dict[str, float] = {}

    @contextmanager
    def living(self, holder: str) -> Iterator[None]:
        """This process is `holder` meanwhile, and may take leases as such; its writes have ended by the end.

        Raises:
            Refused: `id`. FileExistsError: there was one of that name.
        """
        checked_id(holder, "holder")
        private_folder(self._folder)
        for path in self._folder.iterdir():
            self._look(path)
            _remove_old(path)
        file = os.open(self._folder / holder, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Who it is stands in it only once it is locked.
            os.write(file, _identity(file))
            yield
        finally:
            os.close(file)

    def ended(self, holder: str) -> bool:
        """Whether it is proven that `holder` lived here and has ended, with all that it had begun."""
        self._look(self._folder / checked_id(holder, "holder"))
        at = self._ended_at.get(holder)
        return at is not None and self._seconds() - at >= SETTLED_S

    def _look(self, path: Path) -> None:
        if path.name not in self._ended_at and _has_ended(path):
            self._ended_at[path.name] = self._seconds()


def _has_ended(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        own = _identity(file)
        return bool(own) and os.read(file, len(own) + 1) == own and _locked(file)
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _identity(file: int) -> bytes:
    """Which start of which kernel, and which file of it; empty where the kernel does not tell."""
    try:
        boot = _BOOT.read_text().strip()
    except FileNotFoundError:
        return b""
    found = os.fstat(file)
    return f"{boot} {found.st_dev} {found.st_ino}\n".encode()


def _remove_old(path: Path) -> None:
    """Where it is of another start of the machine, too."""
    with suppress(FileNotFoundError):  # Another was faster.
        if time.time() - path.stat().st_mtime > _KEPT_S:
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            try:
                if _locked(file):
                    path.unlink()
            finally:
                os.close(file)
