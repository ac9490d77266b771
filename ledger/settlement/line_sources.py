"""Which of a site's sources a stream's line rests on: all but those that it cannot come from.

Kept for every line: tariff and site, the opening stock, readings of energy (the matrix compares what every
stream claims of the storage, on whatever day), and what markets told with its rules (a claim of one stream
decides what another is granted, and leaves the bill's streams what is left). Left out: published prices,
which are read where what is earned at spot and under AGC is valued (DOMAIN.md 3.5 and 3.6) and nowhere else;
and reactive energy, which is read for the power factor's adjustment alone (DOMAIN.md 3.3) and for the rest of
the bill effect. The estimated share that a line shows counts every register, so that where something was
estimated reactive energy is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.readings import REACTIVE
from ledger.settlement.line import Source
from ledger.stream import Stream

_REACTIVE: Final = tuple(f"/{register}" for register in sorted(REACTIVE))
"""How the readings of reactive energy end, and nothing else: no other source has a slash in its name."""
_PRICED: Final[frozenset[Stream]] = frozenset({"spot", "ancillary"})
_WITH_REACTIVE: Final[frozenset[Stream]] = frozenset({"power_factor", "interaction"})


def line_sources(
    stream: Stream, sources: Sequence[Source], first: int, *, estimated: bool
) -> tuple[int, ...]:
    """The positions of those of a site's `sources` that a line of `stream` rests on; the first of them has
    `first`. `estimated`: whether any of the site's readings was estimated or substituted."""
    priced = stream in _PRICED
    with_reactive = estimated or stream in _WITH_REACTIVE
    return tuple(
        number
        for number, one in enumerate(sources, first)
        if (priced or not one.aggregate.startswith("prices."))
        and (with_reactive or not one.aggregate.endswith(_REACTIVE))
    )
