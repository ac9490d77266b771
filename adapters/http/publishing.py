"""Documents that come by HTTP as their readable file: stored, or only checked."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from adapters.contract_currency import check_currency
from adapters.http.caller import Caller
from adapters.http.instant import instant_of
from adapters.http.intake import Intake, OptionalKey, Stored, required
from adapters.http.openapi import TEXT, takes
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.service import Service
from adapters.http.strict_body import check_plain
from adapters.overlap import check_overlap
from ledger.command import Command
from ledger.effective import Period

Check = Annotated[bool, QueryParameter(description="Only say whether the document would be accepted")]
From = Annotated[
    str,
    QueryParameter(max_length=64, description="The instant from which the document holds, with its offset"),
]
To = Annotated[str | None, QueryParameter(max_length=64, description="The instant up to which it holds")]


class Checked(msgspec.Struct, frozen=True):
    """The document would be accepted as it stands; nothing was stored.

    `warnings` say what is acceptable, and perhaps not meant.
    """

    valid: bool
    aggregate: str
    warnings: tuple[str, ...] = ()


PUBLISH_PROBLEMS: Final = {
    **WRITE_PROBLEMS,
    200: ResponseSpec(
        Checked, description="`check` was asked: the document is acceptable", generate_examples=False
    ),
}
TAKES_TOML: Final = takes({"application/toml": TEXT, "text/plain": TEXT})


class Publishing:
    """One request's document: `key` is needed to store it, and not to check it."""

    def __init__(self, service: Service, caller: Caller, key: str | None, *, check: bool) -> None:
        self._service, self._caller, self._key, self._check = service, caller, key, check

    def publish(self, command: Command) -> Response[Stored | Checked]:
        """Store the document, or only decide on it.

        Raises:
            BadRequest: without an Idempotency-Key where one is needed.
            Refused: the document is not acceptable.
        """
        door = self._service.door
        check_plain(msgspec.to_builtins(command))
        check_overlap(door, self._service.database, command)
        check_currency(door, self._service.database, command)
        if self._check:
            others = {name: door.state(name) for name in command.reads}
            command.decide(door.state(command.aggregate), others)
            return Response(Checked(valid=True, aggregate=command.aggregate), status_code=200)
        return Intake(self._service, self._caller, required(self._key)).submit(command)  # type: ignore[return-value]


def provide_publishing(
    service: NamedDependency[Service],
    caller: NamedDependency[Caller],
    idempotency_key: OptionalKey = None,
    check: Check = False,  # noqa: FBT002
) -> Publishing:
    """What a document's handler publishes it with."""
    return Publishing(service, caller, idempotency_key, check=check)


def provide_period(effective_from: From, effective_to: To = None) -> Period:
    """When a document holds that does not say so itself.

    Raises:
        BadRequest: `instant`.
        Refused: `instant_range`, `interval`.
    """
    end = None if effective_to is None else instant_of(effective_to, "effective_to")
    return Period(instant_of(effective_from, "effective_from"), end)
