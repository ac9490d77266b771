"""A request becomes a forecast: the same request always the same one."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from dispatch.forecasts.cold_start import DAYS, Peer, from_peers
from dispatch.forecasts.day_table import DayTable, Index, day_starts, local_slots
from dispatch.forecasts.forecast import UNITS, Drift, Forecast, MemberShare, QuantileRow, Scores
from dispatch.forecasts.known import Known
from dispatch.forecasts.learned import Learned
from dispatch.forecasts.past import Past
from dispatch.forecasts.prediction import LEVELS_PERMILLE, Prediction, held_together
from dispatch.forecasts.request import ForecastRequest
from dispatch.forecasts.worth import worth_of
from ledger.interval import zone_of
from ledger.refusal import Refused

MODEL: Final = "blend.v5"
"""Changes whenever the same request would be answered with other numbers."""

_STALE: Final = timedelta(days=7)
"""What was known last further back than this is said to be old."""


def make(request: ForecastRequest, learned: Learned | None = None) -> Forecast:
    """The forecast of a request; nothing that was known later than its instant of issue changes it.

    Who asks for many days in a row gives what is `learned` from one to the next; it is learned here else.

    Raises:
        Refused: `forecast_history` where too little is known and no peer stands in, `forecast_horizon`
            for days that have begun or are known.
    """
    calendar = request.calendar
    midnight = _midnight(request.first_day, calendar.zone)
    if midnight <= request.issued_at:
        raise Refused("forecast_horizon", f"{request.first_day} has begun", place="first")
    history = request.history.as_of(request.issued_at)
    inputs = {}
    for name, known in sorted(request.inputs.items()):
        seen = known.vintage(request.issued_at, calendar.zone, midnight - request.issued_at)
        if len(seen.start):
            inputs[name] = seen.table(calendar.zone)
    whole = _whole_days(history, calendar.zone)
    past = Past(days=_none(history) if whole is None else whole, calendar=calendar, inputs=inputs)
    last = request.first_day + timedelta(days=request.days - 1)
    shares: tuple[MemberShare, ...] = (MemberShare("peers", 1000, None),)
    scores: Scores | None = None
    drift: Drift | None = None
    cold = ""
    if whole is None or _count(whole) < DAYS:
        found, cold = _cold(request, history, past, last)
        if cold.startswith("own"):
            shares = (MemberShare("seasonal_mean", 1000, None),)
    else:
        lead = (request.first_day - past.last).days
        if lead < 1:
            raise Refused("forecast_horizon", f"{past.last} is known whole already", place="first")
        worth = worth_of(request.subject.quantity, history.interval_s)
        model = (learned or Learned()).of(past, worth, lead)
        days = [model.predict(request.first_day + timedelta(days=n)) for n in range(request.days)]
        found = Prediction(
            np.concatenate([one.expected for one in days]),
            np.concatenate([one.quantiles for one in days], axis=1),
        )
        shares, scores, drift = model.shares, model.scores, model.drift
    starts = day_starts(request.first_day, request.days, history.interval_s, calendar.zone)
    at = _places(starts, request.first_day, history.interval_s, calendar.zone)
    expected, quantiles = _integers(found, at, floor=_never_below_zero(request, history))
    return Forecast(
        subject=request.subject,
        unit=UNITS[request.subject.quantity],
        currency=request.currency,
        model=MODEL,
        members=shares,
        features=_digest(request, history, inputs),
        trained_through=request.trained_through,
        issued_at=request.issued_at,
        zone=calendar.zone,
        interval_s=history.interval_s,
        start=starts[0],
        expected=expected,
        quantiles=quantiles,
        scores=scores,
        drift=drift,
        cold_start=cold,
        notes=_notes(request, past, last),
    )


def _cold(request: ForecastRequest, history: Known, past: Past, last: date) -> tuple[Prediction, str]:
    """Peers' days at the contracted power, or what few days of its own there are; and which of the two."""
    zone, known = request.calendar.zone, len(history.start) > 0
    peers = []
    for one in request.peers:
        seen = one.history.as_of(request.issued_at)
        if seen.interval_s == history.interval_s and len(seen.start):
            peers.append(Peer(one.name, seen.table(zone), one.capacity_w))
    if peers and request.capacity_w > 0:
        own = history.table(zone) if known else None
        found = from_peers(own, request.capacity_w, tuple(peers), past, request.first_day, last)
        names = ", ".join(peer.name for peer in peers)
        return found, f"peers' mean profile ({names}) at {round(request.capacity_w)} W contracted"
    if not known or np.isnan(past.days.values).all():
        raise Refused(
            "forecast_history", f"under {DAYS} whole days are known, and no peer stands in", place="subject"
        )
    from dispatch.forecasts.members.seasonal_mean import SeasonalMean

    parts = []
    for n in range(request.days):
        day = request.first_day + timedelta(days=n)
        parts.append(SeasonalMean().fit(past, max((day - past.last).days, 1)).predict(past, day, day))
    joined = Prediction(
        np.concatenate([one.expected for one in parts]),
        np.concatenate([one.quantiles for one in parts], axis=1),
    )
    return joined, f"own mean of {_count(past.days)} days, fewer than {DAYS}: no peer stands in"


