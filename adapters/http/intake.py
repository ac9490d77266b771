"""Commands that come by HTTP: one Idempotency-Key, one decision, one receipt."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import Response
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers.base import BaseRouteHandler
from litestar.params import HeaderParameter

from adapters import approving
from adapters.front_door import Receipt, Wish
from adapters.http.caller import Caller
from adapters.http.problem import BadRequest
from adapters.http.recent_keys import KEY, KEY_PATTERN, reused
from adapters.http.service import Service
from ledger.command import Command, TimedCommand
from ledger.refusal import Refused
from ledger.request import Answered, AnswerRequest, aggregate_of, answered

REPLAYED: Final = "Idempotency-Replayed"

IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name=KEY,
        min_length=1,
        max_length=128,
        pattern=KEY_PATTERN,
        description="Yours to choose, 1 to 128 printable ASCII characters without blanks. Sent again with the"
        " same body it answers the first result; with another body it is refused with 409.",
    ),
]
OptionalKey = Annotated[
    str | None,
    HeaderParameter(
        name=KEY,
        min_length=1,
        max_length=128,
        pattern=KEY_PATTERN,
        description="As for every command; not needed with `check`.",
    ),
]

T = TypeVar("T")


class Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the fact is: its aggregate, that aggregate's version, and the sequence number in the book.

    `proposal` names what waits for a second person's approval, when it is not in force yet.
    """

    aggregate: str
    version: int
    sequence: int
    proposal: str | None = None


class Intake:
    """One request's commands; the key is the caller's own, so that two actors never share one."""

    def __init__(self, service: Service, caller: Caller, key: str) -> None:
        self.service = service
        self.actor = caller.actor
        self.command_id = f"{caller.actor}:{key}"

    def execute(self, command: Command | TimedCommand) -> Response[Stored]:
        """Accept one command.

        Raises:
            Refused: as `FrontDoor.execute`.
        """
        (receipt,) = self.execute_all([Wish(command, self.command_id)])
        return replayable(stored(receipt), repeated=receipt.repeated)

    def submit(self, command: Command | TimedCommand) -> Response[Stored]:
        """Accept one command, or prepare it where the book asks for two persons.

        Raises:
            Refused: as `FrontDoor.execute`.
        """
        digest = _digest([(type(command).__name__, command)])
        recent = self.service.recent
        recent.recall(self.command_id, digest)
        done = approving.submit(self.service.door, command, command_id=self.command_id, actor=self.actor)
        recent.remember(self.command_id, digest)
        answer = msgspec.structs.replace(stored(done.receipt), proposal=done.proposal)
        return replayable(answer, repeated=done.receipt.repeated)

    def execute_all(self, wishes: Sequence[Wish]) -> list[Receipt]:
        """Accept all the commands or none.

        Raises:
            Refused: as `FrontDoor.execute_all`.
        """
        digest = _digest([(type(wish.command).__name__, wish.command) for wish in wishes])
        recent = self.service.recent
        recent.recall(self.command_id, digest)
        receipts = self.service.door.execute_all(wishes, actor=self.actor)
        recent.remember(self.command_id, digest)
        return receipts

    def once(self, asked: object, answer_type: type[T], work: Callable[[], T]) -> tuple[T, bool]:
        """The first answer of `work`, which is safe to repeat by itself, and whether it was given before.

        Raises:
            Refused: `command_id_reused`, and what `work` refuses.
        """
        digest = _digest(asked)
        self.service.recent.recall(self.command_id, digest)
        if (before := self._answered(digest)) is not None:
            return msgspec.json.decode(before, type=answer_type), True
        answer = work()
        encoded = msgspec.json.encode(answer)
        command = AnswerRequest(self.command_id, answered(digest, encoded))
        try:
            self.service.door.execute(command, command_id=self.command_id, actor=self.actor)
        except Refused:
            if (sooner := self._answered(digest)) is None:
                raise
            return msgspec.json.decode(sooner, type=answer_type), True
        self.service.recent.remember(self.command_id, digest)
        return answer, False

    def _answered(self, digest: str) -> bytes | None:
        """What the same request answered before, in whichever process.

        Raises:
            Refused: `command_id_reused`.
        """
        state = self.service.door.state(aggregate_of(self.command_id))
        if not isinstance(state, Answered):
            return None
        if state.asked != digest:
            raise reused()
        return state.answer


def stored(receipt: Receipt) -> Stored:
    return Stored(receipt.aggregate, receipt.version, receipt.sequence)


def replayable(answer: T, *, repeated: bool) -> Response[T]:
    """The answer, with a header when it was given before."""
    return Response(answer, status_code=201, headers={REPLAYED: "true"} if repeated else {})


def required(key: str | None) -> str:
    """The key where it is needed after all.

    Raises:
        BadRequest: `parameter`.
    """
    if key is None:
        raise BadRequest("parameter", f"Missing required header parameter '{KEY}'", KEY)
    return key


async def key_given(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse a command without a key before its body is read; what only checks needs none.

    Raises:
        BadRequest: `parameter`.
    """
    route = f"{connection.scope['method']} {connection.scope['path_template']}"  # type: ignore[typeddict-item]
    if route in connection.app.state.keyed and "check" not in connection.query_params:
        required(connection.headers.get(KEY))


def provide_intake(
    service: NamedDependency[Service], caller: NamedDependency[Caller], idempotency_key: IdempotencyKey
) -> Intake:
    """What a command's handler accepts its command with."""
    return Intake(service, caller, idempotency_key)


def _digest(asked: object) -> str:
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()
