"""Typesetting by Typst: our templates, words and numbers as data, fonts from their package, no network.

The same data and instant give the same bytes on any machine with the same typst. Words never become
markup: they reach the template as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self

import msgspec
import pylopdf_fonts_zh_cn
import typst

from ledger.interval import Instant

Template = Literal["statement", "revenue"]

_FOLDER: Final = Path(__file__).parent
_STANDARD: Final = "a-2b"
"""PDF/A-2b, for archives: everything that shows the page is in the file."""


class Page(NamedTuple):
    """What a template is filled with, and the instant that the file says it was made at."""

    template: Template
    data: Mapping[str, object]
    made_at: Instant


def typeset(page: Page) -> bytes:
    """One PDF."""
    compiler = typst.Compiler(font_paths=_fonts(), ignore_system_fonts=True)
    pdf = compiler.compile(
        input=_source(page.template),
        sys_inputs={"data": msgspec.json.encode(page.data).decode()},
        format="pdf",
        pdf_standards=_STANDARD,
        timestamp=_whole_seconds(page.made_at),
    )
    assert isinstance(pdf, bytes), "typst gives a PDF as one piece"
    return pdf


class Typesetters:
    """Processes that typeset side by side; `with Typesetters() as many:` ends them.

    They are spawned: typst hangs in a fork of a process that used it. Threads would wait for each other at
    typst's one cache, although it works outside Python's lock. A process takes about a second to come up,
    so for a handful of files `typeset` is quicker.
    """

    def __init__(self, workers: int = 2) -> None:
        self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def typeset(self, pages: Iterable[Page]) -> list[bytes]:
        """One PDF a page, in their order."""
        return list(self._pool.map(typeset, pages, chunksize=_CHUNK))


_CHUNK: Final = 4


@cache
def _fonts() -> typst.Fonts:
    folder = str(pylopdf_fonts_zh_cn.sans_path().parent)
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder])


@cache
def _source(template: Template) -> bytes:
    return b"".join((_FOLDER / f"{name}.typ").read_bytes() for name in ("sheet", template))


def _whole_seconds(instant: datetime) -> int:
    return int(instant.timestamp())