def _whole_days(history: Known, zone: str) -> DayTable | None:
    if not len(history.start):
        return None
    table = history.table(zone)
    known = ~np.isnan(table.values)
    if not (known.sum(axis=1) >= table.slots - table.slots // 24).any():
        return None
    return table.until(table.last_whole)


def _count(days: DayTable) -> int:
    """Days of which at least half is known."""
    return int(((~np.isnan(days.values)).mean(axis=1) >= 0.5).sum())


def _none(history: Known) -> DayTable:
    """One day of which nothing is known, of the slots that the subject has."""
    return DayTable(first=date(1970, 1, 1), values=np.full((1, 86_400 // history.interval_s), np.nan))


def _never_below_zero(request: ForecastRequest, history: Known) -> bool:
    """PV; and a load that was read, or whose peers' were where it was not, and never below 0."""
    match request.subject.quantity:
        case "pv":
            return True
        case "load":
            peers = (one.history.as_of(request.issued_at) for one in request.peers)
            read = [history] if len(history.start) else list(peers)
            return all(float(one.value.min(initial=0.0)) >= 0 for one in read)
        case "price" | "revenue":
            return False


def _places(starts: list[datetime], first: date, interval_s: int, zone: str) -> tuple[Index, Index]:
    seconds = np.array([int(one.timestamp()) for one in starts], dtype=np.int64)
    day, slot = local_slots(seconds, interval_s, zone)
    return day - first.toordinal(), slot


def _integers(
    found: Prediction, at: tuple[Index, Index], *, floor: bool
) -> tuple[tuple[int, ...], tuple[QuantileRow, ...]]:
    low = 0.0 if floor else -np.inf
    day, slot = at
    found = held_together(found)
    assert np.isfinite(found.expected).all(), "what is not known is refused before"
    assert np.isfinite(found.quantiles).all(), "what is not known is refused before"
    expected = np.rint(np.maximum(found.expected[day, slot], low)).astype(np.int64)
    rows = np.rint(np.maximum(found.quantiles[:, day, slot], low)).astype(np.int64)
    quantiles = tuple(
        QuantileRow(level, tuple(row.tolist())) for level, row in zip(LEVELS_PERMILLE, rows, strict=True)
    )
    return tuple(expected.tolist()), quantiles


def _notes(request: ForecastRequest, past: Past, last: date) -> tuple[str, ...]:
    notes = []
    age = request.first_day - past.last
    if age > _STALE and not np.isnan(past.days.values).all():
        notes.append(
            f"no whole day after {past.last} is known, {age.days} days before the first: expected rests on"
            " what was usual then, and may lie at the edge of its quantiles"
        )
    unknown = past.without_notice(request.first_day, last)
    if unknown is not None:
        notes.append(f"no holiday notice for {unknown} is out: weekends alone are known")
    notes += [
        f"{name} is not known for the horizon: its usual values stand in"
        for name in sorted(request.inputs)
        if name not in past.inputs or np.isnan(past.inputs[name].between(request.first_day, last)).all()
    ]
    return tuple(notes)


def _digest(request: ForecastRequest, history: Known, inputs: dict[str, DayTable]) -> str:
    """SHA-256 of all numbers that were known and of the days asked for."""
    found = hashlib.sha256()
    days = f"{request.first_day}+{request.days} {request.calendar.name} {request.calendar.zone}"
    found.update(f"{MODEL} {request.subject.id} {history.interval_s} {days}\n".encode())
    for array in (history.start, history.value):
        found.update(np.ascontiguousarray(array).tobytes())
    for name, table in inputs.items():
        found.update(f"{name} {table.first}\n".encode())
        found.update(np.ascontiguousarray(table.values).tobytes())
    for peer in request.peers:
        seen = peer.history.as_of(request.issued_at)
        found.update(f"{peer.name} {peer.capacity_w}\n".encode())
        for array in (seen.start, seen.value):
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _midnight(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone_of(zone)).astimezone(UTC)
