"""A market scenario's ``given/`` as the oracle reads it, and the items that come out.

It must not import the product.
"""

import datetime as dt
import tomllib
from fractions import Fraction
from pathlib import Path

from tests.scenarios import oracle

HERE = Path(__file__).resolve().parent
RULES = HERE.parents[1] / "examples" / "market_rules"
DAY_S = 86400
QUARTER_S = 900


def toml(path):
    return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Fraction)


class Given:
    """A folder's ``given/``: the month, the site, the rules and what the markets told."""

    def __init__(self, folder):
        self.folder = folder / "given"
        self.told = toml(self.folder / "market.toml")
        self.month = self.told["month"]
        self.site = self.told["site"]
        self.start = dt.date.fromisoformat(self.month + "-01")
        self.days = (self.start.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - self.start
        self.rules = {rule["id"]: rule for rule in map(self.rule, self.told.get("rules", []))}

    def rule(self, name):
        own = self.folder / f"{name}.toml"
        return toml(own if own.exists() else RULES / f"{name}.toml")

    def of(self, section):
        """The facts of a kind, one or several."""
        found = self.told.get(section, [])
        return found if isinstance(found, list) else [found]

    def steps(self, name, step_s, columns, **where):
        """A table's columns over the month, one value each ``step_s``; what no row covers is zero.

        A row says ``date`` (or * for every day), ``from`` and ``until``; a later row replaces an earlier one.
        """
        per_day = DAY_S // step_s
        result = [[Fraction(0)] * (per_day * self.days.days) for _ in columns]
        path = self.folder / f"{name}.csv"
        for row in oracle.rows_of(path) if path.exists() else []:
            if any(row[key] != value for key, value in where.items()):
                continue
            first, last = (oracle.minute_of_day(row[key]) * 60 // step_s for key in ("from", "until"))
            for day in self.dates_of(row["date"]):
                for values, column in zip(result, columns, strict=True):
                    at = day * per_day
                    values[at + first : at + last] = [Fraction(row[column] or 0)] * (last - first)
        return result

    def dates_of(self, text):
        if text == "*":
            return range(self.days.days)
        return [(dt.date.fromisoformat(text) - self.start).days]

    def quarters(self):
        """The month's quarter-hours; load, PV, charge and discharge in whole Wh."""
        columns = ["load_wh", "pv_wh", "charge_wh", "discharge_wh"]
        values = self.steps("measured", QUARTER_S, columns)
        return [
            {"minute": number % 96 * 15, **{c: int(v) for c, v in zip(columns, row, strict=True)}}
            for number, row in enumerate(zip(*values, strict=True))
        ]


class Items:
    """What comes out: items of (stream, what, exact), and refused claims."""

    def __init__(self):
        self.items, self.refused = [], []
        self.stored = None
        self.outside = []

    def add(self, stream, what, exact):
        if isinstance(exact, float):
            raise TypeError(f"{what} was worked out in floating point")
        self.items.append((stream, what, Fraction(exact), oracle.to_fen(exact)))

    def refuse(self, claim, date, minute, asked_w, granted_w):
        """A quarter-hour in which a claim lost power to regulation; equal ones that follow are one span."""
        last = self.refused[-1] if self.refused else None
        if last and last[:2] == [claim, date] and last[3:] == [minute, asked_w, granted_w]:
            last[3] = minute + 15
        else:
            self.refused.append([claim, date, minute, minute + 15, asked_w, granted_w])

    def fen(self, stream):
        return sum(item[3] for item in self.items if item[0] == stream)

    def pooled_fen(self, stream):
        """Without what the exclusivity matrix keeps out of the contract's pool."""
        return self.fen(stream) - sum(item[3] for item in self.outside if item[0] == stream)
