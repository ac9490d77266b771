"""What the meters of a site would have read by each way, as files that `wattledger import` takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, timedelta
from typing import Final

import numpy as np

from adapters.backtest.backtest import COMPARED, Backtest
from adapters.backtest.site_case import SiteKnown
from dispatch.plan_check import Whole
from dispatch.value.settled_way import StorageWay
from ledger.interval import Month, midnight, zone_of
from ledger.meter import Meter
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs, SiteInputs

_PROFILE: Final = """format = "csv_long"
interval_s = {interval_s}
meter_column = "meter"
register_column = "register"
time = {{ column = "start", stamp = "interval_start" }}
values = [{{ column = "wh", unit = "Wh" }}]
"""
_HEADER: Final = "meter,register,start,wh"

Registers = list[tuple[str, str, Whole]]
"""Meter, register, and Wh of the month's intervals."""


def readings_files(found: Backtest, inputs: Inputs, known: Mapping[str, SiteKnown]) -> dict[str, str]:
    """By name: of each site that ran `SITE.toml`, the profile, and `SITE_WAY.csv` for each way compared.

    A site without a storage meter has `SITE-STORAGE`, which is to be registered. What no storage changes,
    such as a load meter's readings, is not repeated.

    Raises:
        Refused: `backtest_readings` for a site of which the meters do not tell how they would have read.
    """
    files: dict[str, str] = {}
    for site in inputs.sites:
        name = site.site.id
        if name not in known:
            continue
        files[f"{name}.toml"] = _PROFILE.format(interval_s=site.interval_s)
        for run in COMPARED:
            registers = _registers(site, known[name].meters, found.readings[run][name])
            files[f"{name}_{run}.csv"] = "\n".join([_HEADER, *_lines(site, inputs.month, registers), ""])
    return files


def _registers(site: SiteInputs, meters: Sequence[Meter], way: StorageWay) -> Registers:
    storage = [one.id for one in meters if one.position == "storage"] or [f"{site.site.id}-STORAGE"]
    none = np.zeros_like(way.charge_wh)
    found: Registers = []
    for number, meter in enumerate(storage):
        found.append((meter, "charge", way.charge_wh if number == 0 else none))
        found.append((meter, "discharge", way.discharge_wh if number == 0 else none))
    grid = [one for one in meters if one.position == "grid"]
    if grid and site.load_wh is not None:
        if len(grid) > 1:
            raise _untold(site, f"it has {len(grid)} grid meters, which would share what the storage does")
        net = site.load_wh + way.charge_wh - way.discharge_wh
        sent = np.maximum(-net, 0)
        found.append((grid[0].id, "import", np.maximum(net, 0)))
        if "export" in grid[0].registers:
            found.append((grid[0].id, "export", sent))
        elif sent.any():
            raise _untold(site, f"it would have sent out, and meter {grid[0].id} has no register of that")
    return found


def _untold(site: SiteInputs, wrong: str) -> Refused:
    return Refused("backtest_readings", f"{wrong}: not told meter by meter", place=f"site {site.site.id}")


def _lines(site: SiteInputs, month: Month, registers: Registers) -> Iterator[str]:
    begin = midnight(month.first_day, zone_of(site.site.zone)).astimezone(UTC)
    step = timedelta(seconds=site.interval_s)
    starts = [f"{begin + number * step:%Y-%m-%dT%H:%M:%SZ}" for number in range(len(site.charge_wh))]
    for meter, register, wh in registers:
        yield from (
            f"{meter},{register},{start},{one}" for start, one in zip(starts, wh.tolist(), strict=True)
        )
