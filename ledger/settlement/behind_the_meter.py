"""The streams that storage earns behind a site's meter: the attributed lines of one bill effect.

Arbitrage, demand charge, power factor and interaction sum exactly to bill(without) - bill(with), once
per account and billing month (DOMAIN.md 3.1, 3.3 and the last paragraph of 4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, get_args

import numpy as np

from ledger.billing_cycle import energy_by_part, prices_of_cycle
from ledger.interval import Month
from ledger.settlement.attribution import FromPv, Measured, SiteEarnings, site_earnings
from ledger.settlement.inputs import SiteInputs
from ledger.storage_saving import by_period, storage_savings
from ledger.stored_energy import Method, Stored, tag
from ledger.stream import Stream
from ledger.tariff import MonthPrices

RULES: Final[dict[Stream, str]] = {
    "arbitrage": "DOMAIN.md 3.1, direct form",
    "pv_time_shift": "DOMAIN.md 3.2, direct form",
    "demand_charge": "DOMAIN.md 3.3, bill without less bill with",
    "power_factor": "DOMAIN.md 3.3, bill without less bill with",
    "interaction": "DOMAIN.md 4, the rest of the bill effect",
    "demand_response": "DOMAIN.md 3.4",
    "spot": "DOMAIN.md 3.5",
    "ancillary": "DOMAIN.md 3.6",
    "capacity": "DOMAIN.md 3.7",
    "service": "the service's rule",
}


def earnings(sites: Sequence[SiteInputs], month: Month) -> list[SiteEarnings]:
    """What each site's storage earned behind its meter in the billing cycle that ends in `month`, in order.

    Sites that share a tariff and a cycle are computed together.

    Raises:
        Refused: what `storage_savings` refuses, such as a month without a price table.
    """
    groups: dict[tuple[int, int, int, bool], list[int]] = defaultdict(list)
    for number, item in enumerate(sites):
        anchor_day = item.site.account.anchor_day
        groups[id(item.tariff), item.interval_s, anchor_day, item.load_wh is None].append(number)
    found: list[SiteEarnings | None] = [None] * len(sites)
    for (*_, direct_only), numbers in groups.items():
        group = [sites[number] for number in numbers]
        made = _direct_only(group, month) if direct_only else _with_bills(group, month)
        for number, one in zip(numbers, made, strict=True):
            found[number] = one
    return [item for item in found if item is not None]


def _with_bills(group: Sequence[SiteInputs], month: Month) -> list[SiteEarnings]:
    first = group[0]
    savings = storage_savings(
        [item.site.account for item in group],
        first.tariff,
        month,
        np.stack([item.load_wh for item in group if item.load_wh is not None]),
        np.stack([item.charge_wh for item in group]),
        np.stack([item.discharge_wh for item in group]),
        interval_s=first.interval_s,
        reactive=[item.reactive for item in group],
        reactive_with=[None] * len(group),
        feeders=[item.feeders for item in group],
    )
    prices = _prices(first, month)
    from_pv = _energy_from_pv(group, prices)
    return [
        site_earnings(
            Measured(
                item,
                month,
                prices,
                saving.charged_wh,
                saving.discharged_wh,
                saving,
                from_pv.get(number),
            )
        )
        for number, (item, saving) in enumerate(zip(group, savings, strict=True))
    ]


def _prices(item: SiteInputs, month: Month) -> tuple[MonthPrices, ...]:
    return prices_of_cycle(item.tariff, month, item.site.account.anchor_day, item.interval_s)


def _energy_from_pv(group: Sequence[SiteInputs], prices: tuple[MonthPrices, ...]) -> dict[int, FromPv]:
    """Of the sites that had a PV surplus, or PV energy in stock: by their number in the group."""
    found: dict[int, FromPv] = {}
    for method in get_args(Method):
        numbers = [
            number
            for number, item in enumerate(group)
            if item.site.stored_energy == method
            and item.load_wh is not None
            and (item.opening != Stored() or int(item.load_wh.min()) < 0)
        ]
        if not numbers:
            continue
        loads = np.stack([load for number in numbers if (load := group[number].load_wh) is not None])
        tagged = tag(
            np.stack([group[number].charge_wh for number in numbers]),
            np.stack([group[number].discharge_wh for number in numbers]),
            -loads,
            [group[number].opening for number in numbers],
            method,
            [group[number].site.storage_energy_wh for number in numbers],
        )
        charged = by_period(energy_by_part(tagged.pv_charge_wh, prices), len(numbers))
        discharged = by_period(energy_by_part(tagged.pv_discharge_wh, prices), len(numbers))
        for row, number in enumerate(numbers):
            found[number] = FromPv(
                tagged.pv_charge_wh[row],
                tagged.pv_discharge_wh[row],
                charged[row],
                discharged[row],
                tagged.lost_pv_wh[row],
                tagged.closing[row],
            )
    return found


def _direct_only(group: Sequence[SiteInputs], month: Month) -> list[SiteEarnings]:
    prices = _prices(group[0], month)
    charged = by_period(energy_by_part(np.stack([item.charge_wh for item in group]), prices), len(group))
    discharged = by_period(
        energy_by_part(np.stack([item.discharge_wh for item in group]), prices), len(group)
    )
    return [
        site_earnings(Measured(item, month, prices, charge, discharge))
        for item, charge, discharge in zip(group, charged, discharged, strict=True)
    ]
