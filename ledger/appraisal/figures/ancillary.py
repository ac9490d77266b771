"""AS: ancillary services at a price per kWh, which is no regulation tariff (DOMAIN.md 1 and 3.6)."""

from __future__ import annotations

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure, Unexplained, Variant, implied, money
from ledger.appraisal.finance import rounded
from ledger.appraisal.storage import USES, Storage

NAME = "ancillary"


def appraise(given: AssumptionSet) -> Figure:
    """Days x price x energy, and the net forms that come near."""
    printed = given.figure(NAME)
    storage = Storage.of(given)
    price = given.value("ancillary_price", "CNY/kWh")
    energy = implied("energy", "kWh/d", "printed / (days x price)", printed, storage.days * price)
    spread = price - given.value("price_valley", "CNY/kWh")
    return Figure(
        printed,
        (
            _delivered(given, storage),
            _power_for_hours(given, storage),
            _owner_share(given, storage),
            _net_share_without_vat(given, storage),
        ),
        implied=(
            energy,
            implied(
                "lossless_energy",
                "kWh/d",
                "printed / (days x (price - price bought at))",
                printed,
                storage.days * spread,
            ),
        ),
        unexplained=Unexplained(energy.value / storage.delivered, "delivered"),
    )


def _delivered(given: AssumptionSet, storage: Storage) -> Variant:
    price = given.value("ancillary_price", "CNY/kWh")
    return Variant(
        "delivered",
        "natural",
        money(
            storage.days * price * storage.delivered,
            "days x price x delivered",
            f"{storage.days} x {rounded(price, 2)} x {rounded(storage.delivered, 0)}",
        ),
        (*USES, "ancillary_price"),
    )


def _power_for_hours(given: AssumptionSet, storage: Storage) -> Variant:
    price = given.value("ancillary_price", "CNY/kWh")
    power, hours = given.value("power", "kW"), given.value("ancillary_hours", "h/d")
    return Variant(
        "power_for_hours",
        "near_miss",
        money(
            storage.days * price * power * hours,
            "days x price x power x hours",
            f"{storage.days} x {rounded(price, 2)} x {rounded(power, 0)} x {rounded(hours, 1)}",
        ),
        ("days", "ancillary_price", "power", "ancillary_hours"),
    )


def _owner_share(given: AssumptionSet, storage: Storage) -> Variant:
    share = given.value("owner_share", "1")
    spread = given.value("ancillary_price", "CNY/kWh") - given.value("price_valley", "CNY/kWh")
    return Variant(
        "owner_share_of_spread",
        "near_miss",
        money(
            share * storage.delivered * spread * storage.days,
            "owner share x delivered x (price - price bought at) x days",
            f"{rounded(share, 2)} x {rounded(storage.delivered, 0)} x {rounded(spread, 4)} x {storage.days}",
        ),
        (*USES, "ancillary_price", "price_valley", "owner_share"),
    )


def _net_share_without_vat(given: AssumptionSet, storage: Storage) -> Variant:
    price, bought = given.value("ancillary_price", "CNY/kWh"), given.value("price_valley", "CNY/kWh")
    share, vat = given.value("ancillary_share", "1"), given.value("vat", "1")
    net = price * storage.delivered - bought * storage.usable
    return Variant(
        "net_share_without_vat",
        "fitted",
        money(
            storage.days * net * share / (1 + vat),
            "days x (price x delivered - price bought at x usable) x share / (1 + VAT)",
            f"{storage.days} x ({rounded(price, 2)} x {rounded(storage.delivered, 0)}"
            f" - {rounded(bought, 4)} x {rounded(storage.usable, 0)})"
            f" x {rounded(share, 2)} / {rounded(1 + vat, 2)}",
        ),
        (*USES, "ancillary_price", "price_valley", "ancillary_share", "vat"),
    )
