"""What a command works with: the stack, and a projector while nobody else runs one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import msgspec

from adapters.projector import Projector
from adapters.settings import Settings
from adapters.stack import Stack, running

ACTOR = "cli"
"""Who the command line acts as; it has the rights of the operating-system user who runs it."""


class Session(msgspec.Struct, frozen=True):
    """The settings and the clock that `adapters/main.py` gives to every command."""

    settings: Settings
    clock: Callable[[], datetime]

    @contextmanager
    def open(self) -> Iterator[Stack]:
        """The stack with its projections moving: its owner's projector, or one of our own."""
        with running(self.settings, self.clock) as stack, projecting(stack):
            yield stack


@contextmanager
def projecting(stack: Stack) -> Iterator[Projector | None]:
    """Run a projector beside the work when this process started the servers; else one runs already."""
    if not stack.children:
        yield None
        return
    projector = stack.projector()
    thread = threading.Thread(target=projector.run, name="projector")
    thread.start()
    try:
        yield projector
    finally:
        projector.stop()
        thread.join()
