"""What docs/reference-market.md shows is what the market takes and tells."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import msgspec

from adapters.reference_market.app import create_app
from adapters.reference_market.day_result import ParticipantResult
from adapters.reference_market.faults import Faults
from adapters.reference_market.offer import check, offer_of
from adapters.reference_market.offer_book import Receipt
from adapters.reference_market.offer_csv import offer_file
from adapters.reference_market.participant_routes import Calendar
from adapters.reference_market.result_files import BLOCK_COLUMNS, OUTCOMES, columns
from adapters.reference_market.trading_day import starts
from tests.adapters.reference_market.markets import DAY, PARAMETERS, ROOT, opened

PAGE = (ROOT / "docs/reference-market.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_in_json_are_what_they_say() -> None:
    shown, receipt, result = examples("json")
    offer = offer_of(shown.encode())
    check(offer, PARAMETERS, PARAMETERS.participants["alpha"], starts(PARAMETERS, DAY))
    assert list(json.loads(receipt)) == list(Receipt.__struct_fields__)
    msgspec.json.decode(receipt, type=Receipt)
    assert list(json.loads(result)["result"]) == list(ParticipantResult.__struct_fields__)
    msgspec.convert(json.loads(result)["result"], ParticipantResult)


def test_the_example_in_csv_is_taken() -> None:
    (shown,) = examples("csv")
    of_day = starts(PARAMETERS, DAY)
    offer = offer_file(shown.encode(), PARAMETERS, DAY, of_day, 1).offer
    check(offer, PARAMETERS, PARAMETERS.participants["alpha"], of_day)
    assert (len(offer.curves), len(offer.blocks)) == (1, 1)
    assert offer.blocks[0].intervals[1].start - offer.blocks[0].intervals[0].start == timedelta(hours=1)


def test_the_page_names_every_route_field_and_column(tmp_path: Path) -> None:
    market = opened(tmp_path)
    app = create_app(market, Faults(), None)
    market.close()
    for path in app.openapi_schema.paths or {}:
        shown = path.replace("{participant}", "{p}")
        assert f" {shown}" in PAGE or f"`{shown}" in PAGE, path
    for field in Calendar.__struct_fields__:
        assert f"`{field}`" in PAGE, field
    for column in (*columns(PARAMETERS), *BLOCK_COLUMNS, *OUTCOMES.values()):
        assert column in PAGE, column
