"""A site's month of readings checked, as of a sequence number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import numpy as np

from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.queries import meter_month, registered
from adapters.queries.meter_month import Key
from ledger.envelope import TOPIC
from ledger.interval import Interval, Month, zone_of
from ledger.meter import Meter
from ledger.metering.estimated_share import EstimatedShare, estimated_share
from ledger.metering.finding import MeterFinding
from ledger.metering.register_read import RegisterRead, RegisterReads, RegisterReadsRecorded, aggregate_of
from ledger.metering.validation import Received, RegisterMonth, SiteMonth, validate_month
from ledger.readings import Register, run_of
from ledger.refusal import Refused
from ledger.site import Site

_TICK: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_mapper: Final = EnvelopeMapper()

REACH: Final = timedelta(days=31)
"""How far before and after an interval its reads are looked for: registers are read once a month at least."""


class RegisterShare(msgspec.Struct, frozen=True):
    """How much of one register's month is estimated or substituted."""

    meter: str
    register: Register
    share: EstimatedShare


class Validated(msgspec.Struct, frozen=True):
    """What validating found, and what of the month was not measured, in all and by register."""

    site: str
    month: str
    findings: tuple[MeterFinding, ...]
    share: EstimatedShare
    registers: tuple[RegisterShare, ...]


def validated(connection: Connection, book: str, name: str, month: Month, position: int) -> Validated:
    """The checks of DOMAIN.md 3.11 over the meters that stand at the site as the month ends.

    Raises:
        Refused: `unknown_site`; `meter_layout` when no meter stands there.
    """
    sites = registered.load(connection, "site", Site, position).versions.get(name)
    if sites is None:
        raise Refused("unknown_site", f"no site {name!r} is registered", place="name")
    interval = month.interval(zone_of(sites[-1].document.zone))
    register = registered.load(connection, "meter", Meter, position)
    standing = (register.at(meter, interval.end - _TICK) for meter in sorted(register.versions))
    meters = [found.document for found in standing if found is not None and found.document.site == name]
    if not meters:
        raise Refused("meter_layout", f"no meter stands at site {name} in {month}", place="name")
    rows: list[RegisterMonth] = []
    shares: list[RegisterShare] = []
    total = EstimatedShare(0, 0, 0, 0)
    reads = register_reads(connection, [meter.id for meter in meters], interval, position)
    received = _received(connection, [meter.id for meter in meters], interval, position)
    for interval_s in sorted({meter.interval_s for meter in meters}):
        alike = [meter for meter in meters if meter.interval_s == interval_s]
        keys: list[Key] = [(meter.id, one) for meter in alike for one in meter.registers]
        matrix = meter_month.load(connection, book, keys, interval, interval_s, position)
        spec = {meter.id: meter for meter in alike}
        for number, (meter, one) in enumerate(keys):
            rows.append(
                RegisterMonth(
                    spec[meter].spec,
                    spec[meter].position,
                    one,
                    matrix.wh[number],
                    tuple(read for read in reads[meter] if read.register == one),
                    tuple(received[meter, one]),
                )
            )
            row = slice(number, number + 1)
            shares.append(
                RegisterShare(meter, one, estimated_share([one], matrix.wh[row], matrix.quality[row]))
            )
        total = total + estimated_share([one for _, one in keys], matrix.wh, matrix.quality)
    findings = validate_month(SiteMonth(interval, tuple(rows)))
    return Validated(name, str(month), tuple(findings), total, tuple(shares))


def _received(
    connection: Connection, meters: Sequence[str], interval: Interval, position: int
) -> dict[Key, list[Received]]:
    """All runs that touch the interval, in order of arrival."""
    rows = connection.execute(
        "SELECT run.meter, run.register, run.start, run.interval_s, run.wh, run.quality, arrived.recorded_at"
        " FROM ledger.meter_run AS run"
        " JOIN ledger.envelope AS arrived ON arrived.book = run.book AND arrived.sequence = run.sequence"
        " WHERE run.meter = ANY(%s) AND run.start > %s AND run.start < %s AND run.sequence <= %s"
        " ORDER BY run.sequence, run.start",
        [list(meters), interval.start - _DAY, interval.end, position],
    )
    found: dict[Key, list[Received]] = defaultdict(list)
    for meter, one, start, interval_s, wh, quality, recorded_at in rows:
        run = run_of(meter, one, start, interval_s, np.array(wh, dtype=np.int64), quality)
        if run.end > interval.start:
            found[meter, one].append(Received(run, recorded_at))
    return found


def register_reads(
    connection: Connection, meters: Collection[str], interval: Interval, position: int
) -> dict[str, tuple[RegisterRead, ...]]:
    """Each meter's reads in the UTC months that [start - REACH, end + REACH] touches."""
    months = _months(interval.start - REACH, interval.end + REACH)
    names = {aggregate_of(meter, month): meter for meter in meters for month in months}
    held: dict[str, RegisterReads] = {}
    rows = connection.execute(
        "SELECT aggregate, payload FROM ledger.envelope"
        " WHERE aggregate = ANY(%s) AND sequence <= %s ORDER BY aggregate, version",
        [list(names), position],
    )
    for aggregate, payload in rows:
        for event in _mapper.to_envelope(TOPIC, wire.state_of(bytes(payload))).events:
            assert isinstance(event, RegisterReadsRecorded)
            held[aggregate] = event.apply(held.get(aggregate))
    found: dict[str, tuple[RegisterRead, ...]] = dict.fromkeys(meters, ())
    for aggregate in sorted(held):
        found[names[aggregate]] += held[aggregate].reads
    return found


def _months(start: datetime, end: datetime) -> list[str]:
    days = range((end - start) // _DAY + 2)
    return sorted(
        {f"{start + number * _DAY:%Y-%m}" for number in days if start + number * _DAY <= end + _DAY}
    )
