"""The electricity bill of one account for one billing month.

Every line is summed exactly and rounded once, half away from zero (DOMAIN.md 3.0). Amounts above zero
are owed by the account; what an export earns is below zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.demand import demand_charge, demand_w
from ledger.grid_account import Account, PowerFactorTerms
from ledger.interval import Month
from ledger.period_energy import energy_by_period, peak_wh
from ledger.period_schedule import PERIODS, TouPeriod
from ledger.power_factor import Reactive, adjustment, cos_phi_hundredths
from ledger.quantity import Money, Price
from ledger.refusal import Refused
from ledger.tariff import MonthPrices, Tariff, prices_of_month

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


class Bill(msgspec.Struct, frozen=True):
    """An account's month; `total` is the sum of the rounded lines."""

    account_id: str
    tariff_id: str
    month: Month
    lines: tuple[BillLine, ...]
    total: Money
    imported_wh: int
    exported_wh: int
    measured_w: Fraction | None
    """Maximum demand; None where the account's mode does not look at it."""
    cos_phi_hundredths: int | None

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
) -> Bill:
    """The bill of one account: as `bills`, for a profile of one dimension."""
    return bills([account], tariff, month, profile[None, :], interval_s=interval_s, reactive=[reactive])[0]


def bills(
    accounts: Sequence[Account],
    tariff: Tariff,
    month: Month,
    profiles: npt.NDArray[np.int64],
    *,
    interval_s: int,
    reactive: Sequence[Reactive | None] | None = None,
) -> list[Bill]:
    """One bill per account from its row of net import in Wh per interval; export is below zero.

    Export is worth the account's export price and never lowers the imported energy of another interval.
    Reactive totals are needed by accounts with a power-factor standard.

    Raises:
        Refused: `parts`, `zone` or `currency` when account and tariff do not fit, `reactive_missing`, and
            all of `prices_of_month`, `energy_by_period`, `peak_wh`, `demand_charge`, `cos_phi_hundredths`.
    """
    prices = prices_of_month(tariff, month, interval_s)
    reactives = reactive if reactive is not None else [None] * len(accounts)
    if not len(accounts) == len(profiles) == len(reactives):
        raise Refused("profile", "accounts, profiles and reactive totals are one each")
    energy = energy_by_period(profiles, prices)
    imported, exported = energy.imported_wh.tolist(), energy.exported_wh.sum(axis=1).tolist()
    lengths = {account.demand_interval_s for account in accounts} - {None}
    peaks = {length: peak_wh(profiles, interval_s, length).tolist() for length in lengths if length}
    present = [PERIODS[index] for index in np.unique(prices.period).tolist()]
    priced = [(period, PERIODS.index(period), prices.price_of(period)) for period in present]
    found: list[Bill] = []
    for number, account in enumerate(accounts):
        _check_fit(account, tariff)
        length = account.demand_interval_s
        peak = None if length is None else demand_w(peaks[length][number], length)
        lines = [_line("energy", period, imported[number][index], price) for period, index, price in priced]
        meter = _Meter(sum(imported[number]), exported[number], peak, reactives[number])
        found.append(_finish(account, prices, lines, meter))
    return found


class _Meter(msgspec.Struct, frozen=True):
    """What the grid meter says of the month, beside the periods."""

    imported_wh: int
    exported_wh: int
    measured_w: Fraction | None
    reactive: Reactive | None


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


def _line(item: Item, period: TouPeriod | None, wh: int, price: Price) -> BillLine:
    exact = Fraction(wh * price.mantissa, 1000 * 10**price.scale)
    return BillLine(
        item, period, Fraction(wh), "Wh", price, Fraction(1), exact, Money.round(exact, price.currency)
    )


def _finish(account: Account, prices: MonthPrices, lines: list[BillLine], meter: _Meter) -> Bill:
    """Add export, demand and power factor to the energy lines, in this order, and the total."""
    adjustable = sum((line.exact for line in lines), Fraction(0))
    if account.export_price is not None and meter.exported_wh:
        lines.append(_line("export", None, -meter.exported_wh, account.export_price))
    if account.demand is not None:
        charge = demand_charge(
            account.demand,
            measured_w=meter.measured_w,
            import_wh=meter.imported_wh,
            demand_price=prices.table.demand,
            capacity_price=prices.table.capacity,
        )
        amount = Money.round(charge.exact, prices.currency)
        lines.append(
            BillLine(
                "demand",
                None,
                charge.quantity,
                charge.unit,
                charge.price,
                charge.factor,
                charge.exact,
                amount,
            )
        )
        adjustable += charge.exact
    hundredths = None
    if account.power_factor is not None:
        hundredths = _cos_phi(account, account.power_factor, meter)
        if not account.power_factor.fund_in_base:
            adjustable -= _fund(prices, meter.imported_wh)
        lines.append(_power_factor_line(account.power_factor, hundredths, adjustable, prices.currency))
    total = Money(sum(line.amount.minor for line in lines), prices.currency)
    return Bill(
        account.id,
        prices.tariff_id,
        prices.month,
        tuple(lines),
        total,
        meter.imported_wh,
        meter.exported_wh,
        meter.measured_w,
        hundredths,
    )


def _cos_phi(account: Account, terms: PowerFactorTerms, meter: _Meter) -> int:
    if meter.reactive is None:
        raise Refused(
            "reactive_missing",
            f"account {account.id} has a power-factor standard: give its varh",
            place="reactive",
        )
    return cos_phi_hundredths(meter.imported_wh, meter.reactive.total_varh(terms.reactive_sum))


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
