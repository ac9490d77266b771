"""One account's saving, for tests that look at one at a time."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.grid_account import Account
from ledger.interval import Month
from ledger.power_factor import Reactive
from ledger.storage_saving import FeederEnergy, Saving, Wh, storage_savings
from ledger.tariff import Tariff


def storage_saving(
    account: Account,
    tariff: Tariff,
    month: Month,
    load_wh: Wh,
    charge_wh: Wh,
    discharge_wh: Wh,
    *,
    interval_s: int,
    reactive: Reactive | None = None,
    reactive_with: Reactive | None = None,
    feeders: Sequence[FeederEnergy] = (),
) -> Saving:
    """As `storage_savings`, for one account and profiles of one dimension."""
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
        feeders=[feeders],
    )[0]
