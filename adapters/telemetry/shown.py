"""A device's telemetry for people: samples with the quality of each value, and what they do not show."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from adapters.nats.client import NatsClient
from adapters.nats.telemetry_stream import Channel
from adapters.postgres.database import Connection
from adapters.queries import registered_page
from adapters.telemetry.history import History
from dispatch.devices.point import DIGITS, Unit
from dispatch.devices.quality import Reading
from dispatch.devices.role import ROLES
from dispatch.telemetry.gaps import Mark, Thinned, marks
from dispatch.telemetry.sample import Sample
from ledger.device import Device
from ledger.interval import Interval
from ledger.refusal import Refused

LIMIT_MAX: Final = 10_000
_COLUMNS: Final = ("at", "run", "number", "name", "value", "unit", "quality", "reason")


class TelemetryShown(msgspec.Struct, frozen=True):
    """The newest samples of a span in the order in which they came; `more`: there are older ones in it. Those
    that came between two of them with an earlier time, as our clock was set back, are among them.

    A role's value is in W, Wh, thousandths of a percent (soc), mV, mHz, m°C or s, as dispatch.devices has it;
    None is no value, never 0. `marks` are of the samples shown.
    """

    device: str
    samples: tuple[Sample, ...]
    marks: tuple[Mark, ...]
    more: bool


def shown(history: History, device: str, interval: Interval, limit: int) -> TelemetryShown:
    """The newest `limit` samples of the interval.

    Raises:
        Unread: NATS does not answer.
    """
    span = (_ms(interval.start), _ms(interval.end))
    items = history.stretch(device, *span)
    read = [one for one in items if isinstance(one, Sample)]
    samples = [one for one in read if one.at_ms < span[1]]
    kept = samples[-limit:]
    more = len(kept) < len(samples)
    since = kept[0].at_ms if more else span[0]
    seen = marks(read[read.index(kept[0]) :]) if kept else ()
    told = [mark for mark in seen if mark.start_ms < span[1]]
    let_go = [one.mark for one in items if isinstance(one, Thinned) and one.end_ms >= since]
    found = sorted([*told, *let_go], key=lambda mark: (mark.start_ms, mark.kind))
    return TelemetryShown(device, tuple(kept), tuple(found), more)


def check_known(client: NatsClient, book: str, connection: Connection, position: int, device: str) -> None:
    """That the device is registered, or was read: a meter of the fleet file need not be registered.

    Raises:
        Refused: `unknown_device`.
        Unread: NATS does not answer.
    """
    if registered_page.versions(connection, "device", Device, position, device):
        return
    channels: tuple[Channel, ...] = ("seconds", "fast")
    if all(History(client, book, channel).newest(device) is None for channel in channels):
        wrong = f"no device {device!r} is registered, and no telemetry of it is stored"
        raise Refused("unknown_device", wrong, place="name")


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def _values(sample: Sample) -> Iterator[tuple[str, str, str, Reading]]:
    """Name, value, unit and reading: roles first. What has no unit here has one in its profile only, and is
    shown as the whole number that it is."""
    for role, reading in sample.readings.items():
        units = ROLES[role].units
        unit: Unit = units[0] if len(units) == 1 else "none"
        yield role, _number(reading.value, DIGITS[unit]), "" if unit == "none" else unit, reading
    for name, reading in sample.others.items():
        yield name, _number(reading.value, 0), "", reading


def _number(value: int | str | None, digits: int) -> str:
    """As decimal text; empty where there is no value."""
    if value is None or isinstance(value, str):
        return value or ""
    if not digits:
        return str(value)
    whole, rest = divmod(abs(value), 10**digits)
    return f"{'-' if value < 0 else ''}{whole}.{rest:0{digits}d}"


def instant_text(at_ms: int) -> str:
    """2026-09-02T01:00:09.250Z"""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def csv_text(found: TelemetryShown) -> str:
    """A row a value; a mark is a row with its kind as the quality and its words as the reason."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for sample in found.samples:
        at = instant_text(sample.at_ms)
        if sample.lost:
            rows.writerow((at, sample.run, sample.number, "", "", "", "lost", sample.lost))
        for name, value, unit, reading in _values(sample):
            row = (at, sample.run, sample.number, name, value, unit, reading.quality, reading.reason or "")
            rows.writerow(row)
    for mark in found.marks:
        rows.writerow((instant_text(mark.start_ms), "", "", "", mark.count, "", mark.kind, mark.why))
    return out.getvalue()


def lines_of(found: TelemetryShown) -> list[str]:
    """A line a sample, then the marks."""
    lines = [_line(sample) for sample in found.samples]
    lines += [
        f"{mark.kind}: {instant_text(mark.start_ms)} to {instant_text(mark.end_ms)}: {mark.why}"
        for mark in found.marks
    ]
    return lines


def _line(sample: Sample) -> str:
    values: Sequence[str] = (
        [f"lost: {sample.lost}"] if sample.lost else [_text(*one) for one in _values(sample)]
    )
    return f"{instant_text(sample.at_ms)}  {sample.number}  " + ", ".join(values)


def _text(name: str, number: str, unit: str, reading: Reading) -> str:
    value = "none" if reading.value is None else f"{number} {unit}".rstrip()
    doubt = "" if reading.quality == "good" else f" ({reading.quality}: {reading.reason})"
    return f"{name} {value}{doubt}"
