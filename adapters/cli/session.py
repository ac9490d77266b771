"""What a command works with: the stack, and a projector where nobody else runs one for its book."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from adapters.access_log import AccessLog
from adapters.cli.reads import on_record
from adapters.projector import Projector
from adapters.settings import Settings
from adapters.stack import Stack, running
from adapters.state_folder import StateFolder
from ledger.refusal import Refused

ACTOR = "cli"
"""Who the command line acts as; it has the rights of the operating-system user who runs it."""
PreparedBy = Annotated[
    str,
    Parameter(
        name="--as", help="who prepares it, an opaque id: where two persons must agree, another approves"
    ),
]
_BROUGHT: Final = frozenset({"log.key", "checkpoints"})
"""What a book's log needs to go on where its backup is restored: it lies in the folder before."""


class Session(msgspec.Struct, frozen=True):
    """The settings and the clock that `adapters/main.py` gives to every command."""

    settings: Settings
    clock: Callable[[], datetime]

    @property
    def founded(self) -> bool:
        """Whether there is a book to open: a founded folder, or servers of yours."""
        return not self.settings.embedded or StateFolder(self.settings.state).founded

    @contextmanager
    def open(self, *, founding: bool = False) -> Iterator[Stack]:
        """The stack with its projections moving: its owner's projector, or one of our own.

        Raises:
            Refused: see `check_folder`.
        """
        check_folder(self.settings, founding=founding)
        with (
            running(self.settings, self.clock, founding=founding) as stack,
            projecting(stack),
            on_record(AccessLog(stack.client, self.settings.book, stack.database, self.clock), ACTOR),
        ):
            yield stack


def check_folder(settings: Settings, *, founding: bool = False) -> None:
    """The folder of embedded servers is one that we made or, to found a book in, empty or not there yet.

    Only `demo`, `up`, `serve` and `restore` found; any other command, given in the wrong folder, would
    answer from an empty book.

    Raises:
        Refused: `no_book`.
    """
    folder = StateFolder(settings.state)
    if not settings.embedded or folder.founded:
        return
    if not founding:
        raise Refused(
            "no_book",
            f"no book in {folder.path}; WATTLEDGER_STATE points to another folder, and wattledger demo, up,"
            " serve or restore founds a book",
        )
    if folder.path.is_dir() and any(one.name not in _BROUGHT for one in folder.path.iterdir()):
        raise Refused(
            "no_book",
            f"{folder.path} holds other files and no book; WATTLEDGER_STATE points to another folder",
        )


@contextmanager
def projecting(stack: Stack) -> Iterator[Projector | None]:
    """Run a projector beside the work where that is for this process to do; else one runs already."""
    if not stack.projects:
        yield None
        return
    projector = stack.projector()
    thread = threading.Thread(target=projector.run, name="projector")
    thread.start()
    try:
        yield projector
    finally:
        stack.wait_for_joined()
        projector.stop()
        thread.join()
