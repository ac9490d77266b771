"""What drivers saw stored at sites, brought to the instant at which a plan begins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from adapters.integrity.registered_rows import Read, check_read
from adapters.planning import registers
from adapters.postgres.database import Connection
from adapters.queries.recorded_plans import RecordedPlan
from dispatch.planning.storage_terms import StorageTerms
from dispatch.planning.stored_seen import StoredSeen, stored_aggregate

OLD: Final = timedelta(minutes=20)
"""What was seen longer before the start, or after it, says less than the plan that leads up to it."""
_PPM: Final = 1_000_000
_S_PER_HOUR: Final = 3600


class Seen(NamedTuple):
    """`name` is its event's, as a plan rests on it."""

    name: str
    stored: StoredSeen


def seen_at(connection: Connection, position: int, sites: Sequence[str], start: datetime) -> dict[str, Seen]:
    """By site the newest that was seen near `start`, of those where something was.

    Raises:
        Discontinuity: a row that is read was changed.
    """
    days = {(start - OLD).astimezone(UTC).date(), (start + OLD).astimezone(UTC).date()}
    names = {stored_aggregate(site, day).partition(".")[2]: site for site in sites for day in sorted(days)}
    register = registers.of(connection, "stored", StoredSeen, position, tuple(names))
    found: dict[str, Seen] = {}
    read: set[str] = set()
    for name, versions in register.versions.items():
        if name not in names:
            continue
        read.add(f"stored.{name}")
        newest = versions[-1]
        before = found.get(names[name])
        near = abs(newest.document.at - start) <= OLD
        if near and (before is None or before.stored.at < newest.document.at):
            found[names[name]] = Seen(f"stored.{name} v{newest.version}", newest.document)
    if read:
        check_read(connection, Read(frozenset(read), frozenset()), position)
    return found


def stored_at(
    seen: StoredSeen,
    start: datetime,
    plan: RecordedPlan | None,
    site: str,
    terms: StorageTerms,
    most_wh: int,
) -> int:
    """Wh at `start`: what was seen, with what the plan moves between then and the start; nothing without one.

    From 0 to the nameplate's `most_wh`.
    """
    moved_ms = 0
    first, last = sorted((seen.at, start))
    planned = None if plan is None else plan.of(site)
    if plan is not None and planned is not None:
        step = timedelta(seconds=plan.head.interval_s)
        for number in range(plan.head.count):
            begin = plan.head.start + number * step
            inside = min(begin + step, last) - max(begin, first)
            if inside > timedelta():
                power = _inside_w(planned.setpoint_w[number], terms)
                moved_ms += power * (inside // timedelta(milliseconds=1))
    moved = moved_ms // (_S_PER_HOUR * 1000)
    stored = seen.stored_wh - moved if seen.at <= start else seen.stored_wh + moved
    return min(max(stored, 0), most_wh)


def _inside_w(setpoint_w: int, terms: StorageTerms) -> int:
    """What leaves the cells for a power at the AC side, below 0 what comes in."""
    if setpoint_w >= 0:
        return setpoint_w * _PPM // terms.discharge_ppm
    return -(-setpoint_w * terms.charge_ppm // _PPM)
