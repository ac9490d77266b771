"""What every command has: one aggregate it changes, others it reads, and a pure decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar, runtime_checkable

from ledger.refusal import Refused

T = TypeVar("T")


class Event(Protocol):
    """A fact. Its struct's tag is its stored kind and version, such as `party.registered.v1`."""

    def apply(self, state: Any, /) -> object:
        """The aggregate's state after this fact; `state` is None before its first."""
        ...


class Command(Protocol):
    """A wish to change one aggregate."""

    @property
    def aggregate(self) -> str:
        """`kind.id` of the aggregate that changes."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """Other aggregates whose state the decision needs."""
        ...

    def decide(self, state: Any, others: Mapping[str, object], /) -> tuple[Event, ...]:
        """The facts that follow.

        Raises:
            Refused: the command cannot be accepted; nothing follows.
        """
        ...


@runtime_checkable
class TimedCommand(Protocol):
    """A wish whose decision depends on when it is decided; what it asks for holds no time of its own.

    So a repeat of it is recognised, and a decision that is made again after a conflict is made with the later
    time. What is decided is recorded under that same instant.
    """

    @property
    def aggregate(self) -> str:
        """See `Command`."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """See `Command`."""
        ...

    def decide_at(self, now: datetime, state: Any, others: Mapping[str, object], /) -> tuple[Event, ...]:
        """The facts that follow at `now`.

        Raises:
            Refused: the command cannot be accepted; nothing follows.
        """
        ...


@runtime_checkable
class SaysItself(Protocol):
    """A command of much text that has this text at hand, so that it is not written again to be recognised."""

    @property
    def asked_in_full(self) -> bytes:
        """All that it asks for: no two commands of one kind that ask for different things say the same."""
        ...


def known(others: Mapping[str, object], aggregate: str, kind: type[T]) -> T:
    """The state of another aggregate that must exist.

    Raises:
        Refused: `unknown_<kind>` when it does not.
    """
    state = others.get(aggregate)
    if state is None:
        noun, _, name = aggregate.partition(".")
        raise Refused(f"unknown_{noun}", f"no {noun} {name!r} is registered", place=noun)
    assert isinstance(state, kind)
    return state
