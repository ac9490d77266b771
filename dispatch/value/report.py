"""A month's worth by site, stream and day: planned, awarded, delivered and settled, and what was lost.

Each row's parts add up to its perfect less its settled worth, and each column's rows to the settlement's own
lines (docs/value.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, Literal

import msgspec

from dispatch.value.losses import Loss, Way, apportioned, losses
from dispatch.value.settled_way import Worth, Worths

Beside = Literal["rule", "idle"]
"""What it is compared with: the time-of-use rule, and doing nothing."""

_NOTHING: Final = Worth(0, {}, pooled=True)
_UNKNOWN: Final = Fraction(0)


class ValueRow(msgspec.Struct, frozen=True):
    """What a stream of a site was worth on a day in minor units; an empty day is what only the month has,
    such as a demand charge. A way that is not known is not among `worth`."""

    site: str
    stream: str
    day: str
    worth: dict[Way, int]
    beside: dict[Beside, int]
    lost: tuple[Loss, ...]


class EnergyRow(msgspec.Struct, frozen=True):
    """Charged and discharged Wh of a site on a day; None where that is not known."""

    site: str
    day: str
    plan_wh: tuple[int, int] | None
    award_wh: tuple[int, int] | None
    delivered_wh: tuple[int, int] | None


class ValueReport(msgspec.Struct, frozen=True, kw_only=True):
    """A contract's month, or one site of it. `rows` are by site, stream and day; `notes` say what to know."""

    contract: str
    month: str
    through: str
    currency: str
    rows: tuple[ValueRow, ...]
    energy: tuple[EnergyRow, ...]
    notes: tuple[str, ...]

    @property
    def total(self) -> ValueRow:
        """The sum of all rows."""
        return summed("", "", "", self.rows)

    def by(self, *fields: Literal["site", "stream", "day"]) -> tuple[ValueRow, ...]:
        """The rows summed over what is not named, in their order."""
        groups: dict[tuple[str, str, str], list[ValueRow]] = {}
        for row in self.rows:
            key = tuple(getattr(row, name) if name in fields else "" for name in ("site", "stream", "day"))
            groups.setdefault(key, []).append(row)  # type: ignore[arg-type]
        return tuple(summed(*key, rows) for key, rows in groups.items())


def summed(site: str, stream: str, day: str, rows: Sequence[ValueRow]) -> ValueRow:
    """Rows as one; a way that one of them does not know is not known of all."""
    ways = [way for way in (rows[0].worth if rows else ()) if all(way in row.worth for row in rows)]
    worth: dict[Way, int] = {way: sum(row.worth[way] for row in rows) for way in ways}
    names: tuple[Beside, ...] = ("rule", "idle")
    beside: dict[Beside, int] = {name: sum(row.beside[name] for row in rows) for name in names}
    if not rows:
        worth = {"perfect": 0, "settled": 0}
    return ValueRow(site, stream, day, worth, beside, losses(worth))


def value_rows(worth: Mapping[Way, Worths], beside: Mapping[Beside, Worths]) -> tuple[ValueRow, ...]:
    """The rows of what each way is worth; what is settled is `delivered` as far as the contract shares it.

    A way's month is the settlement's, rounded once; its days are apportioned from their exact amounts. Where
    one way's stream is the month's as a whole, so is every way's. A stream that is nothing by any way is
    left out.

    Raises:
        Refused: `value_ways` without a perfect or a delivered way.
    """
    ways: dict[Way, Worths] = {**worth, "settled": _shared(worth.get("delivered", {}))}
    every = [*ways.values(), *beside.values()]
    found: list[ValueRow] = []
    for site, stream in sorted({key for one in every for key in one}):
        known = _on_one_basis([one.get((site, stream), _NOTHING) for one in every])
        days = sorted({day for one in known for day, exact in one.exact.items() if exact}) or [""]
        split = [_split(one, days) for one in known]
        for day in days:
            of_day = [one[day] for one in split]
            values = dict(zip(ways, of_day, strict=False))
            others = dict(zip(beside, of_day[len(ways) :], strict=True))
            found.append(ValueRow(site, stream, day, values, others, losses(values)))
    told = {(row.site, row.stream) for row in found if any(row.worth.values()) or any(row.beside.values())}
    return tuple(row for row in found if not told or (row.site, row.stream) in told)


def _on_one_basis(ways: Sequence[Worth]) -> list[Worth]:
    """All under the month where one of them has no days: those of the others have nothing beside them."""
    told = [{day for day, exact in one.exact.items() if exact} for one in ways]
    if {""} not in told or not any(days - {""} for days in told):
        return list(ways)
    return [one._replace(exact={"": sum(one.exact.values(), _UNKNOWN)}) for one in ways]


def _shared(delivered: Worths) -> Worths:
    return {key: one if one.pooled else _NOTHING for key, one in delivered.items()}


def _split(one: Worth, days: Sequence[str]) -> dict[str, int]:
    """The way's minor units by day; a day of which it has nothing gets nothing."""
    own = {day: one.exact[day] for day in days if one.exact.get(day, _UNKNOWN)}
    found = dict.fromkeys(days, 0)
    if own or one.minor:
        found |= apportioned(one.minor, own or {days[0]: _UNKNOWN})
    return found
