"""Mails what happens to alarms: in order, at least once, and each under one Message-ID.

Where it stands is a row: a kill after the server took a mail and before its row means that the mail comes
again, under the same id. What fails is tried again until it is taken, after growing pauses.
"""

from __future__ import annotations

import contextlib
import logging
import smtplib
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Final

from adapters.continuity import Discontinuity
from adapters.live.archive import PASSING, LiveArchive
from adapters.live.message import AlarmNews, LiveMessage
from adapters.live.told_position import Overtaken, ToldPosition, move_alone, read
from adapters.live.turn import Turn
from adapters.mail.mailbox import Mailbox
from adapters.postgres.database import Database

CONSUMER: Final = "mail"
PAUSES_S: Final = (1.0, 5.0, 30.0, 120.0, 600.0)
_IDLE_S: Final = 0.3
_RETRY_S: Final = 1.0
_log = logging.getLogger("wattledger.mail")


class MailWorker:
    """One book's mails; from when it first runs on. `halted` says why it stopped by itself."""

    def __init__(
        self,
        database: Database,
        book: str,
        mailbox: Mailbox,
        clock: Callable[[], datetime],
        *,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self.halted: str | None = None
        self._database = database
        self._book = book
        self._mailbox = mailbox
        self._clock = clock
        self._pauses_s = tuple(pauses_s)
        self._archive = LiveArchive(database, book)
        self._stop = threading.Event()
        self._failures = 0

    def run(self) -> None:
        """Mail for ever while it is our turn; returns after `stop` or when halted. PostgreSQL and the mail
        server may come and go."""
        turn = Turn(self._database.url, self._book, CONSUMER)
        with contextlib.closing(turn):
            self._run(turn)

    def _run(self, turn: Turn) -> None:
        while not self._stop.is_set():
            try:
                if not turn.ours() or self._step():
                    self._stop.wait(_IDLE_S)
            except (Overtaken, *PASSING) as away:
                _log.warning("mail: tried again: %r", away)
                self._stop.wait(_RETRY_S)
            except Discontinuity as lost:
                self.halted = str(lost)
                return

    def stop(self) -> None:
        """End once the mail that is under way is answered."""
        self._stop.set()

    def _step(self) -> bool:
        """The next mail; answers whether there is nothing to do now."""
        with self._database.reading(self._book) as connection:
            told = read(connection, CONSUMER)
        if told is None:
            self._move(None, ToldPosition(self._archive.position()))
            return False
        page = self._archive.after(told.sequence)
        wanted = [one for one in page.messages if isinstance(one.data, AlarmNews)]
        here = [one for one in wanted if one.sequence == wanted[0].sequence]
        if len(here) <= told.parts:
            passed = page.reached if len(wanted) == len(here) else wanted[0].sequence
            assert passed is not None, "what is told of the book has a sequence"
            if passed != told.sequence:
                self._move(told, ToldPosition(passed))
            return page.level and passed == page.reached
        try:
            self._mailbox.send(mail_of(here[told.parts], self._mailbox))
        except (OSError, smtplib.SMTPException) as error:
            pause = self._pauses_s[min(self._failures, len(self._pauses_s) - 1)]
            self._failures += 1
            _log.warning("mail: tried again in %s s: %s", pause, type(error).__name__)
            self._stop.wait(pause)
            return False
        self._failures = 0
        self._move(told, ToldPosition(told.sequence, told.parts + 1))
        return False

    def _move(self, old: ToldPosition | None, new: ToldPosition) -> None:
        move_alone(self._database, self._book, CONSUMER, old, new)


def mail_of(message: LiveMessage, mailbox: Mailbox) -> EmailMessage:
    """The mail that tells an alarm's message."""
    news = message.data
    assert isinstance(news, AlarmNews), "only alarms are mailed"
    verb = message.type.split(".")[1]
    mail = EmailMessage()
    severity = f" ({news.severity})" if news.severity else ""
    mail["Subject"] = f"[wattledger] {news.device}: {news.kind} {verb}{severity}"
    mail["From"] = mailbox.sender
    mail["To"] = ", ".join(mailbox.receivers)
    mail["Date"] = message.time
    mail["Message-ID"] = f"<{message.id.replace(':', '.')}@wattledger.invalid>"
    mail["Auto-Submitted"] = "auto-generated"
    told = (
        f"Device   {news.device}",
        f"Alarm    {news.kind}, {verb} by {news.by}",
        f"Since    {news.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "",
        news.detail,
        "",
        f"Event {message.sequence} of {message.source}",
    )
    mail.set_content("\n".join(told) + "\n")
    return mail
