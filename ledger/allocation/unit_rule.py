"""The market's rule that a statement about a trading unit was told under, and whether it was looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from ledger.allocation.unit_fact import UnitFact, UnitResponse
from ledger.refusal import Refused
from ledger.streams import Rule

_TICK: Final = timedelta(microseconds=1)
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Held(Protocol):
    """A recorded version of a rule."""

    @property
    def document(self) -> Rule: ...


def rule_of(fact: UnitFact, held_at: Callable[[datetime], Held | None]) -> Rule:
    """The version that holds when the statement's time ends, or when it begins.

    Raises:
        Refused: `unknown_market_rule`.
    """
    held = held_at(fact.interval.end - _TICK) or held_at(fact.interval.start)
    if held is None:
        raise Refused(
            "unknown_market_rule",
            f"no rule {fact.rule!r} holds from {fact.interval.start} to {fact.interval.end}",
            place="rule",
        )
    return held.document


def rule_digest(fact: UnitFact, rule: Rule) -> str:
    """SHA-256 of what of the rule the statement is shared out by.

    That is all of it for a response, whose baseline and bands it states. The shares of other statements
    follow from the statement, the unit and the meters alone.
    """
    used = rule if isinstance(fact, UnitResponse) else None
    return hashlib.sha256(_encode(used)).hexdigest()
