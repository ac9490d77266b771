"""One site's bill effect as the lines of its streams, after the exclusivity matrix had its say.

Arbitrage, PV time shift, demand charge, power factor and interaction sum exactly to bill(without) less
bill(with) (DOMAIN.md 4). What the matrix gave to another stream is not counted as arbitrage, time shift or
demand: it still changed the bill, so that it stands in the interaction, named.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from ledger.billing_cycle import cycle_days, cycle_interval, energy_by_part
from ledger.clauses.flow import exact_text
from ledger.exclusivity.policy import MatrixStream
from ledger.exclusivity.refused_part import RefusedPart
from ledger.interval import Interval, Month, zone_of
from ledger.period_schedule import PERIODS
from ledger.quantity import Money
from ledger.settlement.bill_terms import bill_items, bill_terms, demand_note, power_factor_note
from ledger.settlement.direct_form import direct_terms, value_of, whole_wh
from ledger.settlement.inputs import SiteInputs
from ledger.settlement.line import Basis
from ledger.settlement.markets.bill import BillStream, Left, Taken
from ledger.settlement.markets.case import Whole
from ledger.settlement.result import SiteBill
from ledger.settlement.site_notice import SiteNotice
from ledger.storage_saving import ByPeriod, FeederEnergy, Saving, by_period, storage_savings
from ledger.stored_energy import Stored
from ledger.streams.earned import Earned
from ledger.tariff import MonthPrices

_NOTHING_LEFT_OUT: Final = Left()
_KEPT_OUT: Final = "of the bill effect, what another stream has: not counted, it stays with the account"


class FromPv(NamedTuple):
    """What of a site's charge and discharge was PV energy: per interval, and by period in Wh."""

    charge_wh: Whole
    discharge_wh: Whole
    charged_wh: ByPeriod
    discharged_wh: ByPeriod
    lost_wh: int
    closing: Stored


class Measured(NamedTuple):
    """What a site's lines are made of; without a load or grid meter there is no `saving`."""

    item: SiteInputs
    month: Month
    prices: tuple[MonthPrices, ...]
    charged_wh: ByPeriod
    discharged_wh: ByPeriod
    saving: Saving | None = None
    from_pv: FromPv | None = None


class SiteEarnings(NamedTuple):
    site: str
    charge_wh: int
    discharge_wh: int
    earned: tuple[Earned, ...]
    bill: SiteBill | None
    notices: tuple[SiteNotice, ...]
    charge_cost: Fraction
    discharge_value: Fraction
    """At the tariff's import prices, in major units, not rounded."""
    measured: Measured
    closing: Stored = Stored()
    refused: tuple[RefusedPart, ...] = ()
    claimed: bool = False
    """Whether a market stream claimed anything of its storage."""


class _Moved(NamedTuple):
    """Wh of a stream that another one has, by period."""

    stream: BillStream
    taker: MatrixStream
    pooled: bool
    charged_wh: ByPeriod
    discharged_wh: ByPeriod


def site_earnings(measured: Measured, left: Left = _NOTHING_LEFT_OUT, days: slice = slice(0)) -> SiteEarnings:
    """The site's lines; `left` is what the matrix left of them, over the settled `days` of the month.

    Raises:
        Refused: what `storage_savings` refuses.
    """
    moved = [_moved(measured, one, days) for one in left.taken]
    saving = measured.saving
    earned = _direct_site(measured, moved) if saving is None else _lines(measured, saving, moved, left, days)
    item, moves = measured.item, whole_wh(measured.charged_wh) or whole_wh(measured.discharged_wh)
    unchecked = SiteNotice(
        "missing_stream",
        "without a load or grid meter only the direct form was computed, neither checked against the bill"
        " nor guarded against export",
    )
    return SiteEarnings(
        item.site.id,
        whole_wh(measured.charged_wh),
        whole_wh(measured.discharged_wh),
        _with_cycle(item, measured.month, earned),
        None if saving is None else _bill(item, measured.month, saving),
        (*((unchecked,) if saving is None and moves else ()), *_opening_notice(measured)),
        value_of(measured.charged_wh, measured.prices),
        value_of(measured.discharged_wh, measured.prices),
        measured,
        Stored() if measured.from_pv is None else measured.from_pv.closing,
    )


def _opening_notice(measured: Measured) -> tuple[SiteNotice, ...]:
    """That the first month counts the storage as empty, where it had PV energy to tell apart."""
    if measured.item.opening_known or measured.from_pv is None:
        return ()
    message = (
        "no month before is settled and its opening_stock is not stated: its storage counts as empty at the"
        " start, and what comes out of it beyond that as energy from the grid"
    )
    return (SiteNotice("opening_stock", message),)


