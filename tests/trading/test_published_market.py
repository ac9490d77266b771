"""Markets as facts: versions in time, and what the next version may not change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import msgspec
import pytest

from ledger.effective import History, Period
from ledger.refusal import Refused
from tests.test_lists import tag_of
from tests.trading.market_samples import market, operated, product
from trading.events import TradingEvent
from trading.product import Market, market_at
from trading.published_market import MarketPublished, PublishMarket


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def published(*versions: tuple[Period, Market]) -> History[Market]:
    state: History[Market] | None = None
    for period, one in versions:
        for event in PublishMarket(period, one).decide(state, operated(one)):
            state = event.apply(state)
    assert state is not None
    return state


FIRST, SECOND = market(product(price_cap="1300")), market(product(price_cap="1500"))


def test_a_later_version_holds_where_two_overlap() -> None:
    state = published((Period(at("2026-01-01")), FIRST), (Period(at("2026-07-01"), at("2026-10-01")), SECOND))
    caps = {
        day: market_at(state, at(day)).product("da").price_cap
        for day in ("2026-01-01", "2026-06-30", "2026-07-01", "2026-09-30", "2026-10-01")
    }
    assert list(caps.values()) == ["1300", "1300", "1500", "1500", "1300"]


def test_before_the_first_version_nothing_is_in_force() -> None:
    state = published((Period(at("2026-07-01"), at("2026-10-01")), FIRST))
    for day in ("2026-06-30", "2026-10-01"):
        with pytest.raises(Refused) as caught:
            market_at(state, at(day))
        assert (caught.value.code, caught.value.place) == ("market_gap", "market")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (market(zone="Asia/Hong_Kong", calendar="none"), "zone"),
        (market(currency="USD"), "currency"),
    ],
)
def test_a_next_version_keeps_zone_and_currency(changed: Market, code: str) -> None:
    state = published((Period(at("2026-01-01")), market()))
    with pytest.raises(Refused) as caught:
        PublishMarket(Period(at("2027-01-01")), changed).decide(state, operated(changed))
    assert (caught.value.code, caught.value.place) == (code, code)
    assert PublishMarket(Period(at("2027-01-01")), changed).decide(None, operated(changed))


@pytest.mark.parametrize("others", [{}, {"party.op": None}, operated(market(operator="other"))])
def test_the_operator_is_a_registered_party(others: dict[str, object]) -> None:
    """Of the first version and of a next one."""
    for state in (None, published((Period(at("2026-01-01")), FIRST))):
        with pytest.raises(Refused) as caught:
            PublishMarket(Period(at("2027-01-01")), SECOND).decide(state, others)
        assert (caught.value.code, caught.value.place) == ("unknown_party", "operator")


def test_the_event_is_stored_whole() -> None:
    """Its name, its aggregate, and the same bytes again."""
    command = PublishMarket(Period(at("2026-01-01")), FIRST)
    assert command.aggregate == "market.m1"
    assert command.reads == ("party.op",)
    (event,) = command.decide(None, operated(FIRST))
    assert tag_of(MarketPublished) == "market.published.v1"
    stored = msgspec.json.encode(event)
    again = msgspec.json.decode(stored, type=MarketPublished)
    assert again == event
    assert msgspec.json.encode(again) == stored


def test_it_is_an_event_of_trading() -> None:
    assert MarketPublished in (get_args(TradingEvent) or (TradingEvent,))
