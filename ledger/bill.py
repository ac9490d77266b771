"""The electricity bill of one account for one billing cycle.

Every line is summed exactly and rounded once, half away from zero (DOMAIN.md 3.0). Amounts above zero
are owed by the account; what an export earns is below zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.billing_cycle import energy_by_part, prices_of_cycle
from ledger.demand import demand_charge
from ledger.grid_account import Account, PowerFactorTerms
from ledger.interval import Month
from ledger.period_schedule import PERIODS, TouPeriod
from ledger.power_factor import Reactive, adjustment, cos_phi_hundredths
from ledger.quantity import Money, Price
from ledger.refusal import Refused
from ledger.supply import FeederSupply, feeder_supplies
from ledger.tariff import MonthPrices, Tariff

Item = Literal["energy", "export", "demand", "power_factor"]
ITEMS: Final[tuple[Item, ...]] = ("energy", "export", "demand", "power_factor")


class BillLine(msgspec.Struct, frozen=True):
    """One item of the bill: `exact` before rounding in major units, `amount` after.

    `quantity` is Wh for energy and export, W or VA for demand, and the adjusted charge in major units for
    the power factor, whose share is `rate`. `price` x `quantity` x `rate` is `exact`.
    """

    item: Item
    period: TouPeriod | None
    quantity: Fraction
    unit: str
    price: Price | None
    rate: Fraction
    exact: Fraction
    amount: Money
    part: str = ""
    """The feeder of a demand item, or the month of an energy item's price where the cycle has two."""


class SupplyDemand(msgspec.Struct, frozen=True):
    """The maximum demand of a feeder, or of an account's one supply, whose `feeder` is empty.

    `measured_w` is None where the mode does not look at it.
    """

    feeder: str
    measured_w: Fraction | None


class Bill(msgspec.Struct, frozen=True):
    """An account's cycle, named after the month of its last day; `total` is the sum of the rounded lines."""

    account_id: str
    tariff_id: str
    month: Month
    lines: tuple[BillLine, ...]
    total: Money
    imported_wh: int
    exported_wh: int
    demands: tuple[SupplyDemand, ...]
    cos_phi_hundredths: int | None

    @property
    def measured_w(self) -> Fraction | None:
        """Maximum demand of an account with one supply; None where its mode does not look at it."""
        return self.demands[0].measured_w if len(self.demands) == 1 else None

    def exact(self, item: Item) -> Fraction:
        """The item's lines before rounding, in major units."""
        return sum((line.exact for line in self.lines if line.item == item), Fraction(0))

    def amount(self, item: Item) -> Money:
        """The item's lines after rounding."""
        minor = sum(line.amount.minor for line in self.lines if line.item == item)
        return Money(minor, self.total.currency)


def bill(
    account: Account,
    tariff: Tariff,
    month: Month,
    profile: npt.NDArray[np.int64],
    *,
    interval_s: int,
    reactive: Reactive | None = None,
    feeders: Mapping[str, npt.NDArray[np.int64]] | None = None,
) -> Bill:
    """The bill of one account: as `bills`, for a profile of one dimension."""
    return bills(
        [account],
        tariff,
        month,
        profile[None, :],
        interval_s=interval_s,
        reactive=[reactive],
        feeders=[feeders or {}],
    )[0]


def bills(
    accounts: Sequence[Account],
    tariff: Tariff,
    month: Month,
    profiles: npt.NDArray[np.int64],
    *,
    interval_s: int,
    reactive: Sequence[Reactive | None] | None = None,
    feeders: Sequence[Mapping[str, npt.NDArray[np.int64]]] | None = None,
) -> list[Bill]:
    """One bill per account from its row of net import in Wh per interval; export is below zero.

    The accounts share a cycle, and the profiles are of the one whose last day is in `month`. Export is worth
    the account's export price and never lowers the imported energy of another interval. Reactive totals are
    needed by accounts with a power-factor standard. Accounts with several feeders need the net import of
    each, which add up to their profile; the demand of each is charged by itself (DOMAIN.md 3.3).

    Raises:
        Refused: `parts`, `zone` or `currency` when account and tariff do not fit, `reactive_missing`,
            `feeder_profile`, `billing_anchor` for accounts of several cycles, and all of `prices_of_cycle`,
            `energy_by_period`, `peak_wh`, `demand_charge`, `cos_phi_hundredths`.
    """
    if not accounts:
        return []
    parts = prices_of_cycle(tariff, month, _anchor_day(accounts), interval_s)
    reactives = reactive if reactive is not None else [None] * len(accounts)
    own = feeders if feeders is not None else [{} for _ in accounts]
    if not len(accounts) == len(profiles) == len(reactives) == len(own):
        raise Refused("profile", "accounts, profiles, reactive totals and feeders are one each")
    energy = energy_by_part(profiles, parts)
    imported = [part.imported_wh.tolist() for part in energy]
    exported = sum(part.exported_wh.sum(axis=1) for part in energy).tolist()
    whole = [sum(sum(wh[number]) for wh in imported) for number in range(len(accounts))]
    metered = feeder_supplies(accounts, profiles, whole, own, interval_s)
    priced = [_priced(part, several=len(parts) > 1) for part in parts]
    found: list[Bill] = []
    for number, account in enumerate(accounts):
        _check_fit(account, tariff)
        lines = [
            _line("energy", period, wh[number][index], price, label)
            for wh, (label, prices) in zip(imported, priced, strict=True)
            for period, index, price in prices
        ]
        by_part = [sum(wh[number]) for wh in imported]
        meter = _Meter(by_part, exported[number], metered[number], reactives[number])
        found.append(_finish(account, month, parts, lines, meter))
    return found


