"""The demo's markets can be published: their operators are parties of its books."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import portfolio_file
from trading import market_file

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    ("book", "market"),
    [
        ("demo/trading/portfolio.toml", "markets/shandong_spot_hourly.toml"),
        ("demo/drive/portfolio.toml", "demo/drive/market.toml"),
    ],
)
def test_its_operator_is_a_party_of_the_book(book: str, market: str) -> None:
    parties = {one.id for one in portfolio_file.parse((EXAMPLES / book).read_bytes()).parties}
    assert market_file.parse((EXAMPLES / market).read_bytes()).operator in parties
