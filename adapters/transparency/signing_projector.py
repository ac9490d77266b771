"""Projecting, with a checkpoint signed soon after the tree grew."""

from __future__ import annotations

import logging
import threading
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from adapters.nats.log import Log
from adapters.postgres.database import Database
from adapters.projector import Projector
from adapters.transparency.published_log import PASSING, PublishedLog
from ledger.refusal import Refused

_EVERY_S: Final = 2.0
_log = logging.getLogger("wattledger.transparency")


class SigningProjector(Projector):
    """A projector that has the log signed while it runs, where this process has the key, and at its end.

    It halts when what it projected does not go on from what was signed.
    """

    def __init__(
        self, log: Log, database: Database, published: PublishedLog, *, every_s: float = _EVERY_S
    ) -> None:
        super().__init__(log, database)
        self._published = published
        self._every_s = every_s
        self._ended = threading.Event()
        self._warned = ""

    def run(self) -> None:
        """See `Projector.run`."""
        signing = threading.Thread(target=self._keep_signing, name="checkpoints")
        signing.start()
        try:
            super().run()
        finally:
            self._ended.set()
            signing.join()

    def _keep_signing(self) -> None:
        while not self._ended.wait(self._every_s):
            self._sign()
        if self.halted is None:
            self._sign()

    def _sign(self) -> None:
        try:
            if self._published.signer() is not None:
                self._published.sign()
        except Refused as refused:
            if refused.code in PASSING:
                self._warn(f"not signed yet ({refused.code}): {refused}")
            else:
                self.halted = f"{refused.code}: {refused}"
                self.stop()
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError) as error:
            self._warn(f"not signed yet: {error}")
        else:
            self._warned = ""

    def _warn(self, text: str) -> None:
        """Once for each reason in a row."""
        if text != self._warned:
            _log.warning(text)
            self._warned = text
