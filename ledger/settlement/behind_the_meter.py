"""The streams that storage earns behind a site's meter: the attributed lines of one bill effect.

Arbitrage, demand charge, power factor and interaction sum exactly to bill(without) - bill(with), once
per account and billing month (DOMAIN.md 3.1, 3.3 and the last paragraph of 4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Final, NamedTuple, get_args

import numpy as np

from ledger.bill import Bill, Item
from ledger.billing_cycle import cycle_days, cycle_interval, energy_by_part, prices_of_cycle
from ledger.clauses.flow import Notice, exact_text
from ledger.exclusivity.refused_part import RefusedPart
from ledger.interval import Interval, Month, zone_of
from ledger.period_schedule import PERIODS
from ledger.power_factor import Standard
from ledger.quantity import Money, decimal_text, round_half_away
from ledger.settlement.direct_form import direct_terms, value_of, whole_wh
from ledger.settlement.inputs import SiteInputs
from ledger.settlement.line import Basis
from ledger.settlement.result import BillItem, SiteBill
from ledger.storage_saving import ByPeriod, Saving, by_period, storage_savings
from ledger.stored_energy import Method, Stored, tag
from ledger.stream import Stream
from ledger.streams.earned import Earned
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

_KILO: Final = {"W": 1000, "VA": 1000}
"""What is priced by the thousand is shown by the thousand."""


class SiteEarnings(NamedTuple):
    site: str
    charge_wh: int
    discharge_wh: int
    earned: tuple[Earned, ...]
    bill: SiteBill | None
    notices: tuple[Notice, ...]
    charge_cost: Fraction
    discharge_value: Fraction
    """At the tariff's import prices, in major units, not rounded."""
    closing: Stored = Stored()
    refused: tuple[RefusedPart, ...] = ()


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
        for number, site_earnings in zip(numbers, made, strict=True):
            found[number] = site_earnings
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
        _site(item, saving, month, prices, from_pv.get(number))
        for number, (item, saving) in enumerate(zip(group, savings, strict=True))
    ]


def _prices(item: SiteInputs, month: Month) -> tuple[MonthPrices, ...]:
    return prices_of_cycle(item.tariff, month, item.site.account.anchor_day, item.interval_s)


class _FromPv(NamedTuple):
    """What of a site's charge and discharge was PV energy, by period in Wh."""

    charged_wh: ByPeriod
    discharged_wh: ByPeriod
    lost_wh: int
    closing: Stored


def _energy_from_pv(group: Sequence[SiteInputs], prices: tuple[MonthPrices, ...]) -> dict[int, _FromPv]:
    """Of the sites that had a PV surplus, or PV energy in stock: by their number in the group."""
    found: dict[int, _FromPv] = {}
    for method in get_args(Method):
        numbers = [
            number
            for number, item in enumerate(group)
            if item.site.stored_energy == method
            and item.load_wh is not None
            and (item.opening.pv_wh or int(item.load_wh.min()) < 0)
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
        )
        charged = by_period(energy_by_part(tagged.pv_charge_wh, prices), len(numbers))
        discharged = by_period(energy_by_part(tagged.pv_discharge_wh, prices), len(numbers))
        for row, number in enumerate(numbers):
            found[number] = _FromPv(
                charged[row],
                discharged[row],
                tagged.lost_pv_wh[row],
                tagged.closing[row],
            )
    return found


