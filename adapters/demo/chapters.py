"""The demo's chapters in their order: four sites, then two portfolios, a trading week and a driven day in own
books."""

from __future__ import annotations

import time
from typing import Final, Literal, get_args

from rich.console import Console

from adapters.demo import (
    books,
    close,
    documents,
    driven_day,
    four_sites,
    markets,
    portfolios,
    trading_week,
    week_value,
)
from adapters.demo.driven_book import driven_book
from adapters.demo.portfolio_book import portfolio_book
from adapters.demo.trading_book import trading_book
from adapters.stack import Stack

Chapter = Literal[
    "found",
    "import",
    "settle",
    "statements",
    "verify",
    "portfolios",
    "markets",
    "close",
    "books",
    "documents",
    "trade",
    "value",
    "drive",
    "all",
]

_CHAPTERS: Final = get_args(Chapter)

_OF_PORTFOLIOS: Final = (
    ("portfolios", portfolios.tell),
    ("markets", markets.tell),
    ("close", close.tell),
    ("books", books.tell),
    ("documents", documents.tell),
)
"""A new chapter is one file with `tell`, its name above and its line here."""


def run_demo(stack: Stack, part: Chapter) -> None:
    """Run the chapters up to and with `part`; what was done before is recognised and not done again.

    Raises:
        Refused: a chapter could not be done.
    """
    began = time.monotonic()
    console = Console(highlight=False, soft_wrap=True)
    last = _CHAPTERS.index(part)
    for name, chapter in four_sites.chapters(stack, console):
        if _CHAPTERS.index(name) <= last:
            chapter()
    wanted = [(name, tell) for name, tell in _OF_PORTFOLIOS if _CHAPTERS.index(name) <= last]
    if wanted:
        with portfolio_book(stack, console) as book:
            for name, tell in wanted:
                started = time.monotonic()
                tell(book)
                console.print(f"  chapter {name}: {time.monotonic() - started:.1f} s")
    if _CHAPTERS.index("trade") <= last:
        started = time.monotonic()
        with trading_book(stack, console) as traded:
            trading_week.tell(traded)
            console.print(f"  chapter trade: {time.monotonic() - started:.1f} s")
            if _CHAPTERS.index("value") <= last:
                started = time.monotonic()
                week_value.tell(traded)
                console.print(f"  chapter value: {time.monotonic() - started:.1f} s")
    if _CHAPTERS.index("drive") <= last:
        started = time.monotonic()
        with driven_book(stack, console) as driven:
            driven_day.tell(driven)
        console.print(f"  chapter drive: {time.monotonic() - started:.1f} s")
    console.print(f"done in {time.monotonic() - began:.1f} s")
