"""What sites are expected to use and to generate, and the highest mean import of their billing period so far.

The newest forecasts on record come first; where they do not reach, the same local days of a week before, as
read, stand in, and the plan says so. What nobody knows is refused: missing is not zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
import numpy as np

from adapters.integrity import proven_events
from adapters.mapper import EnvelopeMapper
from adapters.planning.day_discharge import Discharged
from adapters.planning.portfolio import Horizon, boundary, day_of
from adapters.planning.resampled import Flags, Series, resampled, seconds_of, series_at
from adapters.postgres.database import Connection
from adapters.queries import meter_month
from adapters.queries.forecast_inputs import signs_of
from adapters.queries.meter_month import MISSING, Key
from dispatch.forecasts.forecast import Forecast
from dispatch.forecasts.issued import ForecastIssued
from dispatch.plan_check import Whole
from dispatch.planning.seen_load import DAYS, SeenLoad
from ledger.interval import Interval, midnight, zone_of
from ledger.meter import Meter
from ledger.refusal import Refused
from ledger.site import Site

_WEEKS: Final = 4
_DAY_S: Final = 86_400
_SITES_AT_ONCE: Final = 64
"""Their month of quarter-hours is some ten megabytes."""
_MAPPER: Final = EnvelopeMapper()


class Metered(NamedTuple):
    """A site, its meters, since when its billed peak, and since when its storage's discharge is asked for
    (None: it is not)."""

    site: Site
    meters: tuple[Meter, ...]
    peak_since: datetime | None
    peak_s: int
    discharge_since: datetime | None = None


class Expected(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """W per interval. `peak_w` is the highest mean net import since the billing period began, 0 at least.

    `seen` is what the site used in the weeks before, where its peak is billed and its meters tell it;
    `discharged` what its storage gave since that was asked for, None where no meter tells it.
    """

    load_w: Whole
    pv_w: Whole
    peak_w: int
    seen: SeenLoad | None
    discharged: Discharged | None
    rests_on: tuple[str, ...]
    notes: tuple[str, ...]


class _Issued(NamedTuple):
    name: str
    version: int
    forecast: Forecast


def expected(
    connection: Connection, book: str, asked: Sequence[Metered], horizon: Horizon, position: int
) -> Iterator[tuple[str, Expected | Refused]]:
    """Of each site what is expected, or why that cannot be said: `load_unknown`, `pv_unknown`,
    `meter_layout`.

    Raises:
        Discontinuity: a row that is read was changed.
    """
    names = [f"{quantity}_{one.site.id}" for one in asked for quantity in ("load", "pv")]
    issued = _issued(connection, names, horizon, position)
    for first in range(0, len(asked), _SITES_AT_ONCE):
        group = asked[first : first + _SITES_AT_ONCE]
        read = _Readings(connection, book, group, issued, horizon, position)
        for one in group:
            try:
                yield one.site.id, _of(one, issued, read, horizon)
            except Refused as refused:
                place = refused.place or f"site {one.site.id}"
                yield one.site.id, Refused(refused.code, refused.reason, place=place)


def _of(one: Metered, issued: Mapping[str, list[_Issued]], read: _Readings, horizon: Horizon) -> Expected:
    rests_on: list[str] = []
    notes: list[str] = []
    powers: dict[str, Whole] = {}
    for quantity in ("load", "pv"):
        found = issued.get(f"{quantity}_{one.site.id}", [])
        values, known = _forecast(found, horizon)
        rests_on += [f"forecast.{each.name} v{each.version}" for each in found]
        notes += [f"forecast {each.name}: {note}" for each in found for note in each.forecast.notes]
        signs = signs_of(one.site, one.meters, quantity, needed=False)
        if known.all():
            powers[quantity] = values
            continue
        if not signs:
            # A site whose meters know no PV has none.
            powers[quantity] = values
            if quantity == "load":
                notes.append(_without_load(one, horizon))
            continue
        weeks = read.weeks_before(one, signs, values, known)
        at = horizon.at(int(np.argmin(known))) if not known.all() else horizon.start
        if not known.all():
            day = at.astimezone(zone_of(one.site.zone)).date()
            wrong = (
                f"neither a forecast nor readings of the {_WEEKS} weeks before tell it at"
                f" {at:%Y-%m-%dT%H:%M}Z: wattledger forecast {quantity}:{one.site.id} {day}"
            )
            raise Refused(f"{quantity}_unknown", wrong, place=f"site {one.site.id}")
        powers[quantity] = values
        rests_on.append(f"readings of {one.site.id}: {quantity} of the same days {weeks} before, no forecast")
    peak, note = read.peak(one)
    if note:
        notes.append(note)
    return Expected(
        load_w=powers["load"], pv_w=powers["pv"], peak_w=peak, seen=read.seen(one),
        discharged=read.discharged(one),
        rests_on=tuple(rests_on), notes=tuple(notes),
    )  # fmt: skip


def _without_load(one: Metered, horizon: Horizon) -> str:
    """That nothing but the storage is behind the site's meter.

    Raises:
        Refused: `meter_layout` where something may be there that no meter tells.
    """
    account, name = one.site.account, one.site.id
    alone = bool(one.meters) and all(meter.position == "storage" for meter in one.meters)
    if alone and account.demand is None and not account.feeders:
        return f"{name}: only its storage is metered and no demand is charged: its load is 0"
    day = day_of(one.site.zone, horizon.start)
    wrong = (
        f"no meter tells the load of site {name}: register one at its grid connection or its load"
        f" (wattledger register portfolio FILE), or forecast it: wattledger forecast load:{name} {day}; a"
        " load of 0 is taken where all its meters are the storage's and its account has no demand charge"
    )
    raise Refused("meter_layout", wrong, place=f"site {name}")


def _issued(
    connection: Connection, names: Sequence[str], horizon: Horizon, position: int
) -> dict[str, list[_Issued]]:
    """The forecasts that reach into the horizon, of those that begin together the newest, oldest first."""
    rows = connection.execute(
        "SELECT DISTINCT ON (id, effective_from) from_seq FROM ledger.registered"
        " WHERE kind = 'forecast' AND id = ANY(%s) AND from_seq <= %s AND effective_from < %s"
        " AND effective_to > %s ORDER BY id, effective_from, from_seq DESC",
        [list(names), position, horizon.end, horizon.start],
    ).fetchall()
    found: dict[str, list[_Issued]] = {}
    for proven in proven_events.at(connection, [row[0] for row in rows]):
        for event in _MAPPER.to_envelope(proven.header.topic, proven.state).events:
            assert isinstance(event, ForecastIssued), "a forecast is issued by itself"
            name = event.forecast.subject.id
            found.setdefault(name, []).append(_Issued(name, proven.header.version, event.forecast))
    return found


def _forecast(found: Sequence[_Issued], horizon: Horizon) -> tuple[Whole, Flags]:
    """What is expected per interval, the newest over older ones, and where anything is."""
    values, known = np.zeros(horizon.count, dtype=np.int64), np.zeros(horizon.count, dtype=np.bool_)
    for one in found:
        told, there = resampled(one.forecast, horizon)
        values[there] = told[there]
        known |= there
    return values, known


@lru_cache(maxsize=64)
def _weeks_earlier(horizon: Horizon, zone: str, weeks: int) -> Whole:
    """When the intervals of the same wall clock began, so many weeks before; in seconds since 1970."""
    at = zone_of(zone)
    found: list[int] = []
    for number in range(horizon.count):
        wall = horizon.at(number).astimezone(at).replace(tzinfo=None) - timedelta(weeks=weeks)
        found.append(int(wall.replace(tzinfo=at).timestamp()))
    return np.array(found, dtype=np.int64)


def _first_seen(horizon: Horizon, zone: str) -> date:
    return day_of(zone, horizon.start) - timedelta(days=DAYS)


def _midnight(day: date, zone: str) -> datetime:
    return midnight(day, zone_of(zone)).astimezone(UTC)


@lru_cache(maxsize=8)
def _wall_clock(horizon: Horizon, zone: str) -> tuple[Whole, int]:
    """When the intervals of each day's wall clock begin, from the first day seen to the horizon's, in seconds
    since 1970; and how many of the last day are over at its start."""
    first, step = _first_seen(horizon, zone), horizon.interval_s
    slots = _DAY_S // step
    begins = [int(_midnight(first + timedelta(days=day), zone).timestamp()) for day in range(DAYS + 2)]
    found = np.array(begins[:-1], dtype=np.int64)[:, None] + step * np.arange(slots, dtype=np.int64)
    at = zone_of(zone)
    for day in np.flatnonzero(np.diff(begins) != _DAY_S).tolist():
        on = first + timedelta(days=day)
        wall = datetime(on.year, on.month, on.day)  # noqa: DTZ001
        for slot in range(slots):
            local = (wall + timedelta(seconds=step * slot)).replace(tzinfo=at)
            found[day, slot] = int(local.timestamp())
    until = int((found[-1] < int(horizon.start.timestamp())).sum())
    return found.ravel(), min(until, slots - 1)


class _Readings:
    """The readings that a group of sites needs, read at once for each length of interval."""

    def __init__(
        self,
        connection: Connection,
        book: str,
        group: Sequence[Metered],
        issued: Mapping[str, list[_Issued]],
        horizon: Horizon,
        position: int,
    ) -> None:
        self._horizon = horizon
        self._rows: dict[Key, tuple[Whole, datetime, int]] = {}
        keys: dict[tuple[int, int], list[Key]] = {}
        starts: list[datetime] = [horizon.start - timedelta(seconds=horizon.interval_s)]
        for one in group:
            wanted = set(_net_signs(one.meters)) if one.peak_since is not None else set()
            if one.peak_since is not None:
                starts.append(one.peak_since)
                wanted |= set(_behind_signs(one))
                starts.append(_midnight(_first_seen(horizon, one.site.zone), one.site.zone))
            if one.discharge_since is not None:
                starts.append(one.discharge_since)
                wanted |= set(_discharge_keys(one.meters))
            for quantity in ("load", "pv"):
                _, known = _forecast(issued.get(f"{quantity}_{one.site.id}", []), horizon)
                if not known.all():
                    wanted |= set(signs_of(one.site, one.meters, quantity, needed=False))
                    starts.append(horizon.start - timedelta(weeks=_WEEKS, hours=2))
            clocks = {meter.id: (meter.interval_s, meter.zone) for meter in one.meters}
            for key in sorted(wanted):
                length, zone = clocks[key[0]]
                begins = boundary(horizon.start, length, zone, after=False)
                keys.setdefault((length, int(begins.timestamp()) % length), []).append(key)
        for (length, phase), wanted_keys in keys.items():
            first = int(min(starts).timestamp())
            start = datetime.fromtimestamp(first - (first - phase) % length, UTC)
            end = start + timedelta(seconds=length * (int((horizon.start - start).total_seconds()) // length))
            if end <= start:
                continue
            month = meter_month.load(connection, book, wanted_keys, Interval(start, end), length, position)
            for number, key in enumerate(wanted_keys):
                self._rows[key] = (month.wh[number], start, length)

    def weeks_before(self, one: Metered, signs: Mapping[Key, int], values: Whole, known: Flags) -> str:
        """Fill `values` where not `known` from the last of four weeks that was read; says which."""
        own = self._power(signs, one)
        if own is None:
            return ""
        used: list[str] = []
        for weeks in range(1, _WEEKS + 1):
            if known.all():
                break
            at = _weeks_earlier(self._horizon, one.site.zone, weeks)
            told, there = series_at(own, at, self._horizon.interval_s)
            fresh = there & ~known
            if fresh.any():
                values[fresh] = told[fresh]
                known |= fresh
                used.append(f"{weeks} week{'s' if weeks > 1 else ''}")
        return " and ".join(used)

    def peak(self, one: Metered) -> tuple[int, str]:
        """The highest mean net import, and what to know of it.

        A storage of which nothing was read has not charged or discharged on record: the rest of the site
        tells the peak.
        """
        if one.peak_since is None or one.peak_since >= self._horizon.start:
            return 0, ""
        unread = self._unread_storages(one, one.peak_since)
        signs = {key: sign for key, sign in _net_signs(one.meters).items() if key[0] not in unread}
        own = self._power(signs, one)
        if own is None:
            return 0, f"{one.site.id}: no meter tells the billing period's peak so far; 0 is assumed"
        count = int((self._horizon.start - one.peak_since).total_seconds()) // one.peak_s
        if count <= 0:
            return 0, ""
        means, there = series_at(own, seconds_of(Horizon(one.peak_since, one.peak_s, count)), one.peak_s)
        note = ""
        if not there.all():
            note = f"{one.site.id}: the peak so far is of {int(there.sum())} of {count} intervals, as read"
        if unread and there.any():
            names = ", ".join(unread)
            also = f"nothing was read of {names} in the billing period: the peak so far is that without it"
            note = f"{note}; {also}" if note else f"{one.site.id}: {also}"
        return max(0, int(means[there].max(initial=0))), note

    def _unread_storages(self, one: Metered, since: datetime) -> list[str]:
        """The storages' meters that make up what is imported, and of which nothing was read."""
        storages = {meter.id for meter in one.meters if meter.position == "storage"}
        read: dict[str, bool] = {}
        for key in _net_signs(one.meters):
            if key[0] in storages and key in self._rows:
                wh, start, length = self._rows[key]
                first = max(0, int((since - start).total_seconds()) // length)
                read[key[0]] = read.get(key[0], False) or bool((wh[first:] != MISSING).any())
        return sorted(name for name, any_of_it in read.items() if not any_of_it)

    def discharged(self, one: Metered) -> Discharged | None:
        """What the storage gave, as far as it was read."""
        keys = _discharge_keys(one.meters)
        rows = [self._rows[key] for key in keys if key in self._rows]
        if one.discharge_since is None or not keys or len(rows) < len(keys):
            return None
        total, whole = 0, True
        for wh, start, length in rows:
            first = -(-int((one.discharge_since - start).total_seconds()) // length)
            own = wh[first:]
            end = start + timedelta(seconds=length * len(wh))
            whole &= bool((own != MISSING).all()) and end >= self._horizon.start
            total += int(own[own != MISSING].sum())
        return Discharged(total, whole)

    def seen(self, one: Metered) -> SeenLoad | None:
        """Load less PV of the weeks before the plan and of its day so far, by wall clock."""
        own = None if one.peak_since is None else self._power(_behind_signs(one), one)
        if own is None:
            return None
        at, until = _wall_clock(self._horizon, one.site.zone)
        told, there = series_at(own, at, self._horizon.interval_s)
        there &= at + self._horizon.interval_s <= int(self._horizon.start.timestamp())
        shape = (DAYS + 1, -1)
        first = _first_seen(self._horizon, one.site.zone)
        return SeenLoad(first=first, load_w=told.reshape(shape), known=there.reshape(shape), until=until)

    def _power(self, signs: Mapping[Key, int], one: Metered) -> Series | None:
        """Mean W of the signed sum, where every meter was read."""
        rows = [(sign, *self._rows[key]) for key, sign in signs.items() if key in self._rows]
        if not rows or len(rows) < len(signs):
            return None
        lengths = {row[3] for row in rows}
        if len(lengths) != 1:
            wrong = f"its meters read every {sorted(lengths)} s; one length is needed"
            raise Refused("meter_layout", wrong, place=f"site {one.site.id}")
        length, start = lengths.pop(), rows[0][2]
        known = np.all([row[1] != MISSING for row in rows], axis=0)
        total = np.sum([row[0] * row[1] for row in rows], axis=0)
        return Series(np.where(known, total, 0) * 3600 // length, known, start, length)


def _behind_signs(one: Metered) -> dict[Key, int]:
    """The registers that make up load less PV."""
    found = signs_of(one.site, one.meters, "load", needed=False)
    if not found:
        return {}
    for key, sign in signs_of(one.site, one.meters, "pv", needed=False).items():
        found[key] = found.get(key, 0) - sign
    return {key: sign for key, sign in found.items() if sign}


def _discharge_keys(meters: Sequence[Meter]) -> list[Key]:
    return [(m.id, "discharge") for m in meters if m.position == "storage" and "discharge" in m.registers]


def _net_signs(meters: Sequence[Meter]) -> dict[Key, int]:
    """The registers that make up what the account imports, net; none where no meter tells it."""
    grid = [meter for meter in meters if meter.position == "grid"]
    if grid:
        wanted = {"import": 1, "export": -1}
        return {(m.id, r): wanted[r] for m in grid for r in m.registers if r in wanted}
    if not any(meter.position == "load" for meter in meters):
        return {}
    wanted = {"load": 1, "import": 1, "pv": -1, "charge": 1, "discharge": -1}
    return {(m.id, r): wanted[r] for m in meters for r in m.registers if r in wanted}
