"""What happens at the desk, as it happens: server-sent events that go on where a listener left off."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Annotated, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from adapters.http.caller import Caller
from adapters.http.permissions import PERMISSIONS
from adapters.http.problem import READ_PROBLEMS, BadRequest
from adapters.http.register import ID_PATTERN
from adapters.http.service import Service
from adapters.live.feed import Feed
from adapters.live.interest import KINDS, Interest
from adapters.queries import access_keys
from ledger.refusal import Refused

MEDIA_TYPE: Final = "text/event-stream"
_ROUTE: Final = "GET /v1/live"
_LAST_ID: Final = "Last-Event-ID"
_SEQUENCE: Final = re.compile(r"[0-9]{1,18}")
_PARAMETERS_MAX: Final = 20


@get(
    "/live",
    summary="Bids, commitments, clearings, gates and the switch, as they change",
    description="Server-sent events without end. Each `data` is a message as docs/asyncapi.json describes it,"
    " `event` its type, `id` the sequence number after which to go on: send it back as `Last-Event-ID` (or"
    " `since`) and nothing is missed. Without either it begins now. What is told can be read already."
    " A comment comes at least every 15 s. `event: end` says why the stream ends. Reminders of gates (60, 15,"
    " 5 and 0 minutes before) have no id and are told once.",
    responses=READ_PROBLEMS,
    media_type=MEDIA_TYPE,
    tags=["Trading desk"],
)
async def listen(
    service: NamedDependency[Service],
    feed: NamedDependency[Feed],
    caller: NamedDependency[Caller],
    *,
    kind: Annotated[
        list[str] | None, QueryParameter(max_items=_PARAMETERS_MAX, description=f"Of {', '.join(KINDS)}")
    ] = None,
    market: Annotated[
        str | None, QueryParameter(pattern=ID_PATTERN, description="Of this market, and what is about all")
    ] = None,
    unit: Annotated[
        str | None, QueryParameter(pattern=ID_PATTERN, description="Of this unit, and what is about all")
    ] = None,
    since: Annotated[
        int | None, QueryParameter(ge=0, lt=1 << 59, description="Go on after this sequence number")
    ] = None,
    follow: Annotated[
        bool, QueryParameter(description="Go on as things happen; false ends with what there is so far")
    ] = True,
    last_event_id: Annotated[
        str | None, HeaderParameter(name=_LAST_ID, max_length=64, description="The last `id` that was heard")
    ] = None,
) -> Stream:
    interest = Interest(
        tuple(kind or ()), () if market is None else (market,), () if unit is None else (unit,)
    )
    feed.check_room()
    after = since if last_event_id is None else _sequence(last_event_id)
    position = await feed.position()
    if after is None:
        after = position
    elif after > position and after > await asyncio.to_thread(service.last_sequence):
        raise Refused("live_ahead", f"the ledger ends before {after}", place=_LAST_ID)
    frames = feed.listen(interest, after, _allowed(service, caller), follow=follow)
    return Stream(frames, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def _sequence(text: str) -> int:
    if not _SEQUENCE.fullmatch(text):
        raise BadRequest("parameter", "send an id of this stream: a sequence number", _LAST_ID)
    return int(text)


def _allowed(service: Service, caller: Caller) -> Callable[[], bool]:
    """Whether the key is still in force, asked again and again: a stream outlives its first answer."""

    def allowed() -> bool:
        with service.database.reading(service.book) as connection:
            listed = access_keys.one(connection, caller.key_id)
        return listed is not None and not listed.revoked and caller.role in PERMISSIONS[_ROUTE]

    return allowed


ROUTES = (listen,)