def _moved(measured: Measured, taken: Taken, days: slice) -> _Moved:
    whole = np.zeros((2, len(measured.item.charge_wh)), dtype=np.int64)
    whole[0, days], whole[1, days] = taken.charge_wh, taken.discharge_wh
    charged, discharged = by_period(energy_by_part(whole, measured.prices), 2)
    return _Moved(taken.stream, taken.taker, taken.pooled, charged, discharged)


def _lines(
    measured: Measured, saving: Saving, moved: Sequence[_Moved], left: Left, days: slice
) -> list[Earned]:
    item, currency = measured.item, saving.arbitrage.currency
    earned = _energy_lines(measured, saving, moved)
    apart = [term for one in moved if not one.pooled for term in _elsewhere(measured, one)]
    if item.site.account.parts == "two_part":
        counted, note = saving, demand_note(saving)
        if left.demand is not None:
            counted = _without_storage_in(measured, left, days)
            others = _named(left.demand_takers)
            note = f"{demand_note(counted)}; compared without the storage in intervals that {others} had"
            more = saving.demand_charge - counted.demand_charge
            label = f"demand charge of intervals that {others} had"
            apart.append(Basis(label, "1", "difference of two bills", str(more), exact_text(more.exact)))
        amount = counted.demand_charge
        earned.append(Earned("demand_charge", amount.exact, amount, bill_terms(counted, "demand"), note))
    if item.site.account.power_factor is not None:
        note = power_factor_note(item.site.account.power_factor.standard, saving)
        terms = bill_terms(saving, "power_factor")
        earned.append(Earned("power_factor", saving.power_factor.exact, saving.power_factor, terms, note))
    rest = saving.total - Money(sum(one.amount.minor for one in earned), currency)
    attributed = not left.whole or measured.from_pv is not None
    assert attributed or rest == saving.interaction, "the streams sum to the bill effect"
    if apart:
        exact = sum((Fraction(term.exact) for term in apart), Fraction(0))
        kept_out = Money.round(exact, currency)
        earned.append(Earned("interaction", exact, kept_out, tuple(apart), _KEPT_OUT, pooled=False))
        rest -= kept_out
    tagged = [term for one in moved if one.pooled for term in _elsewhere(measured, one)]
    earned.append(Earned("interaction", rest.exact, rest, _with_rest(tagged, rest), saving.explanation))
    return earned


def _energy_lines(measured: Measured, saving: Saving, moved: Sequence[_Moved]) -> list[Earned]:
    """Arbitrage and, where there was PV energy, the PV time shift (DOMAIN.md 3.1 and 3.2)."""
    from_pv, prices, currency = measured.from_pv, measured.prices, saving.arbitrage.currency
    if from_pv is None:
        terms, exact = _counted(measured.charged_wh, measured.discharged_wh, "arbitrage", moved, prices)
        assert moved or exact == saving.arbitrage_exact, "the terms sum to the direct form"
        return [
            Earned("arbitrage", exact, Money.round(exact, currency), terms, _moved_note("arbitrage", moved))
        ]
    charged = _less(measured.charged_wh, from_pv.charged_wh)
    discharged = _less(measured.discharged_wh, from_pv.discharged_wh)
    terms, exact = _counted(charged, discharged, "arbitrage", moved, prices)
    theirs = [one for one in moved if one.stream == "pv_time_shift"]
    pv_charged = _less(from_pv.charged_wh, *(one.charged_wh for one in theirs))
    pv_discharged = _less(from_pv.discharged_wh, *(one.discharged_wh for one in theirs))
    shifted, shift = _shift(measured.item, pv_charged, pv_discharged, prices)
    opening = measured.item.opening
    note = (
        f"{measured.item.site.stored_energy} inventory, of the ledger: no meter tells the state of charge;"
        f" opened with {opening.pv_wh} Wh from PV and {opening.grid_wh} Wh from the grid, closed with"
        f" {from_pv.closing.pv_wh} and {from_pv.closing.grid_wh};"
        f" {from_pv.lost_wh} Wh of the PV energy were lost"
    )
    own = _joined("energy from the grid", _moved_note("arbitrage", moved))
    return [
        Earned("arbitrage", exact, Money.round(exact, currency), terms, own),
        Earned(
            "pv_time_shift",
            shift,
            Money.round(shift, currency),
            shifted,
            _joined(note, _moved_note("pv_time_shift", moved)),
        ),
    ]