class _Meter(NamedTuple):
    """What the grid meters say of the cycle, beside the periods; the import for each part of the cycle."""

    imported_wh: list[int]
    exported_wh: int
    supplies: list[FeederSupply]
    reactive: Reactive | None


def _anchor_day(accounts: Sequence[Account]) -> int:
    days = {account.anchor_day for account in accounts}
    if len(days) > 1:
        raise Refused("billing_anchor", f"cycles from days {sorted(days)} are not billed together")
    return days.pop()


def _priced(prices: MonthPrices, *, several: bool) -> tuple[str, list[tuple[TouPeriod, int, Price]]]:
    """The part's label, and its periods with their index and price."""
    present = [PERIODS[index] for index in np.unique(prices.period).tolist()]
    label = str(prices.month) if several else ""
    return label, [(period, PERIODS.index(period), prices.price_of(period)) for period in present]


def _check_fit(account: Account, tariff: Tariff) -> None:
    if account.parts != tariff.parts:
        raise Refused(
            "parts", f"account {account.id} is {account.parts}, tariff {tariff.id} is {tariff.parts}"
        )
    if account.zone != tariff.zone:
        raise Refused(
            "zone", f"account {account.id} is in {account.zone}, tariff {tariff.id} in {tariff.zone}"
        )
    export = account.export_price
    if export is not None and export.currency != tariff.currency:
        raise Refused(
            "currency", f"the export price is in {export.currency}, the tariff in {tariff.currency}"
        )


def _line(item: Item, period: TouPeriod | None, wh: int, price: Price, part: str = "") -> BillLine:
    exact = Fraction(wh * price.mantissa, 1000 * 10**price.scale)
    amount = Money.round(exact, price.currency)
    return BillLine(item, period, Fraction(wh), "Wh", price, Fraction(1), exact, amount, part)


def _demand_line(supply: FeederSupply, prices: MonthPrices) -> BillLine:
    charge = demand_charge(
        supply.terms,
        measured_w=supply.measured_w,
        import_wh=supply.imported_wh,
        demand_price=prices.table.demand,
        capacity_price=prices.table.capacity,
    )
    amount = Money.round(charge.exact, prices.currency)
    return BillLine(
        "demand",
        None,
        charge.quantity,
        charge.unit,
        charge.price,
        charge.factor,
        charge.exact,
        amount,
        supply.feeder,
    )


def _finish(
    account: Account, month: Month, parts: tuple[MonthPrices, ...], lines: list[BillLine], meter: _Meter
) -> Bill:
    """Add export, demand and power factor to the energy lines, in this order, and the total."""
    last = parts[-1]
    adjustable = sum((line.exact for line in lines), Fraction(0))
    if account.export_price is not None and meter.exported_wh:
        lines.append(_line("export", None, -meter.exported_wh, account.export_price))
    for supply in meter.supplies:
        lines.append(_demand_line(supply, last))
        adjustable += lines[-1].exact
    hundredths = None
    if account.power_factor is not None:
        hundredths = _cos_phi(account, account.power_factor, meter)
        if not account.power_factor.fund_in_base:
            for prices, imported_wh in zip(parts, meter.imported_wh, strict=True):
                adjustable -= _fund(prices, imported_wh)
        lines.append(_power_factor_line(account.power_factor, hundredths, adjustable, last.currency))
    total = Money(sum(line.amount.minor for line in lines), last.currency)
    return Bill(
        account.id,
        last.tariff_id,
        month,
        tuple(lines),
        total,
        sum(meter.imported_wh),
        meter.exported_wh,
        tuple(SupplyDemand(supply.feeder, supply.measured_w) for supply in meter.supplies),
        hundredths,
    )


def _cos_phi(account: Account, terms: PowerFactorTerms, meter: _Meter) -> int:
    if meter.reactive is None:
        raise Refused(
            "reactive_missing",
            f"account {account.id} has a power-factor standard: give its varh",
            place="reactive",
        )
    return cos_phi_hundredths(sum(meter.imported_wh), meter.reactive.total_varh(terms.reactive_sum))


def _fund(prices: MonthPrices, imported_wh: int) -> Fraction:
    components = prices.table.components
    if components is None:
        raise Refused(
            "price_missing",
            f"{prices.tariff_id} states no government fund to leave out",
            place="power_factor",
        )
    return components.government_fund.exact * imported_wh / 1000


def _power_factor_line(terms: PowerFactorTerms, hundredths: int, base: Fraction, currency: str) -> BillLine:
    rate = adjustment(terms.standard, hundredths)
    exact = base * rate
    return BillLine("power_factor", None, base, currency, None, rate, exact, Money.round(exact, currency))
