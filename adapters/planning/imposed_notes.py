"""What is imposed on a site as its plan is made, for its notes: how much, by whom, until when, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from adapters.integrity import proven_events
from adapters.mapper import EnvelopeMapper
from adapters.planning.known_sites import KnownSite
from adapters.planning.portfolio import Horizon
from adapters.planning.site_limits import limiting
from adapters.postgres.database import Connection
from adapters.queries.registered import Recorded
from dispatch.planning.imposed_limit import ImposedLimit

_WHAT: Final = {
    "charge_w": "charging",
    "discharge_w": "discharging",
    "import_w": "import",
    "export_w": "export",
}


def imposed_notes(
    connection: Connection, site: KnownSite, horizon: Horizon, now: datetime | None
) -> Iterator[str]:
    """A note for each limit that is below the site's terms within the horizon.

    Raises:
        Discontinuity: an envelope that is read was changed.
    """
    held = limiting(site, horizon, now)
    for one, proven in zip(held, proven_events.at(connection, [one.sequence for one in held]), strict=True):
        by = EnvelopeMapper().to_envelope(proven.header.topic, proven.state).actor
        yield f"{site.site.id}: {_limits(one, site)} by {by}{_until(one)}: {one.document.reason}"


def _limits(one: Recorded[ImposedLimit], site: KnownSite) -> str:
    lowered = [
        f"{what} to {limit} W"
        for field, what in _WHAT.items()
        if (limit := getattr(one.document, field)) is not None and limit < getattr(site.terms.document, field)
    ]
    return f"limited in {' and '.join(lowered)}"


def _until(one: Recorded[ImposedLimit]) -> str:
    end = None if one.period is None else one.period.end
    return " until it is lifted" if end is None else f" until {end:%Y-%m-%dT%H:%M}Z"