def _counted(
    charged: ByPeriod,
    discharged: ByPeriod,
    stream: BillStream,
    moved: Sequence[_Moved],
    prices: tuple[MonthPrices, ...],
) -> tuple[tuple[Basis, ...], Fraction]:
    """The direct form of what other streams left."""
    theirs = [one for one in moved if one.stream == stream]
    return direct_terms(
        _less(charged, *(one.charged_wh for one in theirs)),
        _less(discharged, *(one.discharged_wh for one in theirs)),
        prices,
    )


def _shift(
    item: SiteInputs, charged: ByPeriod, discharged: ByPeriod, prices: tuple[MonthPrices, ...]
) -> tuple[tuple[Basis, ...], Fraction]:
    """PV energy discharged at the import price, less what its charge would have earned as feed-in."""
    nothing = tuple(dict.fromkeys(PERIODS, 0) for _ in prices)
    terms, exact = direct_terms(nothing, discharged, prices)
    fed_in, wh = item.site.account.export_price, whole_wh(charged)
    value = Fraction(0) if fed_in is None else -Fraction(wh, 1000) * fed_in.exact
    price = "0 (curtailed or unpaid)" if fed_in is None else str(fed_in)
    forgone = Basis("charged from PV, feed-in forgone", str(wh), "Wh", price, exact_text(value))
    return (*terms, forgone), exact + value


def _elsewhere(measured: Measured, one: _Moved) -> list[Basis]:
    """What was moved, at the prices of the stream that it would have been: on the bill it still is."""
    if one.stream == "arbitrage":
        terms, _ = direct_terms(one.charged_wh, one.discharged_wh, measured.prices)
    else:
        terms, _ = _shift(measured.item, one.charged_wh, one.discharged_wh, measured.prices)
    tagged = f"{one.taker}, not counted as {one.stream}"
    return [
        Basis(f"{term.label}: {tagged}", term.quantity, term.unit, term.price, term.exact) for term in terms
    ]


def _with_rest(tagged: Sequence[Basis], rest: Money) -> tuple[Basis, ...]:
    """The named parts of the interaction, and what is left of it; nothing where none is named."""
    if not tagged:
        return ()
    left = rest.exact - sum((Fraction(term.exact) for term in tagged), Fraction(0))
    return (*tagged, Basis("rest of the bill effect", "1", "", exact_text(left), exact_text(left)))


def _without_storage_in(measured: Measured, left: Left, days: slice) -> Saving:
    """The saving as it would be had the storage stood still in the intervals that other streams have."""
    item = measured.item
    still = np.zeros(len(item.charge_wh), dtype=np.bool_)
    still[days] = left.demand
    assert item.load_wh is not None, "there is a bill"
    (saving,) = storage_savings(
        [item.site.account],
        item.tariff,
        measured.month,
        item.load_wh[None, :],
        np.where(still, 0, item.charge_wh)[None, :],
        np.where(still, 0, item.discharge_wh)[None, :],
        interval_s=item.interval_s,
        reactive=[item.reactive],
        reactive_with=[None],
        feeders=[
            [
                FeederEnergy(
                    one.feeder,
                    one.load_wh,
                    np.where(still, 0, one.charge_wh),
                    np.where(still, 0, one.discharge_wh),
                )
                for one in item.feeders
            ]
        ],
    )
    return saving


def _direct_site(measured: Measured, moved: Sequence[_Moved]) -> list[Earned]:
    terms, exact = _counted(measured.charged_wh, measured.discharged_wh, "arbitrage", moved, measured.prices)
    money = Money.round(exact, measured.prices[-1].currency)
    return [Earned("arbitrage", exact, money, terms, _moved_note("arbitrage", moved))]


def _moved_note(stream: BillStream, moved: Sequence[_Moved]) -> str:
    return "; ".join(
        f"{whole_wh(one.discharged_wh)} Wh discharged and {whole_wh(one.charged_wh)} Wh charged are"
        f" {one.taker}'s and not counted"
        for one in moved
        if one.stream == stream
    )


def _named(takers: Sequence[MatrixStream]) -> str:
    return " and ".join(takers)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _less(whole: ByPeriod, *parts: ByPeriod) -> ByPeriod:
    found = tuple(dict(part) for part in whole)
    for taken in parts:
        for part, theirs in zip(found, taken, strict=True):
            for period, wh in theirs.items():
                part[period] -= wh
    return found


def _bill(item: SiteInputs, month: Month, saving: Saving) -> SiteBill:
    return SiteBill(
        item.site.id,
        saving.without.total,
        saving.with_storage.total,
        saving.explanation,
        bill_items(saving.without),
        bill_items(saving.with_storage),
        _cycle(item, month),
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
