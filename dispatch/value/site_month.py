"""A site's month as its storage met it: load, prices and terms, and the days that were known before."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np

from dispatch.plan_check import SiteLimits, Whole
from dispatch.planning.imposed_limit import ImposedLimit
from dispatch.planning.site_case import SiteCase
from dispatch.planning.storage_terms import StorageTerms
from ledger.refusal import Refused

_S_PER_MIN = 60


class SiteMonth(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Consecutive intervals of whole local days; W, and 10^-6 of money per kWh or per kW.

    `load_w` is the site's net import without its storage (below 0 is surplus). `day` and `slot` say of each
    interval which local day it is of, the first being 0, and which slot of the day by the wall clock: 23, 24
    or 25 hours. `known_w` are the days before, days x slots. The storage begins with `start_wh`.
    `peak_price_micro` is paid per kW of the month's highest mean import above `least_w`; 0: none is.
    `at_spot`: what the storage does is sold, and prices are known only once published.
    """

    id: str
    interval_s: int
    first_day: date
    load_w: Whole
    buy_micro: Whole
    sell_micro: Whole
    day: Whole
    slot: Whole
    terms: StorageTerms
    start_wh: int
    known_w: Whole
    peak_price_micro: int = 0
    least_w: int = 0
    at_spot: bool = False

    def __post_init__(self) -> None:
        count = len(self.load_w)
        if not count:
            raise Refused("backtest_days", "one or more intervals", place=self.id)
        for name in ("buy_micro", "sell_micro", "day", "slot"):
            if getattr(self, name).shape != (count,):
                raise Refused("series_shape", f"{count} numbers", place=f"{self.id}.{name}")

    @property
    def days(self) -> int:
        """How many local days there are."""
        return int(self.day[-1]) + 1

    @property
    def slots(self) -> int:
        """How many slots a day of 24 hours has."""
        return 86_400 // self.interval_s

    def of_day(self, number: int) -> slice:
        """The intervals of a day."""
        return self.of_days(number, 1)

    def of_days(self, first: int, count: int) -> slice:
        """The intervals of some days, up to the last there is."""
        begin, end = np.searchsorted(self.day, [first, first + count])
        return slice(int(begin), int(end))

    def limits(
        self, part: slice, load_w: Whole, start_wh: int, imposed: ImposedIn | None = None
    ) -> SiteLimits:
        """What storage and meter can do in some intervals, with another load; `imposed` beside the terms."""
        terms, count = self.terms, len(load_w)
        room = {
            name: np.full(count, getattr(terms, name), dtype=np.int64)
            for name in ("import_w", "export_w", "charge_w", "discharge_w")
        }
        if imposed is not None:
            for name, column in room.items():
                np.minimum(column, getattr(imposed, name)[part], out=column)
        day = self.day[part] - self.day[part.start]
        used, ramp = terms.day_discharge_wh, terms.ramp_w_per_min
        return SiteLimits(
            id=self.id,
            interval_s=self.interval_s,
            load_w=np.maximum(load_w, 0),
            pv_w=np.maximum(-load_w, 0),
            import_w_max=room["import_w"],
            export_w_max=np.maximum(room["export_w"], np.maximum(-load_w, 0)),
            charge_w_max=room["charge_w"],
            discharge_w_max=room["discharge_w"],
            floor_wh=np.full(count, terms.floor_wh + terms.reserve_wh, dtype=np.int64),
            ceiling_wh=terms.ceiling_wh,
            start_wh=start_wh,
            charge_efficiency_ppm=terms.charge_ppm,
            discharge_efficiency_ppm=terms.discharge_ppm,
            discharge_wh_max=None if used is None else (used,) * (int(day[-1]) + 1),
            day=day,
            ramp_w=None if ramp is None else ramp * self.interval_s // _S_PER_MIN,
        )

    def case(
        self, part: slice, load_w: Whole, buy_micro: Whole, sell_micro: Whole, start_wh: int, peak_w: int
    ) -> SiteCase:
        """What the optimiser is asked of some intervals, with what is taken to be load and price there."""
        return SiteCase(
            limits=self.limits(part, load_w, start_wh),
            buy_micro=buy_micro,
            sell_micro=sell_micro,
            end_wh=self.terms.end_wh,
            peak_w=max(peak_w, self.least_w),
            peak_price_micro=self.peak_price_micro,
            wear_micro=self.terms.wear_micro,
        )

    def day_table(self) -> Whole:
        """The month's load, days x slots: of a repeated hour the mean, of a missing one what was before."""
        return table_of(self.load_w, self.day, self.slot, self.slots)


class ImposedIn(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """W that were left in each interval of a month, at storage and meter, by what was imposed."""

    charge_w: Whole
    discharge_w: Whole
    import_w: Whole
    export_w: Whole

    @classmethod
    def of(cls, terms: StorageTerms, limits: list[ImposedLimit | None]) -> ImposedIn:
        """A limit or None for each interval, beside what the terms allow."""
        columns = {}
        for name in cls.__struct_fields__:
            most: int = getattr(terms, name)
            left = [most if one is None else getattr(one, name) for one in limits]
            columns[name] = np.array([most if one is None else min(one, most) for one in left])
        return cls(**columns)


def table_of(values: Whole, day: Whole, slot: Whole, slots: int) -> Whole:
    """Days x slots of consecutive intervals; see `SiteMonth.day_table`."""
    days = int(day[-1]) + 1
    total, count = np.zeros((days, slots), dtype=np.int64), np.zeros((days, slots), dtype=np.int64)
    np.add.at(total, (day, slot), values)
    np.add.at(count, (day, slot), 1)
    flat_total, flat_count = total.ravel(), count.ravel()
    there = np.maximum.accumulate(np.where(flat_count > 0, np.arange(len(flat_count)), 0))
    found: Whole = (flat_total[there] // np.maximum(flat_count[there], 1)).reshape(days, slots)
    return found
