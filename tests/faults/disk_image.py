"""A disk that can lose its power: an ext4 file system in a file, whose copy is what had reached the disk.

Needs root, loop devices and e2fsprogs. `python -m` of a process that uses one is started by `alone`: it has
mounts of its own, which the kernel takes down with its last process, however that ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

IMAGE_BYTES: Final = 1 << 30
_JOURNAL_MIB: Final = 256
"""So large that it is not used twice during a test: a copy takes some milliseconds, and what the journal's
beginning held at their start may not be overwritten by their end."""
_TOOLS: Final = ("mkfs.ext4", "mount", "umount", "unshare")
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing() -> str | None:
    """Why there can be no such disk here."""
    if os.geteuid() != 0:
        return "only root can mount a loop device"
    if absent := [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]:
        return f"{', '.join(absent)} is not here"
    if not Path("/dev/loop-control").exists():
        return "this kernel has no loop devices"
    tried = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True, text=True)
    return tried.stderr.strip() or None


def alone(module: str, arguments: Sequence[str], *, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a Python module with mounts of its own."""
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", module, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)


class DiskImage:
    """An image file, and where it is mounted."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / f"{name}.img"
        self.place = folder / name
        self.place.mkdir()
        with self.file.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-J", f"size={_JOURNAL_MIB}", str(self.file))
        self.mount(self.file)

    def copy(self, to: Path) -> None:
        """What of the disk's blocks was written by now, whatever waits in memory to be written."""
        _run("cp", "--sparse=always", str(self.file), str(to))

    def sync(self) -> None:
        """Have everything written that is waiting."""
        _run("sync", "-f", str(self.place))

    def mount(self, file: Path) -> None:
        """The file system of an image; its journal is replayed if it was not unmounted in order."""
        _run("mount", "-o", "loop", str(file), str(self.place))

    def unmount(self) -> None:
        """As soon as the processes that worked there have let go of their files."""
        give_up = time.monotonic() + 120
        while True:
            try:
                _run("umount", str(self.place))
            except subprocess.CalledProcessError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)
            else:
                return


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PATH": _PATH})
