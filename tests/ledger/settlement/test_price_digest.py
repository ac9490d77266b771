"""The digest of published prices is of every site's, however many sites share them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec
import numpy as np

from ledger.interval import Interval, zone_of
from ledger.market_price import PriceBlock, PriceSeries
from ledger.settlement.inputs import Inputs, tariff_digest
from ledger.settlement.markets.month import SpotPricesOf, nothing_told
from tests.ledger.settlement.test_behind_the_meter import AUGUST, TARIFF
from tests.ledger.settlement.test_inputs import inputs

_WHOLE = AUGUST.interval(zone_of("Asia/Shanghai"))
_encode = msgspec.json.Encoder(order="deterministic").encode


def spot(first: int) -> SpotPricesOf:
    block = PriceBlock(datetime(2026, 8, 1, tzinfo=UTC), np.arange(first, first + 96, dtype=np.int64), 6)
    series = PriceSeries("m", "n", "real_time", 900, "CNY", (block,))
    return SpotPricesOf(series, series, None)


def under(*prices: SpotPricesOf | None, settled: Interval = _WHOLE) -> Inputs:
    made = inputs(np.zeros(2976, dtype=np.int64), load=True)
    market = nothing_told(settled)
    return made._replace(
        sites=tuple(made.sites[0]._replace(market=market._replace(spot=one)) for one in prices)
    )


def test_each_site_has_its_prices_in_the_digest() -> None:
    shared, other = spot(0), spot(500)
    made = under(shared, other, shared, None)
    market_less = made.sites[0]._replace(market=None)
    made = made._replace(sites=(*made.sites, market_less))
    tariff = tariff_digest(TARIFF, (AUGUST,))
    whole = [[tariff, None if one.market is None else one.market.prices()] for one in made.sites]
    assert made.digests(claimed=False)["price"] == hashlib.sha256(_encode(whole)).hexdigest()


def test_equal_prices_that_are_not_shared_are_the_same_digest() -> None:
    shared = spot(0)
    apart, together = under(spot(0), spot(0)), under(shared, shared)
    assert apart.digests(claimed=False)["price"] == together.digests(claimed=False)["price"]
    assert under(shared, spot(1)).digests(claimed=False)["price"] != together.digests(claimed=False)["price"]
