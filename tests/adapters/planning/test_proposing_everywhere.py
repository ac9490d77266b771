"""Every energy product of the example markets: the forecast that a proposal asks for can be made, and then a
bid is proposed; also where prices are told under another name than the market that is bid at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from adapters.desk.desk import Desk
from ledger.allocation.spot import SpotTerms
from ledger.effective import Period
from ledger.market_price import PriceBlock, PriceSeries
from ledger.market_price import Product as PriceKind
from ledger.recorded_price import RecordPrices, blocks_of
from ledger.refusal import Refused
from ledger.site import MarketPoint, RegisterSite
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY, ENVELOPE, furnish
from tests.adapters.http.conftest import Api
from tests.trading.market_samples import EXAMPLES, example
from trading.envelope import StateEnvelope
from trading.product import Market, Product
from trading.published_market import PublishMarket

MARKETS = [example(path.stem) for path in sorted(EXAMPLES.glob("*.toml"))]
ENERGY = [(market, product) for market in MARKETS for product in market.products if product.kind == "energy"]
FIRST = datetime(2026, 8, 11, 16, tzinfo=UTC)
DAYS = 21
NODE = "n1"


@pytest.fixture
def desk(bench: Bench) -> Desk:
    return furnish(bench)


@pytest.fixture
def run(desk: Desk, bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    assert desk.door is bench.door
    api = Api(bench)
    yield terminal_of(bench, capsys)
    api.close()


def trading(bench: Bench, market: Market, point: MarketPoint | None) -> str:
    """The market, and a unit of one site that trades there and is priced at `point`."""
    unit, site = f"U-{market.id}", f"T-{market.id}"
    made = sample.register_site(site)
    told = structs.replace(made.site, market_point=point)
    commands: tuple[Any, ...] = (
        sample.register_party(market.operator),
        PublishMarket(sample.FROM_2026, market),
        RegisterSite(sample.FROM_2026, told),
        RegisterTradingUnit(
            sample.FROM_2026,
            TradingUnit(
                id=unit, name=unit, market=market.id, unit_code=unit, operator="operator", zone=market.zone,
                members=(Member(site=site, capability_w=2_000_000),),
                terms=(SpotTerms(netting_benefit="pool", rounding_max="1"),), rounding_max="1",
            ),
        ),
        StateEnvelope(unit, Period(datetime(2026, 8, 1, tzinfo=UTC)), ENVELOPE),
    )  # fmt: skip
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"{unit}-{number}", actor="anna")
    return unit


def told_prices(bench: Bench, name: str, market: Market, product: Product) -> None:
    """Cheap at night and dear in the evening, each day a little else."""
    each = 3600 // product.interval_s
    hours = np.array([20] * 6 + [45] * 11 + [95] * 4 + [40] * 3)
    day = np.repeat(hours, each)
    values = np.concatenate([day * (100 + number % 5) for number in range(DAYS)]).astype(np.int64)
    kind: PriceKind = "day_ahead" if product.stage == "day_ahead" else "real_time"
    block = PriceBlock(FIRST, values * 10, 6)
    series = PriceSeries(name, NODE, kind, product.interval_s, market.currency, (block,))
    for number, one in enumerate(blocks_of(series, "a test")):
        bench.door.execute(RecordPrices(one), command_id=f"{name}-{kind}-{number}", actor="anna")


def proposed(run: Terminal, unit: str, market: Market, product: Product) -> str:
    """What is proposed after the very command was typed that the refusal names."""
    propose = ("bid", "propose", unit, market.id, product.id, f"{DAY}", "--as", "anna", "--show")
    with pytest.raises(Refused) as found:
        run(*propose)
    assert found.value.code == "forecast_missing"
    hinted = re.search(r"wattledger (forecast price:\S+ [\d-]+(?: --days \d)?)$", found.value.reason)
    assert hinted is not None, found.value.reason
    run(*hinted[1].split())
    return run(*propose)


@pytest.mark.parametrize(("market", "product"), ENERGY, ids=[f"{m.id}-{p.id}" for m, p in ENERGY])
def test_the_command_of_the_refusal_leads_to_a_proposal(
    run: Terminal, bench: Bench, market: Market, product: Product
) -> None:
    unit = trading(bench, market, MarketPoint(market.id, NODE))
    told_prices(bench, market.id, market, product)
    assert " W at " in proposed(run, unit, market, product)


def test_prices_of_another_name_are_those_of_the_sites_point(run: Terminal, bench: Bench) -> None:
    """The book's days are China's, the market's Germany's: a delivery day lies in two of the forecast's."""
    market = example("germany_day_ahead")
    unit = trading(bench, market, MarketPoint("coupled", NODE))
    told_prices(bench, "coupled", market, market.products[0])
    told_prices(bench, market.id, market, market.products[0])
    run("forecast", f"price:{market.id}:{NODE}:day_ahead", f"{DAY}")
    assert " W at " in proposed(run, unit, market, market.products[0])


def test_what_is_cleared_between_day_ahead_and_real_time_has_no_series(run: Terminal, bench: Bench) -> None:
    market = example("guangdong_spot")
    product = structs.replace(market.products[0], stage="intraday")
    unit = trading(bench, structs.replace(market, products=(product,)), None)
    with pytest.raises(Refused, match="day_ahead or real_time") as found:
        run("bid", "propose", unit, market.id, product.id, f"{DAY}", "--as", "anna", "--show")
    assert found.value.code == "proposal_product"
