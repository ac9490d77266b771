"""A participant's result as files: CSV, which counts, and a workbook to look at."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from adapters.documents.spreadsheet import Number, Spreadsheet
from adapters.reference_market.clearing import Outcome
from adapters.reference_market.day_result import ParticipantResult
from adapters.reference_market.parameters import Parameters, Product
from ledger.interval import zone_of
from ledger.quantity import decimal_text

_MW_SCALE: Final = 6
_MWH_SCALE: Final = 3

PRODUCTS: Final[dict[Product, str]] = {"day_ahead": "日前", "real_time": "实时"}
OUTCOMES: Final[dict[Outcome, str]] = {
    "accepted": "中标",
    "out_of_the_money": "未中标",
    "paradoxically_rejected": "价内未中标",
}


def columns(parameters: Parameters) -> tuple[str, ...]:
    """The header of a result."""
    price = f"出清价格{parameters.price_unit}"
    return (
        *("交易日", "市场", "节点", "品种", "版次", "发布时间", "申报版本"),
        *("时段", "开始时间", price, "中标出力MW"),
    )


BLOCK_COLUMNS: Final = ("交易日", "品种", "版次", "块号", "结果")


def result_csv(result: ParticipantResult, parameters: Parameters) -> bytes:
    """Each interval a row, in the parameters' encoding, lines ending with LF."""
    return _csv(columns(parameters), _rows(result, zone_of(parameters.zone)), parameters)


def blocks_csv(result: ParticipantResult, parameters: Parameters) -> bytes:
    """Each of the participant's blocks a row."""
    rows = [
        (str(result.day), PRODUCTS[result.product], str(result.run), block.id, OUTCOMES[block.outcome])
        for block in result.blocks
    ]
    return _csv(BLOCK_COLUMNS, rows, parameters)


def result_xlsx(result: ParticipantResult, parameters: Parameters) -> bytes:
    """The rows of the CSV; prices and power as numbers, which a spreadsheet keeps as doubles."""
    book = Spreadsheet(
        title=f"{result.market} {result.product} {result.day}",
        author=result.market,
        currency=result.currency,
        made_at=result.published_at,
    )
    sheet = book.sheet(PRODUCTS[result.product], [14] * len(columns(parameters)))
    sheet.head(*columns(parameters))
    for *texts, price, power in _rows(result, zone_of(parameters.zone)):
        sheet.add(*texts, Number(Fraction(price)), Number(Fraction(power)))
    if result.blocks:
        blocks = book.sheet("块", [14] * len(BLOCK_COLUMNS))
        blocks.head(*BLOCK_COLUMNS)
        for block in result.blocks:
            of = (str(result.day), PRODUCTS[result.product], str(result.run))
            blocks.add(*of, block.id, OUTCOMES[block.outcome])
    return book.data()


def table(header: Sequence[str], rows: Iterable[Sequence[str]], encoding: str) -> bytes:
    """A CSV of text cells."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]], parameters: Parameters) -> bytes:
    return table(header, rows, parameters.encoding)


def _rows(result: ParticipantResult, zone: ZoneInfo) -> list[tuple[str, ...]]:
    revision = "" if result.offer_revision is None else str(result.offer_revision)
    return [
        (
            str(result.day),
            result.market,
            result.node,
            PRODUCTS[result.product],
            str(result.run),
            result.published_at.astimezone(zone).isoformat(),
            revision,
            str(number),
            award.start.astimezone(zone).isoformat(),
            decimal_text(award.price_micro_per_kwh, _MWH_SCALE),
            decimal_text(award.award_w, _MW_SCALE),
        )
        for number, award in enumerate(result.intervals, 1)
    ]
