"""Evidenced facts of a month that a contract may rest on beside its money and its energy."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Annotated, Final, Literal, get_args

import msgspec

from ledger.clauses.share import Amount, amount
from ledger.identity import checked_id
from ledger.quantity import exact
from ledger.refusal import Refused

Cause = Literal["force_majeure", "availability"]
"""Why days do not count: nobody's fault, or storage that the guaranteed party kept unavailable."""

Balance = Annotated[str, msgspec.Meta(pattern=r"^-?\d+(\.\d+)?$|^-?\d+/\d+$")]


class Exclusion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The local days [first, end) that a contract's carve-outs may leave out, and what proves it."""

    cause: Cause
    first: date
    end: date
    evidence: str

    def __post_init__(self) -> None:
        if self.cause not in get_args(Cause):
            allowed = ", ".join(get_args(Cause))
            raise Refused("not_allowed", f"{self.cause!r} is not one of {allowed}", place="cause")
        if self.end <= self.first:
            raise Refused("exclusion", f"{self.end} is not after the first day {self.first}", place="end")
        if not self.evidence.strip():
            raise Refused("evidence", "state what proves that these days do not count", place="evidence")


class ServiceScore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a party rendered in a month by the contract's measure, such as hours of availability.

    Zero says that it rendered nothing; a party without a score was not measured.
    """

    party: str
    score: Amount
    evidence: str

    def __post_init__(self) -> None:
        checked_id(self.party, "party")
        amount(self.score, "score")
        if not self.evidence.strip():
            raise Refused("evidence", "state what proves the score", place="evidence")


class MonthFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`capital` is each party's paid-in balance in major units, averaged over the contract's days in the
    month (exact text such as `1800000` or `100000/31`); None where no capital accounts are kept.
    `service` is each measured party's score of the month."""

    exclusions: tuple[Exclusion, ...] = ()
    capital: dict[str, Balance] | None = None
    service: dict[str, Amount] = {}

    def __post_init__(self) -> None:
        for party, text in (self.capital or {}).items():
            top, _, bottom = text.partition("/")
            if exact(top) < 0 or (bottom and not int(bottom)):
                raise Refused("capital_balance", f"{text} is below zero", place=f"capital.{party}")
        for party, text in self.service.items():
            amount(text, f"service.{party}")

    def excluded_days(self, causes: Iterable[Cause], first: date, end: date) -> int:
        """How many days of [first, end) one of the causes excludes; a day counts once.

        >>> storm = Exclusion(cause="force_majeure", first=date(2026, 3, 30), end=date(2026, 4, 4),
        ...     evidence="notice 12")
        >>> MonthFacts(exclusions=(storm, storm)).excluded_days(
        ...     ["force_majeure"], date(2026, 4, 1), date(2026, 5, 1))
        3
        """
        wanted = frozenset(causes)
        days = {
            max(one.first, first) + timedelta(days=number)
            for one in self.exclusions
            if one.cause in wanted
            for number in range(max((min(one.end, end) - max(one.first, first)).days, 0))
        }
        return len(days)


NO_FACTS: Final = MonthFacts()
