"""A regulation signal sent to all drivers, and what they answer, as one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import nats.errors
from nats.aio.msg import Msg

from adapters.driving.regulating import AgcSignal, Followed, signal_subject
from adapters.nats.client import NatsClient

_FIRST_S: Final = 2.0
_OTHERS_S: Final = 1.0
"""So long after the first answer those of other drivers are waited for, where one says that there are any."""


async def ask_drivers(client: NatsClient, book: str, signal: AgcSignal) -> Followed:
    """How many devices follow it, and why others do not, of every driver of a part of its portfolio: as soon
    as each storage that one of them names is answered for, a second after the first answer at the latest.

    Call it on the client's loop.

    Raises:
        NoRespondersError: no driver listens. TimeoutError: none answered. Disconnected.
    """
    answers: list[Followed] = []
    loop = asyncio.get_running_loop()
    limit = asyncio.timeout(_FIRST_S)

    def hear(message: Msg) -> bool:
        if message.headers and message.headers.get("Status") == "503" and not message.data:
            return True
        if not answers:
            limit.reschedule(loop.time() + _OTHERS_S)
        answers.append(msgspec.json.decode(message.data, type=Followed))
        return not _missing(answers)

    subject, body = signal_subject(book, signal.portfolio), msgspec.json.encode(signal)
    try:
        async with limit:
            await client.converse(subject, body, hear, timeout=_FIRST_S)
    except TimeoutError:
        if not answers:
            raise
    if not answers:
        raise nats.errors.NoRespondersError
    return together(answers)


def together(answers: Sequence[Followed]) -> Followed:
    """The devices of all who hold some, or of all where nobody does; each reason once, and whose answer is
    missing.

    >>> together([Followed(2, "", ("a", "b"), ("c",)), Followed(0, "signal_unable: c: fault", ("c",))])
    Followed(devices=2, why='signal_unable: c: fault', own=('a', 'b', 'c'), others=())
    >>> together([Followed(1, "", ("a",), ("b",))]).why
    'signal_unheard: nobody answered for b'
    """
    holding = [one for one in answers if one.own] or list(answers)
    missing = _missing(answers)
    whys = list(dict.fromkeys(one.why for one in holding if one.why))
    if missing:
        whys.append(f"signal_unheard: nobody answered for {', '.join(missing)}")
    own = dict.fromkeys(name for one in holding for name in one.own)
    return Followed(sum(one.devices for one in holding), "; ".join(whys), tuple(own), tuple(missing))


def _missing(answers: Sequence[Followed]) -> list[str]:
    named = {name for one in answers for name in one.others}
    return sorted(named.difference(name for one in answers for name in one.own))
