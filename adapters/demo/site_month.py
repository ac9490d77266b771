"""A site's month in quarter-hours: the shapes of a real load and a real PV plant, and what storage does."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.demo.roster import FOLDER, RosterSite
from adapters.demo.spot_prices import day_ahead
from dispatch.time_of_use_rule import Storage, schedule
from ledger.interval import Month
from ledger.quantity import exact, round_half_away
from ledger.tariff import Tariff, prices_of_month

MONTH: Final = Month(2026, 8)
INTERVAL_S: Final = 900
RESPONSE_DAYS: Final = (date(2026, 8, 12), date(2026, 8, 20))
"""The days on which a demand response programme calls, from 10:00 to 12:00."""
RESERVED_PERCENT: Final = 40
"""Of the power of storage on regulation: what is awarded to it and does nothing else."""

_SLOW_PERCENT: Final = 30
"""Of its power: what storage that shaves a peak discharges with, so that it lasts from 08:00 past 14:00."""
_SHAVED_PERCENT: Final = 90
"""Of the month's peak: where charging ends at a site that is shaved."""
CHARGE_PERMILLE: Final = 960
DISCHARGE_PERMILLE: Final = 950

_PER_DAY: Final = 96
_USUAL, _CALLED = slice(8 * 4, 10 * 4), slice(10 * 4, 12 * 4)
"""Of a day: when the rule discharges in the morning, and when a response is called."""
_MICRO: Final = 10**6
_WH_PER_KW: Final = 250
"""Of a quarter-hour."""
_PV_MAX_W: Final = exact("5426.4")
"""The largest value of the PV plant's whole series."""
_NO_LIMIT: Final = 10**9

Wh = npt.NDArray[np.int64]


class SiteMonth(NamedTuple):
    """Wh (varh for reactive) per quarter-hour of Shanghai's clock, at least zero; None: no such meter."""

    charge: Wh
    discharge: Wh
    load: Wh | None
    lagging: Wh | None
    leading: Wh | None
    pv: Wh | None


def site_months(
    sites: tuple[RosterSite, ...], tariffs: Mapping[str, Tariff]
) -> Iterator[tuple[RosterSite, SiteMonth]]:
    """Each site's month; the same on every call."""
    shares, sun = _profiles(), _sun()
    for site in sites:
        yield site, _site_month(site, shares, sun, tariffs[site.tariff])


def _site_month(site: RosterSite, shares: Mapping[str, Wh], sun: Wh, tariff: Tariff) -> SiteMonth:
    if site.peak_kw is None or site.peak_kvar is None:
        return SiteMonth(*_on_the_spot_market(site), None, None, None, None)
    load = _scaled(shares[f"{site.profile}_p"], site.peak_kw)
    reactive = _scaled(shares[f"{site.profile}_q"], site.peak_kvar)
    pv = None if site.pv_kw is None else _scaled(sun, site.pv_kw)
    price = prices_of_month(tariff, MONTH, INTERVAL_S).mantissa
    net = load if pv is None else load - pv
    bound = np.minimum(net, net.max() * _SHAVED_PERCENT // 100) if "shave" in site.roles else net
    charge, discharge = schedule(_free_part(site), bound, price, INTERVAL_S)
    if "response" in site.roles:
        _answer_calls(discharge, net)
    return SiteMonth(charge, discharge, load, np.maximum(reactive, 0), np.maximum(-reactive, 0), pv)


def _on_the_spot_market(site: RosterSite) -> tuple[Wh, Wh]:
    """The time-of-use rule with the day-ahead price for a tariff: no load to stay below, no peak to lift."""
    price = np.repeat(day_ahead(), 4)
    load = np.full(len(price), _NO_LIMIT, dtype=np.int64)
    load[0] *= 2
    return schedule(_free_part(site), load, price, INTERVAL_S)


def _free_part(site: RosterSite) -> Storage:
    """The storage without what regulation keeps; slowed where it is to last through the day's peak."""
    energy = 100 - RESERVED_PERCENT if "regulation" in site.roles else 100
    power = _SLOW_PERCENT if "shave" in site.roles else energy
    return Storage(
        site.storage_kwh * energy * 10, site.storage_kw * power * 10, CHARGE_PERMILLE, DISCHARGE_PERMILLE
    )


def _answer_calls(discharge: Wh, net: Wh) -> None:
    """On called days the morning's energy is held back for the call, as far as the site can take it then."""
    for day in RESPONSE_DAYS:
        first = (day.day - 1) * _PER_DAY
        today = discharge[first : first + _PER_DAY]
        held, there = today[_USUAL].copy(), net[first : first + _PER_DAY][_CALLED]
        if not today[_CALLED].any() and (held <= there).all():
            today[_CALLED], today[_USUAL] = held, 0


def _profiles() -> dict[str, Wh]:
    """Every column of the load's file, in millionths of its peak."""
    with gzip.open(FOLDER / "simbench_2016-08.csv.gz", "rt", encoding="utf-8") as file:
        _, *names = next(rows := csv.reader(file))
        table = np.array([[_micro(cell) for cell in row[1:]] for row in rows], dtype=np.int64)
    return dict(zip(names, table.T, strict=True))


def _sun() -> Wh:
    """The PV plant's power in millionths of its largest; the inverters' own use at night counts as none."""
    with gzip.open(FOLDER / "nrel_pv_2016-08.csv.gz", "rt", encoding="utf-8") as file:
        watts = [exact(row["ac_power"]) for row in csv.DictReader(file)]
    return np.array([max(0, round_half_away(w / _PV_MAX_W * _MICRO)) for w in watts], dtype=np.int64)


def _micro(share: str) -> int:
    return round_half_away(exact(share) * _MICRO)


def _scaled(micro: Wh, peak: int) -> Wh:
    """Wh of quarter-hours, half away from zero, of a peak in kW."""
    whole = np.abs(micro) * (peak * _WH_PER_KW) + _MICRO // 2
    signed: Wh = np.sign(micro) * (whole // _MICRO)
    return signed