def _attributed(
    item: SiteInputs, saving: Saving, prices: tuple[MonthPrices, ...], from_pv: _FromPv | None
) -> list[Earned]:
    """Arbitrage and, where there was PV energy, the PV time shift (DOMAIN.md 3.1 and 3.2)."""
    if from_pv is None:
        terms, exact = direct_terms(saving.charged_wh, saving.discharged_wh, prices)
        assert exact == saving.arbitrage_exact, "the terms sum to the direct form"
        return [Earned("arbitrage", exact, saving.arbitrage, terms, "")]
    currency = saving.arbitrage.currency
    of_grid = [
        tuple(
            {period: wh - theirs[period] for period, wh in part.items()}
            for part, theirs in zip(whole, of_pv, strict=True)
        )
        for whole, of_pv in (
            (saving.charged_wh, from_pv.charged_wh),
            (saving.discharged_wh, from_pv.discharged_wh),
        )
    ]
    terms, exact = direct_terms(of_grid[0], of_grid[1], prices)
    nothing = tuple(dict.fromkeys(PERIODS, 0) for _ in prices)
    shifted, shifted_exact = direct_terms(nothing, from_pv.discharged_wh, prices)
    fed_in = item.site.account.export_price
    charged = whole_wh(from_pv.charged_wh)
    value = Fraction(0) if fed_in is None else -Fraction(charged, 1000) * fed_in.exact
    price = "0 (curtailed or unpaid)" if fed_in is None else str(fed_in)
    forgone = Basis("charged from PV, feed-in forgone", str(charged), "Wh", price, exact_text(value))
    note = f"{item.site.stored_energy} inventory; {from_pv.lost_wh} Wh of the PV energy were lost"
    shift = shifted_exact + value
    return [
        Earned("arbitrage", exact, Money.round(exact, currency), terms, "energy from the grid"),
        Earned("pv_time_shift", shift, Money.round(shift, currency), (*shifted, forgone), note),
    ]


def _site(
    item: SiteInputs,
    saving: Saving,
    month: Month,
    prices: tuple[MonthPrices, ...],
    from_pv: _FromPv | None,
) -> SiteEarnings:
    currency = saving.arbitrage.currency
    earned = _attributed(item, saving, prices, from_pv)
    if item.site.account.parts == "two_part":
        note = _demand_note(saving)
        terms = _bill_terms(saving, "demand")
        earned.append(Earned("demand_charge", saving.demand_charge.exact, saving.demand_charge, terms, note))
    if item.site.account.power_factor is not None:
        note = _power_factor_note(item.site.account.power_factor.standard, saving)
        terms = _bill_terms(saving, "power_factor")
        earned.append(Earned("power_factor", saving.power_factor.exact, saving.power_factor, terms, note))
    rest = saving.total - Money(sum(one.amount.minor for one in earned), currency)
    assert from_pv is not None or rest == saving.interaction, "the streams sum to the bill effect"
    earned.append(Earned("interaction", rest.exact, rest, (), saving.explanation))
    return SiteEarnings(
        item.site.id,
        whole_wh(saving.charged_wh),
        whole_wh(saving.discharged_wh),
        _with_cycle(item, month, earned),
        SiteBill(
            item.site.id,
            saving.without.total,
            saving.with_storage.total,
            saving.explanation,
            _items(saving.without),
            _items(saving.with_storage),
            _cycle(item, month),
        ),
        (),
        value_of(saving.charged_wh, prices),
        value_of(saving.discharged_wh, prices),
        Stored() if from_pv is None else from_pv.closing,
    )


def _cycle(item: SiteInputs, month: Month) -> Interval | None:
    """The billing cycle, where it is not the calendar month."""
    anchor_day = item.site.account.anchor_day
    return None if anchor_day == 1 else cycle_interval(month, anchor_day, zone_of(item.site.zone))


def _with_cycle(item: SiteInputs, month: Month, earned: Sequence[Earned]) -> tuple[Earned, ...]:
    """The lines, each of which names the days that it is of where they are not the calendar month's."""
    anchor_day = item.site.account.anchor_day
    if anchor_day == 1:
        return tuple(earned)
    first, end = cycle_days(month, anchor_day)
    days = f"billing cycle {first} to {end - timedelta(days=1)}"
    return tuple(one._replace(note=f"{days}; {one.note}" if one.note else days) for one in earned)


