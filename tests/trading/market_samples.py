"""Products, markets and bids to write tests with."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from ledger.effective import Period, extended
from ledger.party import Party
from trading.bid import Bid, Block, Curve
from trading.market_file import parse
from trading.moment import DayMoment
from trading.product import Market, Product

EXAMPLES = Path(__file__).parents[2] / "examples/markets"
DAY = date(2026, 9, 1)

PRODUCT = Product(
    id="da",
    title="Day-ahead energy",
    kind="energy",
    stage="day_ahead",
    interval_s=900,
    direction="both",
    price_unit="MWh",
    price_floor="-80",
    price_cap="1300",
    price_tick="0.1",
    lot_w=1000,
    quantity_min_w=10_000,
    quantity_max_w=20_000_000,
    segments_max=10,
    gate_opens=DayMoment(days_before=1, at="08:00"),
    gate_closes=DayMoment(days_before=1, at="11:00"),
    published=DayMoment(days_before=1, at="17:30"),
    query_working_days=15,
    energy_check="schedule",
    blocks_max=4,
    exclusive_groups=True,
    linked_blocks=True,
)


def product(**changes: Any) -> Product:
    return msgspec.structs.replace(PRODUCT, **changes)


def market(*products: Product, **changes: Any) -> Market:
    terms: dict[str, Any] = {
        "id": "m1",
        "title": "A market",
        "source": "made up",
        "zone": "Asia/Shanghai",
        "calendar": "CN",
        "currency": "CNY",
        "operator": "op",
        "gateway": "file",
        "products": products or (PRODUCT,),
    }
    return Market(**(terms | changes))


def operated(one: Market) -> dict[str, object]:
    """The market's operator as it is registered."""
    since = Period(datetime(2026, 1, 1, tzinfo=UTC))
    return {f"party.{one.operator}": extended(None, since, Party(one.operator, one.operator))}


def berlin(*products: Product) -> Market:
    return market(*products, zone="Europe/Berlin", calendar="none", currency="EUR")


def bid(curves: tuple[Curve, ...], **changes: Any) -> Bid:
    terms: dict[str, Any] = {
        "id": "b1",
        "unit": "vpp",
        "market": "m1",
        "product": "da",
        "day": DAY,
        "curves": curves,
    }
    return Bid(**(terms | changes))


def day_of(curve: Curve, *, count: int = 96, at: int = 0) -> tuple[Curve, ...]:
    """A day with one curve in the interval `at`, and nothing in the others."""
    return tuple(curve if number == at else () for number in range(count))


def block(name: str = "k1", **changes: Any) -> Block:
    return Block(**({"id": name, "first": 40, "profile_w": (50_000,) * 4, "price_u": 300_000} | changes))


def example(name: str) -> Market:
    return parse((EXAMPLES / f"{name}.toml").read_bytes())
