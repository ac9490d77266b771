"""What a market stream of one site's month is given, and what it must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt

from ledger.exclusivity.claim import Claim
from ledger.exclusivity.grant import Granted
from ledger.interval import Interval, Month
from ledger.refusal import Refused
from ledger.settlement.markets.month import MarketMonth
from ledger.site import Site
from ledger.streams import Fact
from ledger.streams.earned import Earned
from ledger.tariff import Tariff

Whole = npt.NDArray[np.int64]
R = TypeVar("R")
F = TypeVar("F")
T = TypeVar("T")


class MeteredDemand(NamedTuple):
    """One supply whose demand is charged: Wh of the month's intervals, and how long demand is averaged."""

    load_wh: Whole
    """Net import without the storage."""
    charge_wh: Whole
    discharge_wh: Whole
    averaging_s: int


class OnBill(NamedTuple):
    """The PV part of the storage's Wh in the settled days, and the demands that its account is charged for.

    `days` are the settled intervals among the month's, of which the demands are.
    """

    pv_charge_wh: Whole
    pv_discharge_wh: Whole
    demands: tuple[MeteredDemand, ...]
    days: slice


class Case(NamedTuple):
    """One site's month, `charge_wh` and `discharge_wh` over `market.interval` at the meter's interval.

    `shared` keeps what all sites of a batch need, such as a market's prices laid out once.
    """

    site: Site
    tariff: Tariff
    month: Month
    interval_s: int
    charge_wh: Whole
    discharge_wh: Whole
    market: MarketMonth
    shared: dict[tuple[object, ...], Any]
    on_bill: OnBill | None = None
    """What the storage does on the account's bill; None where nothing of it is known but its own meter."""

    @property
    def place(self) -> str:
        return f"site {self.site.id}"

    def rules(self, kind: type[R]) -> list[R]:
        """The rules of a kind that the site's facts are told under, by id."""
        return [rule for _, rule in sorted(self.market.rules.items()) if isinstance(rule, kind)]

    def known(self, kind: type[F], rule: str) -> list[F]:
        """The facts of a kind under a rule, by id, of whatever time."""
        facts = self.market.facts
        _, of_kinds = self.once(("known", id(facts)), lambda: (facts, _by_kind(facts)))
        found = [one for of, own in of_kinds.get(rule, ()) if issubclass(of, kind) for one in own]
        return cast("list[F]", sorted(found, key=lambda one: one.id))

    def told(self, kind: type[F], rule: str) -> list[F]:
        """Those that are about the settled interval."""
        settled, facts = self.market.interval, self.market.facts
        key = ("told", id(facts), settled.start, settled.end, kind, rule)
        _, found = self.once(
            key,
            lambda: (facts, [one for one in self.known(kind, rule) if _interval(one).overlaps(settled)]),
        )
        return [*found]

    def once(self, key: tuple[object, ...], work: Callable[[], T]) -> T:
        """`work`'s answer, made once a batch."""
        if key not in self.shared:
            self.shared[key] = work()
        return cast("T", self.shared[key])

    def rows(self, window: Interval) -> slice:
        """Which of the meter's intervals make up `window`.

        Raises:
            Refused: `interval` for a window that cuts one or is not in the settled time.
        """
        step = timedelta(seconds=self.interval_s)
        first, off = divmod(window.start - self.market.interval.start, step)
        count, over = divmod(window.end - window.start, step)
        if off or over or first < 0 or first + count > len(self.discharge_wh):
            raise Refused(
                "interval", f"{window.start} to {window.end} is not in the settled time", place=self.place
            )
        return slice(first, first + count)


def _interval(fact: object) -> Interval:
    return cast("Fact", fact).interval


def _by_kind(facts: Sequence[Fact]) -> dict[str, list[tuple[type, list[Fact]]]]:
    """By rule the facts of each kind."""
    found: dict[str, dict[type, list[Fact]]] = {}
    for fact in facts:
        found.setdefault(fact.rule, {}).setdefault(type(fact), []).append(fact)
    return {rule: list(kinds.items()) for rule, kinds in found.items()}


class MarketStream(Protocol):
    """A stream of one site: first what it claims of the storage, then what it earns of what was granted."""

    def claims(self, case: Case) -> list[Claim]: ...

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        """Raises:
        Refused: what the stream cannot be settled without."""
        ...