def _direct_only(group: Sequence[SiteInputs], month: Month) -> list[SiteEarnings]:
    prices = _prices(group[0], month)
    charged = by_period(energy_by_part(np.stack([item.charge_wh for item in group]), prices), len(group))
    discharged = by_period(
        energy_by_part(np.stack([item.discharge_wh for item in group]), prices), len(group)
    )
    return [
        _direct_site(item, month, charge, discharge, prices)
        for item, charge, discharge in zip(group, charged, discharged, strict=True)
    ]


def _direct_site(
    item: SiteInputs, month: Month, charged: ByPeriod, discharged: ByPeriod, prices: tuple[MonthPrices, ...]
) -> SiteEarnings:
    terms, exact = direct_terms(charged, discharged, prices)
    notice = Notice(
        "missing_stream",
        f"site {item.site.id} has no load or grid meter: only the direct form was computed,"
        " neither checked against its bill nor guarded against export",
    )
    money = Money.round(exact, prices[-1].currency)
    return SiteEarnings(
        item.site.id,
        whole_wh(charged),
        whole_wh(discharged),
        _with_cycle(item, month, [Earned("arbitrage", exact, money, terms, "")]),
        None,
        (notice,) if whole_wh(charged) or whole_wh(discharged) else (),
        value_of(charged, prices),
        value_of(discharged, prices),
    )


def _items(bill: Bill) -> tuple[BillItem, ...]:
    return tuple(
        BillItem(
            line.item,
            line.period,
            exact_text(line.quantity),
            line.unit,
            None if line.price is None else str(line.price),
            exact_text(line.rate),
            line.amount,
            line.part,
        )
        for line in bill.lines
    )


def _bill_terms(saving: Saving, item: Item) -> tuple[Basis, ...]:
    """An item of the bill without the storage, less the same item of the bill with it, rounded on each."""
    return tuple(
        Basis(
            f"{label}, feeder {line.part}" if line.part else label,
            exact_text(line.quantity / _KILO.get(line.unit, 1)),
            f"k{line.unit}" if line.unit in _KILO else line.unit,
            exact_text(line.rate) if line.price is None else f"{line.price} x {exact_text(line.rate)}",
            exact_text(sign * line.amount.exact),
        )
        for sign, label, bill in (
            (1, "bill without storage", saving.without),
            (-1, "bill with storage", saving.with_storage),
        )
        for line in bill.lines
        if line.item == item
    )


def _demand_note(saving: Saving) -> str:
    """The maximum demand on both bills, of each feeder where there are several."""
    notes: list[str] = []
    for before, after in zip(saving.without.demands, saving.with_storage.demands, strict=True):
        place = f"feeder {before.feeder}: " if before.feeder else ""
        if before.measured_w is None or after.measured_w is None:
            whose = "the feeder" if before.feeder else "the account"
            notes.append(f"{place}{whose} pays for its capacity, whatever the demand")
            continue
        kw = [
            decimal_text(round_half_away(watts / 100), 1) for watts in (before.measured_w, after.measured_w)
        ]
        notes.append(f"{place}maximum demand {kw[0]} kW without storage, {kw[1]} kW with it")
    return "; ".join(notes)


def _power_factor_note(standard: Standard, saving: Saving) -> str:
    """cos phi and its step of the table on both bills; the charges that they are taken of differ."""
    (step, cos_phi), (step_with, cos_phi_with) = (
        (_percent(line.rate), _hundredths(bill.cos_phi_hundredths))
        for bill in (saving.without, saving.with_storage)
        for line in bill.lines
        if line.item == "power_factor"
    )
    steps = (
        f"{step} of both bills' charges" if step == step_with else f"{step} and {step_with} of the charges"
    )
    return f"cos phi {cos_phi} without storage, {cos_phi_with} with it, standard {standard}: {steps}"


def _percent(rate: Fraction) -> str:
    """A share in hundredths of a percent, with its sign: `-0.75 %`."""
    return f"{'-' if rate < 0 else '+'}{decimal_text(abs(round_half_away(rate * 10_000)), 2)} %"


def _hundredths(value: int | None) -> str:
    return "unknown" if value is None else f"{value // 100}.{value % 100:02d}"
