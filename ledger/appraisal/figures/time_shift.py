"""T: photovoltaic energy kept for the sharp period (DOMAIN.md 1)."""

from __future__ import annotations

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure, Variant, money
from ledger.appraisal.finance import rounded

NAME = "time_shift"


def appraise(given: AssumptionSet) -> Figure:
    """As printed, and corrected for the storage's loss and for what the energy would have earned."""
    printed = given.figure(NAME)
    energy = given.value("time_shift_energy", "kWh/d")
    days = given.value("days", "d/year")
    price = given.value("price_sharp", "CNY/kWh")
    retention = given.value("time_shift_retention", "1")
    efficiency = given.value("efficiency", "1")
    feed_in = given.value("feed_in_price", "CNY/kWh")
    shifted = energy * days * retention
    uses = ("time_shift_energy", "days", "price_sharp", "time_shift_retention")
    corrected = money(
        shifted * (efficiency * price - feed_in),
        "energy x days x mean retention x (efficiency x price - feed-in price)",
        f"{rounded(shifted, 0)} x ({rounded(efficiency, 2)} x {rounded(price, 4)} - {rounded(feed_in, 4)})",
    )
    over = rounded((printed.exact / corrected.value - 1) * 100, 0)
    return Figure(
        printed,
        (
            Variant(
                "mid_year_retention",
                "reconstruction",
                money(
                    shifted * price,
                    "energy x days x mean retention x price",
                    f"{rounded(energy, 0)} x {days} x {rounded(retention, 2)} x {rounded(price, 4)}",
                ),
                uses,
            ),
            Variant(
                "net_of_loss_and_feed_in", "corrected", corrected, (*uses, "efficiency", "feed_in_price")
            ),
            Variant(
                "net_of_loss_curtailed",
                "corrected",
                money(
                    shifted * efficiency * price,
                    "energy x days x mean retention x efficiency x price; curtailed, it would have earned 0",
                    f"{rounded(shifted, 0)} x {rounded(efficiency, 2)} x {rounded(price, 4)}",
                ),
                (*uses, "efficiency"),
            ),
        ),
        notes=(
            "the days are those of arbitrage: the text does not repeat them here",
            f"printed without loss and without the feed-in price: {over} % above net_of_loss_and_feed_in",
        ),
    )
