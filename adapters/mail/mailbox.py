"""Where mail goes: a server, who sends, and who receives; from one address of the environment."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from ledger.refusal import Refused

TIMEOUT_S: Final = 15.0
_FORM: Final = "smtp://user:password@host:port/?from=a@example&to=b@example,c@example"


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    """`secure`: TLS from the first byte (smtps); else TLS is begun where the server offers it, and a password
    is never sent without. It is printed nowhere: it holds the password."""

    host: str
    port: int
    secure: bool
    user: str
    password: str
    sender: str
    receivers: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Mailbox({self.host}:{self.port})"

    def send(self, message: EmailMessage) -> None:
        """One message to all receivers.

        Raises:
            OSError, smtplib.SMTPException: it was not taken, or nobody knows whether it was.
        """
        context = ssl.create_default_context()
        opened = (
            smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_S, context=context)
            if self.secure
            else smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)
        )
        with opened as server:
            encrypted = self.secure
            server.ehlo()
            if not encrypted and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
                encrypted = True
            if self.user:
                if not encrypted:
                    raise smtplib.SMTPNotSupportedError("the server offers no TLS: no password is sent")
                server.login(self.user, self.password)
            server.send_message(message, self.sender, list(self.receivers))


def mailbox(url: str) -> Mailbox:
    """Raises:
    Refused: `settings`, which never shows the address: it holds a password."""
    wrong = Refused("settings", f"of the form {_FORM}", place="WATTLEDGER_MAIL_URL")
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query, strict_parsing=True)
        port = parts.port
    except ValueError:
        raise wrong from None
    sender = query.get("from", [])
    receivers = [one for text in query.get("to", []) for one in text.split(",")]
    known = set(query) <= {"from", "to"}
    if (
        parts.scheme not in ("smtp", "smtps")
        or not parts.hostname
        or len(sender) != 1
        or not receivers
        or not known
    ):
        raise wrong
    if any(one.count("@") != 1 or "," in one or any(map(str.isspace, one)) for one in (*sender, *receivers)):
        raise wrong
    secure = parts.scheme == "smtps"
    return Mailbox(
        host=parts.hostname,
        port=port or (465 if secure else 587),
        secure=secure,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=sender[0],
        receivers=tuple(receivers),
    )
