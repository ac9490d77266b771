"""What storage behind the meter changes on an account's bill: one bill without it, one with it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.bill import Bill, bills
from ledger.grid_account import Account
from ledger.interval import Month
from ledger.period_energy import energy_by_period
from ledger.period_schedule import PERIODS, TouPeriod
from ledger.power_factor import Reactive
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.tariff import MonthPrices, Tariff, prices_of_month


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
    charged_wh: dict[TouPeriod, int]
    discharged_wh: dict[TouPeriod, int]

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


def storage_saving(
    account: Account,
    tariff: Tariff,
    month: Month,
    load_wh: npt.NDArray[np.int64],
    charge_wh: npt.NDArray[np.int64],
    discharge_wh: npt.NDArray[np.int64],
    *,
    interval_s: int,
    reactive: Reactive | None = None,
    reactive_with: Reactive | None = None,
) -> Saving:
    """As `storage_savings`, for one account and profiles of one dimension."""
    if not load_wh.shape == charge_wh.shape == discharge_wh.shape:
        raise Refused("profile", "load, charge and discharge have the same intervals")
    return storage_savings(
        [account],
        tariff,
        month,
        load_wh[None, :],
        charge_wh[None, :],
        discharge_wh[None, :],
        interval_s=interval_s,
        reactive=[reactive],
        reactive_with=[reactive_with],
    )[0]


def storage_savings(
    accounts: Sequence[Account],
    tariff: Tariff,
    month: Month,
    load_wh: npt.NDArray[np.int64],
    charge_wh: npt.NDArray[np.int64],
    discharge_wh: npt.NDArray[np.int64],
    *,
    interval_s: int,
    reactive: Sequence[Reactive | None],
    reactive_with: Sequence[Reactive | None],
) -> list[Saving]:
    """Compare each account's bill without and with its storage, interval by interval in Wh.

    Profiles are accounts x intervals. `load_wh` is the site's net import as it would be without the
    storage (load less PV; below zero is export); `charge_wh` and `discharge_wh` are at the storage's AC
    side, both at least zero. Losses need no parameter: they are in the two registers. `reactive_with` is
    given when the storage changes the reactive registers. A demand line may be below zero: charging can
    raise the maximum (DOMAIN.md 3.3).

    Raises:
        Refused: `negative_energy` for a register below zero, `profile`, and everything `bills` refuses.
    """
    if not load_wh.shape == charge_wh.shape == discharge_wh.shape:
        raise Refused("profile", "load, charge and discharge have the same intervals")
    for place, register in (("charge_wh", charge_wh), ("discharge_wh", discharge_wh)):
        if register.size and int(register.min()) < 0:
            raise Refused("negative_energy", "charged and discharged energy are not negative", place=place)
    prices = prices_of_month(tariff, month, interval_s)
    charged = energy_by_period(charge_wh, prices).imported_wh.tolist()
    discharged = energy_by_period(discharge_wh, prices).imported_wh.tolist()
    kept = [
        after if after is not None else before for before, after in zip(reactive, reactive_with, strict=True)
    ]
    without = bills(accounts, tariff, month, load_wh, interval_s=interval_s, reactive=reactive)
    net = load_wh + charge_wh - discharge_wh
    with_storage = bills(accounts, tariff, month, net, interval_s=interval_s, reactive=kept)
    return [
        _split(
            without[i], with_storage[i], _direct(charged[i], discharged[i], prices), charged[i], discharged[i]
        )
        for i in range(len(accounts))
    ]


def _direct(charged: list[int], discharged: list[int], prices: MonthPrices) -> Fraction:
    """Discharge less charge at the import price (DOMAIN.md 3.1), in major units."""
    indices = np.unique(prices.period).tolist()
    return sum(
        (Fraction(discharged[i] - charged[i], 1000) * prices.price_of(PERIODS[i]).exact for i in indices),
        Fraction(0),
    )


def _split(
    without: Bill, with_storage: Bill, direct: Fraction, charged: list[int], discharged: list[int]
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
        dict(zip(PERIODS, charged, strict=True)),
        dict(zip(PERIODS, discharged, strict=True)),
    )
