"""A: buying in the valley and selling in the sharp and the peak period (DOMAIN.md 1)."""

from __future__ import annotations

from fractions import Fraction

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure, Kind, Unexplained, Variant, implied, money
from ledger.appraisal.finance import rounded
from ledger.appraisal.storage import USES, Storage

NAME = "arbitrage"
_PRICES = ("price_sharp", "price_peak", "price_valley")


def appraise(given: AssumptionSet) -> Figure:
    """Lossless, then the efficiency once, twice and squared, then what was fitted."""
    printed = given.figure(NAME)
    storage = Storage.of(given)
    selling = given.value("price_sharp", "CNY/kWh") + given.value("price_peak", "CNY/kWh")
    buying = storage.cycles * given.value("price_valley", "CNY/kWh")
    days = storage.days

    def variant(name: str, kind: Kind, discharged: Fraction, charged: Fraction) -> Variant:
        return Variant(
            name,
            kind,
            money(
                days * (selling * discharged - buying * charged),
                "days x (prices sold at x discharged - prices bought at x charged)",
                f"{days} x ({rounded(selling, 4)} x {rounded(discharged, 2)}"
                f" - {rounded(buying, 4)} x {rounded(charged, 2)})",
            ),
            (*USES, "cycles", *_PRICES),
        )

    once = variant("efficiency_once", "natural", storage.delivered, storage.usable)
    spread = selling - buying
    lossless = variant("lossless", "natural", storage.usable, storage.usable)
    twice = variant("efficiency_twice", "natural", storage.delivered, storage.drawn)
    squared = variant("efficiency_squared", "natural", storage.delivered * storage.efficiency, storage.usable)
    share = given.value("owner_share", "1")
    return Figure(
        printed,
        (lossless, once, twice, squared, _fitted(given, once), _near_miss(storage, share, spread, once)),
        implied=(
            implied(
                "lossless_energy",
                "kWh/d",
                "printed / (days x (prices sold at - prices bought at))",
                printed,
                days * spread,
            ),
        ),
        unexplained=Unexplained(printed.exact / once.value, "efficiency_once"),
        notes=(
            "an accidental hit of the fitted factor's complexity is to be expected among as many variants",
        ),
    )


def _fitted(given: AssumptionSet, once: Variant) -> Variant:
    retention = given.value("first_year_retention", "1")
    share = given.value("share_or_after_tax", "1")
    return Variant(
        "first_year_and_share",
        "fitted",
        money(
            once.value * retention * share,
            "efficiency_once x first-year retention x share (or what 25 % tax leaves)",
            f"{rounded(once.value, 2)} x {rounded(retention, 2)} x {rounded(share, 2)}",
        ),
        (*once.uses, "first_year_retention", "share_or_after_tax"),
    )


def _near_miss(storage: Storage, share: Fraction, spread: Fraction, once: Variant) -> Variant:
    return Variant(
        "owner_share_of_delivered",
        "near_miss",
        money(
            share * storage.delivered * spread * storage.days,
            "owner share x delivered x (prices sold at - prices bought at) x days",
            f"{rounded(share, 2)} x {rounded(storage.delivered, 0)} x {rounded(spread, 4)} x {storage.days}",
        ),
        (*once.uses, "owner_share"),
    )
