"""A market of real Shandong prices in a temporary folder, and offers to it."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from adapters import price_file
from adapters.reference_market.clock import SteppedClock
from adapters.reference_market.journal import Journal
from adapters.reference_market.market import Market
from adapters.reference_market.offer import IntervalCurve, Offer, Segment
from adapters.reference_market.offer_book import Place
from adapters.reference_market.parameters import Parameters, Participant, System
from adapters.reference_market.published_prices import PublishedPrices
from ledger.market_price import PriceSeries

ROOT = Path(__file__).parents[3]
SHANDONG = ROOT / "examples/prices/shandong_spot_2026.csv"
DAY = date(2026, 1, 26)
MW = 1_000_000
PARAMETERS = Parameters(
    {
        "alpha": Participant("alpha-token", 100 * MW, 100 * MW),
        "beta": Participant("beta-token", 100 * MW, 100 * MW),
    },
    system=System(depth_w=220 * MW, steps=11, slope_micro_per_kwh_per_mw=500),
)
"""A small zone: steps of 20 MW, each 10 CNY per MWh dearer than the last."""


def local(text: str) -> datetime:
    """An instant on Shandong's clocks."""
    return datetime.fromisoformat(f"{text}+08:00")


BEFORE_THE_GATE = local("2026-01-25T08:00")
PUBLISHED = local("2026-01-25T17:30")


@cache
def _series() -> tuple[PriceSeries, PriceSeries]:
    return price_file.parse(SHANDONG.read_bytes(), market="m", node="n", currency="CNY", interval_s=3600)


def shandong(parameters: Parameters = PARAMETERS) -> PublishedPrices:
    day_ahead, real_time = _series()
    return PublishedPrices(parameters, {"day_ahead": day_ahead, "real_time": real_time})


def opened(folder: Path, at: datetime = BEFORE_THE_GATE, parameters: Parameters = PARAMETERS) -> Market:
    """A market that goes on where the folder's journal ends; close it before opening another."""
    return Market(parameters, shandong(parameters), Journal(folder / "journal.jsonl"), SteppedClock(at))


def curve(hour: int, *segments: tuple[int, int, int], day: date = DAY) -> IntervalCurve:
    """Segments in MW and CNY per MWh."""
    start = local(f"{day}T{hour:02d}:00")
    return IntervalCurve(
        start, tuple(Segment(low * MW, high * MW, price * 1000) for low, high, price in segments)
    )


def offer(*curves: IntervalCurve, revision: int = 1, **more: Any) -> Offer:
    return Offer(revision, curves, **more)


def body(offer: Offer) -> bytes:
    return msgspec.json.encode(offer)


def at(participant: str = "alpha", product: Any = "day_ahead", day: date = DAY) -> Place:
    return Place(participant, product, day)
