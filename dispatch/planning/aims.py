"""What a plan is asked to be good at, as people state it: weights of the aims, or the aims in order."""

from __future__ import annotations

import re
from datetime import datetime, time
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np

from dispatch.optimiser.objective import AIMS, Aim, Objective
from ledger.refusal import Refused

_WEIGHT: Final = re.compile(r"\d{1,6}(?:\.\d{1,6})?")
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_FORM: Final = (
    "weights such as cost=1,revenue=1,grid_support=0.05, or aims in order such as grid_support>cost;"
    f" the aims are {', '.join(AIMS)}, each once"
)


class Aims(msgspec.Struct, frozen=True, kw_only=True):
    """Weights (0 where not named) or an order; `support` are the local hours in which the grid asks for it.

    A weight of cost and revenue multiplies money, one of grid support is money per kWh.
    """

    weights: dict[Aim, Decimal] = {}
    order: tuple[Aim, ...] = ()
    support: tuple[time, time] | None = None

    def over(self, local: list[datetime]) -> Objective:
        """As the optimiser takes it, for intervals that begin at those local times."""
        asked = (
            None if self.support is None else np.array([self._asks(at.time()) for at in local], np.float64)
        )
        if self.order:
            return Objective(order=self.order, support=asked)
        return Objective(weights={aim: float(one) for aim, one in self.weights.items()}, support=asked)

    def _asks(self, at: time) -> bool:
        assert self.support is not None, "asked where it is stated"
        first, end = self.support
        return first <= at < end if first < end else at >= first or at < end

    def text(self, *, trades: bool) -> str:
        """As a plan states it; `trades`: whether it has revenue."""
        if self == MONEY:
            return "cost less revenue" if trades else "cost"
        named = ", then ".join(self.order) if self.order else " ".join(self._terms())
        if self.support is None:
            return named
        first, end = self._hours()
        return f"{named} (grid support from {first} to {end})"

    def stated(self) -> str:
        """On one line, as `aims_stated` reads it."""
        named = (f"{aim}={self.weights[aim]}" for aim in AIMS if aim in self.weights)
        objective = ">".join(self.order) or ",".join(named)
        return objective if self.support is None else f"{objective} {'-'.join(self._hours())}"

    def _hours(self) -> tuple[str, str]:
        """From and to; midnight is 24:00 where it ends them."""
        assert self.support is not None, "asked where it is stated"
        first, end = self.support
        return f"{first:%H:%M}", f"{end:%H:%M}" if end > time.min else "24:00"

    def _terms(self) -> list[str]:
        signs: dict[Aim, str] = {"cost": "+", "revenue": "-", "grid_support": "-"}
        return [f"{signs[aim]} {self.weights[aim]} x {aim}" for aim in AIMS if self.weights.get(aim)]


MONEY: Final = Aims(weights={"cost": Decimal(1), "revenue": Decimal(1)})


def aims_of(objective: str, support: str | None = None) -> Aims:
    """Read what was stated: `cost=1,revenue=1.2` or `grid_support>cost`, and hours such as `17:00-21:00`.

    >>> aims_of("grid_support>cost", "17:00-21:00").text(trades=False)
    'grid_support, then cost (grid support from 17:00 to 21:00)'
    >>> aims_of("cost=1,revenue=0.8").text(trades=True)
    '+ 1 x cost - 0.8 x revenue'

    Raises:
        Refused: `objective` for another form, for grid support without its hours, or hours without it.
    """
    hours = None if support is None else _hours(support)
    weights: dict[Aim, Decimal] = {}
    order: tuple[Aim, ...] = ()
    if "=" in objective:
        for part in objective.split(","):
            name, _, weight = part.strip().partition("=")
            aim = _aim(name)
            if aim in weights:
                raise Refused("objective", _FORM, place="objective")
            if _WEIGHT.fullmatch(weight) is None:
                wrong = f"{aim}={weight}: a weight is 0 to 999999.999999, with at most six decimals"
                raise Refused("objective", wrong, place="objective")
            weights[aim] = Decimal(weight)
    else:
        order = tuple(_aim(part.strip()) for part in objective.split(">"))
    if len(set(order)) != len(order) or not (order or any(weights.values())):
        raise Refused("objective", _FORM, place="objective")
    asks = "grid_support" in order or bool(weights.get("grid_support"))
    if asks != (hours is not None):
        wrong = "grid support is stated with its hours, such as --support 17:00-21:00, and hours with it"
        raise Refused("objective", wrong, place="support")
    return Aims(weights=weights, order=order, support=hours)


def aims_stated(text: str) -> Aims:
    """The aims of `Aims.stated`.

    >>> aims_stated("grid_support>cost 17:00-24:00").stated()
    'grid_support>cost 17:00-24:00'

    Raises:
        Refused: `objective`.
    """
    objective, _, support = text.partition(" ")
    return aims_of(objective, support or None)


def _aim(name: str) -> Aim:
    for aim in AIMS:
        if aim == name:
            return aim
    raise Refused("objective", _FORM, place="objective")


def _hours(text: str) -> tuple[time, time]:
    found = _HOURS.fullmatch(text)
    if found is None or (found[1] == found[3] and found[2] == found[4]):
        raise Refused("objective", "local hours from-to such as 17:00-21:00, or to 24:00", place="support")
    end = time.min if found[3] is None else time(int(found[3]), int(found[4]))
    return time(int(found[1]), int(found[2])), end
