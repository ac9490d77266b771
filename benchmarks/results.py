"""RESULTS.md: of each benchmark the table of its last run, with the machine that it was taken on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from benchmarks.figure import Figure

_TITLE: Final = """\
# Results of `make bench`

Of each benchmark its last whole run. Each ratio is the median of several rounds in which both sides ran in
turn; it varies by some ten percent between runs.
"""
_HEAD: Final = """\
| what | ours | peer or limit | which | unit | ratio or figure | wanted | met |
|---|---|---|---|---|---|---|---|"""
_JUDGED: Final = """\
Of the two ways to drive 64 writers the asynchronous one is judged, because the bare publisher is 64 tasks
on one event loop too; threads pay for crossing into that loop. One writer is judged through the blocking
recorder, as the program uses it. Each settled site is checked against the peer's own sums.
"""
_SECTION: Final = "\n## "


def section(where: str, figures: Iterable[Figure]) -> str:
    """What is kept of one benchmark."""
    return "\n".join((where, "", _HEAD, *map(row, figures))) + "\n"


def sections(page: str) -> dict[str, str]:
    """By benchmark what a page has kept.

    >>> kept = {"append": section("here", []), "desk": section("there", [])}
    >>> sections(page_of(kept, ("desk", "append"))) == kept
    True
    """
    _, *found = page.removesuffix(f"\n{_JUDGED}").split(_SECTION)
    named = (one.partition("\n\n") for one in found)
    return {name: content for name, _, content in named}


def page_of(kept: Mapping[str, str], order: Iterable[str]) -> str:
    """The page; benchmarks that are no more fall away."""
    found = (f"{_SECTION}{name}\n\n{kept[name]}" for name in order if name in kept)
    return f"{_TITLE}{''.join(found)}\n{_JUDGED}"


def row(figure: Figure) -> str:
    """A Markdown row."""
    peer = "" if figure.peer is None else _amount(figure.peer)
    value = f"{figure.value:.2f}" if figure.peer is not None else _amount(figure.value)
    wanted = "" if figure.wanted is None else f"{figure.wanted:,}"
    return (
        f"| {figure.what} | {_amount(figure.ours)} | {peer} | {figure.peer_name} | {figure.unit}"
        f" | {value} | {wanted} | {figure.met} |"
    )


def _amount(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 or figure == int(figure) else f"{figure:.2f}"
