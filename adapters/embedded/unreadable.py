"""Streams that the embedded NATS cannot read back from its files: named, and set aside by a repair."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from adapters.continuity import Discontinuity
from adapters.embedded.child import private_folder
from adapters.integrity.evidence import sync_folder

_LOST: Final = "could not be recovered"


class Unreadable(Discontinuity):
    """The server runs without these streams, whose folders are named: their metadata does not hold."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        names = ", ".join(folder.name for folder in folders)
        super().__init__(
            f"NATS cannot read {names} back: the metadata there (meta.inf, meta.sum) is damaged; nothing is"
            " recorded until `wattledger repair` has made it anew",
            code="stream_unreadable",
            place=str(folders[0]),
        )


class _Error(msgspec.Struct, frozen=True):
    type: str = ""
    account: str = ""
    stream: str = ""
    error: str = ""


class _Health(msgspec.Struct, frozen=True):
    errors: list[_Error] = []


def check(store: Path, health: bytes) -> None:
    """What a server that listens says of its health (`/healthz?details=1`); `store` is its store's folder.

    Raises:
        Unreadable: it could not read streams back.
    """
    lost = [one for one in msgspec.json.decode(health, type=_Health).errors if _LOST in one.error]
    folders = [store / "jetstream" / one.account / "streams" / one.stream for one in lost if one.stream]
    if folders:
        raise Unreadable(folders)


def set_aside(folders: Sequence[Path], into: Path) -> list[Path]:
    """Move stream folders of a server that does not run to the evidence; answers where they are."""
    private_folder(into)
    moved: list[Path] = []
    for folder in folders:
        target = next(path for n in count(1) if not (path := into / f"unreadable-{folder.name}-{n}").exists())
        folder.rename(target)
        sync_folder(folder.parent)
        moved.append(target)
    sync_folder(into)
    return moved
