"""What a person should look at of a site; what is said of several sites is said once."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ledger.clauses.flow import Notice, NoticeCode


class SiteNotice(msgspec.Struct, frozen=True):
    """A notice of one site; `message` does not name it."""

    code: NoticeCode
    message: str


def by_message(found: Iterable[tuple[str, SiteNotice]]) -> tuple[Notice, ...]:
    """A notice for each code and message, with the sites that it is about, in the order of the first of each.

    >>> same = SiteNotice("missing_stream", "no grid meter")
    >>> [one.message for one in by_message([("S1", same), ("S2", same)])]
    ['sites S1, S2: no grid meter']
    """
    sites: dict[SiteNotice, list[str]] = {}
    for site, notice in found:
        of = sites.setdefault(notice, [])
        if site not in of:
            of.append(site)
    return tuple(
        Notice(one.code, f"{'site' if len(of) == 1 else 'sites'} {', '.join(of)}: {one.message}")
        for one, of in sites.items()
    )
