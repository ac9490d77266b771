"""The links of events, found from either end, as of a position.

Each query looks from one end only, so that a link that one of them misses fails the walk there and back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from psycopg.types.multirange import Multirange

from adapters.integrity import link_seals
from adapters.links import FOLLOWS, KNOWN_AS, LINKS, NAMES
from adapters.postgres.database import Connection
from adapters.queries.story.entry import Link, More

SHOWN: Final = 20
"""Links of one kind that an entry shows; the story of the event itself shows all."""

_BACK: Final = {kind.name: kind.back for kind in LINKS}
_NAMES: Final = (*FOLLOWS, *_BACK, *_BACK.values())

_TO_EVENTS: Final = (
    "SELECT l.sequence, l.link, l.sequences FROM ledger.link AS l"
    " WHERE l.sequence = ANY(%(events)s) AND l.link = ANY(%(told)s) AND l.sequences IS NOT NULL"
)
_TO_KNOWN: Final = (
    "SELECT l.sequence, l.link, m.sequence FROM ledger.link AS l"
    " JOIN ledger.link AS m ON m.thing = l.thing AND m.link = %(is)s"
    " WHERE l.sequence = ANY(%(events)s) AND l.link = ANY(%(told)s) AND l.sequences IS NULL"
    " AND m.sequence <= %(at)s"
)
_TO_VERSION: Final = (
    "SELECT l.sequence, l.link, e.sequence FROM ledger.link AS l"
    " CROSS JOIN LATERAL (SELECT sequence FROM ledger.envelope WHERE aggregate = l.thing"
    " AND sequence < l.sequence ORDER BY version DESC LIMIT 1) AS e"
    " WHERE l.sequence = ANY(%(events)s) AND l.link = ANY(%(told)s) AND l.sequences IS NULL"
)
_FROM_EVENTS: Final = (
    "WITH known AS (SELECT sequence, aggregate AS thing FROM ledger.envelope WHERE sequence = ANY(%(events)s)"
    " UNION SELECT sequence, thing FROM ledger.link WHERE sequence = ANY(%(events)s)"
    " AND link IN (%(is)s, %(names)s))"
    " SELECT k.sequence, l.link, l.sequence FROM known AS k"
    " JOIN ledger.link AS l ON l.thing = k.thing AND l.link = ANY(%(told)s)"
    " WHERE l.sequences @> k.sequence AND l.sequence <= %(at)s"
)
_FROM_KNOWN: Final = (
    "SELECT m.sequence, l.link, l.sequence FROM ledger.link AS m"
    " JOIN ledger.link AS l ON l.thing = m.thing AND l.link = ANY(%(told)s) AND l.sequences IS NULL"
    " WHERE m.sequence = ANY(%(events)s) AND m.link = %(is)s AND l.sequence <= %(at)s"
)
_FROM_VERSION: Final = (
    "SELECT e.sequence, l.link, l.sequence FROM ledger.envelope AS e"
    " LEFT JOIN ledger.envelope AS n ON n.aggregate = e.aggregate AND n.version = e.version + 1"
    " JOIN ledger.link AS l ON l.thing = e.aggregate AND l.link = ANY(%(told)s) AND l.sequences IS NULL"
    " AND l.sequence > e.sequence AND l.sequence <= least(%(at)s, coalesce(n.sequence, %(at)s))"
    " WHERE e.sequence = ANY(%(events)s)"
)
_VERSIONS: Final = (
    "SELECT e.sequence, p.sequence, n.sequence FROM ledger.envelope AS e"
    " LEFT JOIN ledger.envelope AS p ON p.aggregate = e.aggregate AND p.version = e.version - 1"
    " LEFT JOIN ledger.envelope AS n ON n.aggregate = e.aggregate AND n.version = e.version + 1"
    " AND n.sequence <= %(at)s WHERE e.sequence = ANY(%(events)s)"
)


class Linked:
    """Links by event; `more` counts those of a kind that are not shown."""

    def __init__(self) -> None:
        self._found: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._counted: dict[tuple[int, str], int] = defaultdict(int)

    def add(self, event: int, link: str, other: int, shown: int | None) -> None:
        kept = self._found[event][link]
        if shown is None or len(kept) < shown:
            kept.append(other)
        else:
            self._counted[event, link] += 1

    def add_ranges(self, event: int, link: str, ranges: Multirange[int], shown: int | None) -> None:
        for one in ranges:
            assert one.lower is not None
            assert one.upper is not None
            room = one.upper - one.lower
            kept = self._found[event][link]
            taken = room if shown is None else min(room, max(0, shown - len(kept)))
            kept += range(one.lower, one.lower + taken)
            if room > taken:
                self._counted[event, link] += room - taken

    def links(self, event: int) -> tuple[Link, ...]:
        found = [Link(link, other) for link, others in self._found[event].items() for other in set(others)]
        return tuple(sorted(found, key=lambda one: (one.sequence, one.link)))

    def others(self) -> set[int]:
        """Every event at the other end of any link."""
        return {other for found in self._found.values() for others in found.values() for other in others}

    def more(self, event: int) -> tuple[More, ...]:
        return tuple(
            More(link, self._counted[event, link]) for link in _NAMES if (event, link) in self._counted
        )


def links_of(
    connection: Connection,
    position: int,
    events: Collection[int],
    *,
    shown: int | None = SHOWN,
    only: Collection[str] = _NAMES,
) -> Linked:
    """The links of `events` to events up to `position`, in both directions; `only` of these names.

    Raises:
        Discontinuity: `row_altered` where the rows of links are not those that were projected.
    """
    linked = Linked()
    if not events:
        return linked
    asked = {"events": list(events), "at": position, "is": KNOWN_AS, "names": NAMES}
    leading = [name for name in _BACK if name in only]
    led_here = [name for name, other in _BACK.items() if other in only]
    link_seals.check_events(connection, events, forth=leading, back=led_here)
    forth, back = {**asked, "told": leading}, {**asked, "told": led_here}
    if leading:
        for event, link, ranges in connection.execute(_TO_EVENTS, forth):
            linked.add_ranges(event, link, ranges, shown)
        for query in (_TO_KNOWN, _TO_VERSION):
            for event, link, other in connection.execute(f"{query} ORDER BY 1, 3", forth):
                linked.add(event, link, other, shown)
    if led_here:
        for query in (_FROM_EVENTS, _FROM_KNOWN, _FROM_VERSION):
            for event, link, other in connection.execute(f"{query} ORDER BY 1, 3", back):
                linked.add(event, _BACK[link], other, shown)
    if not set(FOLLOWS).isdisjoint(only):
        for event, before, after in connection.execute(_VERSIONS, asked):
            for name, other in zip(FOLLOWS, (before, after), strict=True):
                if other is not None and name in only:
                    linked.add(event, name, other, shown)
    return linked


def back_of(link: str) -> str:
    """The name of the same link from its other end."""
    both = {**_BACK, FOLLOWS[0]: FOLLOWS[1]}
    return both[link] if link in both else next(name for name, back in both.items() if back == link)


def followed(connection: Connection, position: int, events: Collection[int], *links: str) -> set[int]:
    """The events at the other end of these kinds of links, by either of their names."""
    unknown = set(links) - set(_NAMES)
    assert not unknown, f"{unknown} are no links"
    return links_of(connection, position, events, shown=None, only=links).others()
