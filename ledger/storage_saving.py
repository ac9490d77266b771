"""What storage behind the meter changes on an account's bill: one bill without it, one with it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.bill import Bill, bills
from ledger.billing_cycle import energy_by_part, prices_of_cycle
from ledger.grid_account import Account
from ledger.interval import Month
from ledger.period_energy import PeriodEnergy
from ledger.period_schedule import PERIODS, TouPeriod
from ledger.power_factor import Reactive
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.tariff import MonthPrices, Tariff

Wh = npt.NDArray[np.int64]
ByPeriod = tuple[dict[TouPeriod, int], ...]
"""Energy by time-of-use period, for each part of a billing cycle: one, or one a month that it touches."""


class FeederEnergy(NamedTuple):
    """What `storage_savings` is given of an account, for one of its feeders; the feeders add up to it."""

    feeder: str
    load_wh: Wh
    charge_wh: Wh
    discharge_wh: Wh

    @property
    def net_wh(self) -> Wh:
        """The feeder's net import with the storage."""
        return self.load_wh + self.charge_wh - self.discharge_wh


class Saving(msgspec.Struct, frozen=True):
    """bill(without) - bill(with), split so that the four lines sum to it exactly (DOMAIN.md 4).

    Above zero the storage saved money. `arbitrage` is the direct form of DOMAIN.md 3.1, every discharged
    kWh at the import price less every charged kWh at the import price. `interaction` is the rest:
    `interaction_export`, exported energy that earned the export price or nothing instead of the import
    price, and `interaction_rounding`, lines rounded on two bills and once here.
    """

    without: Bill
    with_storage: Bill
    arbitrage_exact: Fraction
    arbitrage: Money
    demand_charge: Money
    power_factor: Money
    interaction: Money
    interaction_export: Fraction
    interaction_rounding: Fraction
    charged_wh: ByPeriod
    discharged_wh: ByPeriod

    def __post_init__(self) -> None:
        parts = self.arbitrage + self.demand_charge + self.power_factor + self.interaction
        assert parts == self.total, "the four lines sum to the difference of the bills"
        assert self.interaction_export + self.interaction_rounding == self.interaction.exact

    @property
    def total(self) -> Money:
        """What the storage saved in all."""
        return self.without.total - self.with_storage.total

    @property
    def explanation(self) -> str:
        """The interaction line in words."""
        more = self.with_storage.exported_wh - self.without.exported_wh
        if not more:
            return "nothing more was exported; what is left is each bill's lines being rounded by themselves"
        direction = "more" if more > 0 else "less"
        return (
            f"with the storage the site exported {abs(more)} Wh {direction} "
            f"({self.without.exported_wh} -> {self.with_storage.exported_wh}), worth the export price "
            "instead of the import price; the rest is each bill's lines being rounded by themselves"
        )


def storage_savings(
    accounts: Sequence[Account],
    tariff: Tariff,
    month: Month,
    load_wh: Wh,
    charge_wh: Wh,
    discharge_wh: Wh,
    *,
    interval_s: int,
    reactive: Sequence[Reactive | None],
    reactive_with: Sequence[Reactive | None],
    feeders: Sequence[Sequence[FeederEnergy]] | None = None,
) -> list[Saving]:
    """Compare each account's bill without and with its storage, interval by interval in Wh.

    Profiles are accounts x intervals. `load_wh` is the site's net import as it would be without the
    storage (load less PV; below zero is export); `charge_wh` and `discharge_wh` are at the storage's AC
    side, both at least zero. Losses need no parameter: they are in the two registers. `reactive_with` is
    given when the storage changes the reactive registers. `feeders` are the parts of accounts with several
    supply feeders, whose demand is charged one by one. The accounts share a billing cycle. A demand line
    may be below zero: charging can raise the maximum (DOMAIN.md 3.3).

    Raises:
        Refused: `negative_energy` for a register below zero, `profile`, and everything `bills` refuses.
    """
    if not load_wh.shape == charge_wh.shape == discharge_wh.shape:
        raise Refused("profile", "load, charge and discharge have the same intervals")
    for place, register in (("charge_wh", charge_wh), ("discharge_wh", discharge_wh)):
        if register.size and int(register.min()) < 0:
            raise Refused("negative_energy", "charged and discharged energy are not negative", place=place)
    if not accounts:
        return []
    parts = prices_of_cycle(tariff, month, accounts[0].anchor_day, interval_s)
    charged = by_period(energy_by_part(charge_wh, parts), len(accounts))
    discharged = by_period(energy_by_part(discharge_wh, parts), len(accounts))
    kept = [
        after if after is not None else before for before, after in zip(reactive, reactive_with, strict=True)
    ]
    own = feeders if feeders is not None else [() for _ in accounts]
    without = bills(
        accounts,
        tariff,
        month,
        load_wh,
        interval_s=interval_s,
        reactive=reactive,
        feeders=[{one.feeder: one.load_wh for one in each} for each in own],
    )
    with_storage = bills(
        accounts,
        tariff,
        month,
        load_wh + charge_wh - discharge_wh,
        interval_s=interval_s,
        reactive=kept,
        feeders=[{one.feeder: one.net_wh for one in each} for each in own],
    )
    return [
        _split(
            without[i], with_storage[i], _direct(charged[i], discharged[i], parts), charged[i], discharged[i]
        )
        for i in range(len(accounts))
    ]


def by_period(parts: list[PeriodEnergy], count: int) -> list[ByPeriod]:
    """For each account, its energy by period in each part of the cycle."""
    rows = [part.imported_wh.tolist() for part in parts]
    return [tuple(dict(zip(PERIODS, part[i], strict=True)) for part in rows) for i in range(count)]


def _direct(charged: ByPeriod, discharged: ByPeriod, parts: tuple[MonthPrices, ...]) -> Fraction:
    """Discharge less charge at the import price (DOMAIN.md 3.1), in major units."""
    total = Fraction(0)
    for taken, given, prices in zip(charged, discharged, parts, strict=True):
        for index in np.unique(prices.period).tolist():
            period = PERIODS[index]
            total += Fraction(given[period] - taken[period], 1000) * prices.price_of(period).exact
    return total


def _split(
    without: Bill, with_storage: Bill, direct: Fraction, charged: ByPeriod, discharged: ByPeriod
) -> Saving:
    currency = without.total.currency
    arbitrage = Money.round(direct, currency)
    demand = without.amount("demand") - with_storage.amount("demand")
    power_factor = without.amount("power_factor") - with_storage.amount("power_factor")
    interaction = without.total - with_storage.total - arbitrage - demand - power_factor
    metered = without.exact("energy") + without.exact("export")
    metered -= with_storage.exact("energy") + with_storage.exact("export")
    export = metered - direct
    return Saving(
        without,
        with_storage,
        direct,
        arbitrage,
        demand,
        power_factor,
        interaction,
        export,
        interaction.exact - export,
        charged,
        discharged,
    )
