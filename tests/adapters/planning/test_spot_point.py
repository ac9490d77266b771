"""A plan trades at the prices of its sites' point: by the stage of the product, whatever that is called, and
by the market of the point."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec import structs

from dispatch.forecasts.forecast import Forecast, MemberShare, Subject
from dispatch.forecasts.issued import IssueForecast
from ledger.site import MarketPoint, RegisterSite
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY_AHEAD, market
from tests.adapters.planning.plan_book import DAY, MIDNIGHT, NOON_BEFORE, planner
from tests.adapters.planning.test_peaks_and_streams import SPOT, _site, _trading
from trading.published_market import PublishMarket


def _forecast(bench: Bench, name: str) -> None:
    made = Forecast(
        subject=Subject("price", name), unit="micro_per_kwh", currency="CNY", model="by hand",
        members=(MemberShare("by_hand", 1000, None),), features="", trained_through=1,
        issued_at=NOON_BEFORE - timedelta(hours=3), zone="Asia/Shanghai", interval_s=3600, start=MIDNIGHT,
        expected=(100_000,) * 18 + (3_000_000,) * 4 + (100_000,) * 2, quantiles=(), scores=None, drift=None,
        cold_start="",
    )  # fmt: skip
    bench.door.execute(IssueForecast(made), command_id=f"price-{name}", actor="model")


@pytest.mark.parametrize("point", [MarketPoint("shandong", "n1"), MarketPoint("coupled", "zone1")])
def test_spot_is_planned_at_the_prices_of_the_sites_point(bench: Bench, point: MarketPoint) -> None:
    _trading(bench, SPOT)
    named = market(structs.replace(DAY_AHEAD, id="da"))
    bench.door.execute(PublishMarket(sample.FROM_2026, named), command_id="named", actor="ada")
    there = structs.replace(_site(bench), market_point=point)
    bench.door.execute(RegisterSite(sample.FROM_2026, there), command_id="there", actor="ada")
    bench.now = NOON_BEFORE - timedelta(hours=2)
    subject = f"{point.market}:{point.node}:day_ahead"
    with planner(bench) as (one, _):
        (why,) = one.plan("vpp", DAY, trigger="day_ahead").head.streams_left_out
        assert f"wattledger forecast price:{subject} {DAY} (forecast_missing)" in why
        _forecast(bench, subject)
        head = one.plan("vpp", DAY, trigger="day_ahead").head
    told = f"forecast.price_{subject.replace(':', '_')} v1"
    assert head.streams == (f"spot: 1 of 1 sites, at the prices of {told}",)
