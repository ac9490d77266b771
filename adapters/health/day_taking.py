"""The health role: each device's day out of its telemetry into the book, once, and the alarms of its trends.

A day is taken when a sample of after it has come, since devices' samples come in their order; a device that
is silent is waited for `WAIT`. What stands in the book says where to go on, so that the role may be killed at
any moment: nothing is recorded twice. It is a process of its own, because a day of a device is a hundred
thousand samples.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from adapters.driving.device_state import instant, millis
from adapters.driving.driven_site import DrivenDevice, FleetBook, fleet_book
from adapters.driving.fleet_file import FleetDevice
from adapters.front_door import FrontDoor
from adapters.nats.telemetry_stream import DAYS
from adapters.postgres.database import Database
from adapters.settling import Behind, lowest_position
from adapters.telemetry.history import History, Unread
from dispatch.control.setpoint import step_id
from dispatch.health.alarm import (
    AlarmKind,
    Alarms,
    ClearAlarm,
    RaiseAlarm,
    alarm_aggregate,
    alarm_id,
)
from dispatch.health.day_figures import DayFigures
from dispatch.health.record import HealthDay, HealthRecord, RecordHealthDay, health_aggregate
from dispatch.health.trends import TRENDS, found_trend, trend_step, trend_text
from dispatch.telemetry.sample import Sample
from ledger.interval import Interval, zone_of
from ledger.refusal import Refused

ACTOR: Final = "health"
TURN_S: Final = 60.0
WAIT: Final = timedelta(days=2)
_REGISTERS: Final = ("meter_import_wh", "meter_export_wh")


class Taken(NamedTuple):
    device: str
    day: HealthDay
    sequence: int


class DayTaking:
    """The storages of a fleet file. `say` gets a line for each day, each alarm, and each trouble once.
    `kept_days`: for how long telemetry is kept."""

    def __init__(
        self,
        door: FrontDoor,
        database: Database,
        book: str,
        history: History,
        devices: Sequence[FleetDevice],
        clock: Callable[[], datetime],
        say: Callable[[str], None],
        *,
        kept_days: int = DAYS,
    ) -> None:
        assert history.channel == "seconds", "the fast channel keeps minutes"
        self._door = door
        self._database = database
        self._book = book
        self._history = history
        self._devices = tuple(devices)
        self._clock = clock
        self._say = say
        self._kept_days = kept_days
        self._empty: dict[str, date] = {}
        self._said: dict[str, str] = {}

    def run(
        self, stopping: threading.Event, beside: Callable[[threading.Event], object] = lambda _: None
    ) -> None:
        """A turn each `TURN_S`, and one of `beside`, until asked to stop; a device that has begun is ended.

        Raises:
            StoreUnavailable, psycopg.OperationalError: the servers are gone; start it again.
        """
        while not stopping.is_set():
            self.turn(stopping)
            beside(stopping)
            stopping.wait(TURN_S)

    def turn(self, stopping: threading.Event | None = None) -> tuple[Taken, ...]:
        """Every day that is due, and the alarms of every device's newest day."""
        try:
            with self._database.reading(self._book) as connection:
                fleet = fleet_book(connection, lowest_position(connection), self._devices, self._clock())
        except (Behind, Refused) as trouble:
            self._tell("fleet", str(trouble))
            return ()
        taken: list[Taken] = []
        for one in fleet.storages:
            if stopping is not None and stopping.is_set():
                break
            try:
                taken += self._device(one, fleet)
            except (Unread, Refused) as trouble:
                self._tell(one.fleet.id, str(trouble))
            else:
                self._tell(one.fleet.id, "")
        return tuple(taken)

    def _device(self, one: DrivenDevice, fleet: FleetBook) -> list[Taken]:
        name = one.fleet.id
        taken: list[Taken] = []
        state = self._record(name)
        for day, interval in self._due(one, fleet, state):
            figures = self._figures(one, day, interval, _meter_of(one, fleet))
            if figures is None:
                self._empty[name] = day
                continue
            command = RecordHealthDay(name, figures)
            receipt = self._door.execute(command, command_id=f"health-{name}-{day}", actor=ACTOR)
            taken.append(Taken(name, figures, receipt.sequence))
            self._say(f"{name}: the health of {day} is on record, event {receipt.sequence}")
        record = self._record(name) if taken else state
        if record.days:
            for kind in TRENDS:
                self._trend(one, kind, record)
        return taken

    def _record(self, name: str) -> HealthRecord:
        state = self._door.state(health_aggregate(name))
        return state if isinstance(state, HealthRecord) else HealthRecord()

    def _due(self, one: DrivenDevice, fleet: FleetBook, state: HealthRecord) -> list[tuple[date, Interval]]:
        """Local days that are over, of which all samples have come, and which are not on record."""
        zone = zone_of(fleet.sites[one.device.site].site.zone)
        now = self._clock()
        today = now.astimezone(zone).date()
        first = today - timedelta(days=self._kept_days)
        behind = [state.days[-1].day] if state.days else []
        if one.fleet.id in self._empty:
            behind.append(self._empty[one.fleet.id])
        first = max([first, *(day + timedelta(days=1) for day in behind)])
        days = [first + timedelta(days=number) for number in range((today - first).days)]
        if not days:
            return []
        newest = self._history.newest(one.fleet.id)
        heard = None if newest is None else instant(newest.at_ms)
        due: list[tuple[date, Interval]] = []
        for day in days:
            start, end = (
                datetime(one.year, one.month, one.day, tzinfo=zone) for one in (day, day + timedelta(1))
            )
            if (heard is None or heard < end) and now < end + WAIT:
                break
            due.append((day, Interval(start, end)))
        return due

    def _figures(
        self, one: DrivenDevice, day: date, interval: Interval, meter: str | None
    ) -> HealthDay | None:
        profile = one.fleet.profile

        def faulty(raw: int) -> bool:
            return profile.state_of(raw) in ("fault", "off")

        figures = DayFigures(day, interval, one.device.power_w, one.device.energy_wh, faulty)
        start_ms, end_ms = millis(interval.start), millis(interval.end)
        for sample in self._history.between(one.fleet.id, start_ms, end_ms):
            if isinstance(sample, Sample):
                figures.take(sample)
                if meter == one.fleet.id:
                    figures.meter(sample)
        if meter is not None and meter != one.fleet.id:
            for sample in self._history.between(meter, start_ms, end_ms):
                if isinstance(sample, Sample):
                    figures.meter(sample)
        return figures.figures()

    def _trend(self, one: DrivenDevice, kind: AlarmKind, record: HealthRecord) -> None:
        name, since = one.fleet.id, record.days[-1].end
        state = self._door.state(alarm_aggregate(name))
        alarms = state if isinstance(state, Alarms) else Alarms()
        standing = next((alarm for alarm in alarms.open if alarm.kind == kind), None)
        step = trend_step(kind, record.days, one.device.energy_wh, standing=standing is not None)
        if step == "clear" and standing is not None:
            reason = f"on {record.days[-1].day} it does not lead across its threshold any more"
            clearing = ClearAlarm(name, kind, standing.since, ACTOR, reason)
            told = f"{kind} {standing.since.isoformat()}"
            command_id = step_id(name, f"{standing.since:%Y-%m-%d}", 0, "cleared", told)
            self._door.execute(clearing, command_id=command_id, actor=ACTOR)
            self._say(f"{name}: alarm {kind} is over")
        newest = alarms.newest.get(kind)
        if step != "raise" or (newest is not None and newest >= since):
            return
        found = found_trend(kind, record.days, one.device.energy_wh)
        assert found is not None, "it is raised"
        raising = RaiseAlarm(name, kind, since, ACTOR, "warning", trend_text(kind, found))
        self._door.execute(raising, command_id=alarm_id(name, kind, since), actor=ACTOR)
        self._say(f"{name}: alarm {kind}: {raising.detail}")

    def _tell(self, about: str, text: str) -> None:
        if self._said.get(about, "") != text:
            self._said[about] = text
            self._say(f"{about}: {text or 'well again'}")


def _meter_of(one: DrivenDevice, fleet: FleetBook) -> str | None:
    """The device of the fleet that is the revenue meter of this storage alone: the storage itself, or the
    meter of a site that has no other storage; None where there is none."""
    roles = one.fleet.profile.roles
    if all(role in roles for role in _REGISTERS):
        return one.fleet.id
    site = one.device.site
    alone = sum(each.device.site == site for each in fleet.storages) == 1
    meters = [each.fleet.id for each in fleet.meters if (each.site, each.position) == (site, "storage")]
    return meters[0] if alone and len(meters) == 1 else None
