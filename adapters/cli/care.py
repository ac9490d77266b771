"""Commands about the care of devices and sites: alarms, work orders, milestones."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from adapters.cli.as_of import AsOf, moment
from adapters.cli.close import As
from adapters.cli.session import Session
from adapters.cli.submitting import once, submit_to
from adapters.postgres.database import Connection
from adapters.queries import device_care, registered_page
from adapters.stack import Stack
from dispatch.health.alarm import (
    AcknowledgeAlarm,
    AlarmKind,
    Alarms,
    ClearAlarm,
    RaiseAlarm,
    Severity,
    alarm_aggregate,
)
from ledger.command import TimedCommand
from ledger.contract import Contract
from ledger.device import Device
from ledger.effective import History
from ledger.interval import Instant, Month, zone_of
from ledger.kpi.stated_availability import SiteAvailability, StateAvailability
from ledger.recorded_service import RecordServiceScore, ServiceScores
from ledger.refusal import Refused
from ledger.site import Site
from ledger.site_milestone import Milestone, MilestoneKind, StateMilestone
from ledger.work_figures import (
    Measure,
    Planned,
    evidence_of,
    satisfaction,
    unavailable_s,
)
from ledger.work_order import (
    AssignWork,
    CancelWork,
    FinishWork,
    OpenWork,
    Outage,
    RateWork,
    WorkKind,
    WorkOrder,
    WorkStatus,
)
from ledger.work_score import Served, work_score

Since = Annotated[str, Parameter(help="the instant with its offset from which it is so")]
Which = Annotated[
    str | None,
    Parameter(help="since when the alarm is so, as alarm list shows it; not needed: of a kind one is open"),
]


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    _alarms(app, session)
    _work(app, session)
    _work_figures(app, session)
    _milestones(app, session)


def _alarms(app: App, session: Session) -> None:
    group = App(name="alarm", help="Alarms of devices: raised, acknowledged, cleared.")
    app.command(group)

    @group.command(name="raise")
    def raise_alarm(
        device: str, kind: AlarmKind, detail: str, *, since: Since, severity: Severity, by: As
    ) -> None:
        """Raise an alarm of DEVICE."""
        command = RaiseAlarm(device, kind, _instant(since, "--since"), by, severity, detail)
        _execute(session, command, by, f"alarm {kind} of {device}")

    @group.command
    def acknowledge(device: str, kind: AlarmKind, note: str, *, since: Which = None, by: As) -> None:
        """Say that an open alarm was seen, and what is done about it."""
        with session.open() as stack:
            command = AcknowledgeAlarm(device, kind, _since(stack, device, kind, since), by, note)
            receipt = stack.door.execute(command, command_id=once(), actor=by)
        print(f"alarm {kind} of {device} acknowledged: event {receipt.sequence}")

    @group.command
    def clear(device: str, kind: AlarmKind, reason: str, *, since: Which = None, by: As) -> None:
        """Say that what an alarm tells is over."""
        with session.open() as stack:
            command = ClearAlarm(device, kind, _since(stack, device, kind, since), by, reason)
            receipt = stack.door.execute(command, command_id=once(), actor=by)
        print(f"alarm {kind} of {device} cleared: event {receipt.sequence}")

    @group.command(name="list")
    def list_alarms(*, device: str | None = None, as_of: AsOf = None) -> None:
        """List the alarms that are not cleared, the oldest first."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = device_care.open_alarms(connection, position, device)
        for one in found:
            alarm = one.alarm
            seen = (
                f"acknowledged by {alarm.acknowledged_by}: {alarm.note}" if alarm.acknowledged_by else "new"
            )
            print(
                f"{_exact(alarm.since)}  {alarm.severity:<9}{one.device}  {alarm.kind}"
                f"  {alarm.detail}  [{seen}]"
            )
        if not found:
            print("no alarm is open")


def _since(stack: Stack, device: str, kind: AlarmKind, stated: str | None) -> datetime:
    """Since when the device's open alarm of that kind is so; what is stated is to be the same.

    Raises:
        Refused: `unknown_alarm`, `instant`.
    """
    alarms = stack.door.state(alarm_aggregate(device))
    found = [one.since for one in alarms.open if one.kind == kind] if isinstance(alarms, Alarms) else []
    if not found:
        raise Refused("unknown_alarm", f"{device} has no open alarm {kind}", place="KIND")
    if stated is not None and _instant(stated, "--since") != found[0]:
        wrong = f"the open alarm {kind} of {device} is so since {_exact(found[0])}"
        raise Refused("unknown_alarm", wrong, place="--since")
    return found[0]


def _exact(at: datetime) -> str:
    """The instant in UTC, no part of it left out.

    >>> _exact(datetime.fromisoformat("2026-08-03T12:00:00.000654+00:00"))
    '2026-08-03T12:00:00.000654Z'
    """
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _work(app: App, session: Session) -> None:
    group = App(name="work", help="Work orders and service requests, and what follows from them.")
    app.command(group)

    @group.command(name="open")
    def open_work(
        order: str,
        site: str,
        kind: WorkKind,
        title: str,
        *,
        planned: Annotated[bool, Parameter(help="agreed beforehand, not because something failed")],
        device: str = "",
        alarm: Annotated[str, Parameter(help="the kind of the alarm that it answers")] = "",
        by: As,
    ) -> None:
        """Open work order ORDER at SITE, or at one of its devices."""
        command = OpenWork(
            order, by, site=site, kind=kind, planned=planned, title=title, device=device, alarm=alarm
        )
        _execute(session, command, by, f"work order {order}")

    @group.command
    def assign(
        order: str, party: str, *, due: Annotated[str, Parameter(help="an instant with its offset")], by: As
    ) -> None:
        """Assign ORDER to PARTY, or to another one."""
        command = AssignWork(order, by, party=party, due=_instant(due, "--due"))
        _execute(session, command, by, f"work order {order} assigned")

    @group.command
    def done(
        order: str,
        evidence: str,
        *,
        at: Annotated[str, Parameter(help="when it was done, an instant with its offset")],
        outage: Annotated[
            tuple[str, ...], Parameter(help="START/END for which the storage stood still; again for more")
        ] = (),
        by: As,
    ) -> None:
        """Tell that ORDER was done, by EVIDENCE such as a report's number."""
        command = FinishWork(
            order,
            by,
            done_at=_instant(at, "--at"),
            evidence=evidence,
            outages=tuple(_outage(text) for text in outage),
        )
        _execute(session, command, by, f"work order {order} done")

    @group.command
    def rate(order: str, rating: int, *, comment: str = "", by: As) -> None:
        """Rate what was done under ORDER, from 1 (bad) to 5."""
        command = RateWork(order, by, rating=rating, comment=comment)
        _execute(session, command, by, f"work order {order} rated")

    @group.command
    def cancel(order: str, reason: str, *, by: As) -> None:
        """Cancel ORDER, which is not done."""
        _execute(session, CancelWork(order, by, reason=reason), by, f"work order {order} cancelled")

    @group.command(name="list")
    def list_work(*, site: str | None = None, status: WorkStatus | None = None, as_of: AsOf = None) -> None:
        """List work orders, and how satisfied those were who rated them."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = device_care.work_orders(connection, position, site=site, status=status)
        for one in found:
            order = one.order
            where = f"{order.site}/{order.device}" if order.device else order.site
            due = "" if order.due is None else f"  {order.party} by {order.due:%Y-%m-%dT%H:%MZ}"
            rated = "" if order.rating is None else f"  rated {order.rating}"
            plan = "planned" if order.planned else "unplanned"
            print(f"{order.id}  {order.status:<10}{order.kind} ({plan}) {where}: {order.title}{due}{rated}")
        ratings = [one.order.rating for one in found if one.order.rating is not None]
        if ratings:
            print(
                f"satisfaction {_hundredths(Fraction(sum(ratings), len(ratings)))} of 5, {len(ratings)} rated"
            )


def _work_figures(app: App, session: Session) -> None:
    group = app["work"]

    @group.command
    def availability(
        site: str,
        month: str,
        *,
        planned: Annotated[Planned, Parameter(help="whether planned work makes storage unavailable")],
        by: As,
    ) -> None:
        """State how long SITE's storage was not available in MONTH, as its work orders tell."""
        with session.open() as stack:
            orders, where = _orders(stack)
            place = _site(stack, site)
            of = Month.parse(month)
            interval = of.interval(zone_of(place.zone))
            seconds = unavailable_s(orders, site, place.storage_energy_wh, where, interval, planned)
            stated = SiteAvailability(site, of, seconds, evidence_of(orders, site, interval, planned))
            receipt = stack.door.execute(StateAvailability(stated), command_id=once(), actor=by)
        print(f"{site} was not available for {seconds} s of {month}: event {receipt.sequence}")
        print(stated.evidence)

    @group.command
    def score(
        contract: str,
        month: str,
        party: str,
        *,
        measure: Annotated[Measure, Parameter(help="the contract's measure of service")],
        planned: Annotated[
            Planned | None, Parameter(help="of availability: whether planned work counts against it")
        ] = None,
        zone: Annotated[str, Parameter(help="whose month it is")] = "Asia/Shanghai",
        by: As,
    ) -> None:
        """Record PARTY's score of MONTH for a contract that divides by service, as its work orders tell.

        A score that is on record already, with the same evidence, is not recorded again. A clause divides by
        scores of one measure: that which the contract states, else that of the month's other scores.
        """
        with session.open() as stack:
            of = Month.parse(month)
            interval = of.interval(zone_of(zone))
            orders, devices = _orders(stack)
            served = Served(_contract_sites(stack, contract), devices)
            found = work_score(orders, party, interval, measure, served=served, planned=planned)
            state = stack.door.state(f"service.{contract}")
            held = state if isinstance(state, ServiceScores) else ServiceScores()
            recorded = held.scores.get(str(of), {}).get(party)
            if recorded == found and held.measure(of, party) == measure:
                print(f"score {found.score} of {party} for {of}: on record already")
                return
            command = RecordServiceScore(contract, of, found, measure)
            submit_to(stack, command, by, f"score {found.score} of {party} for {of}")
        print(found.evidence)

    @group.command(name="satisfaction")
    def show_satisfaction(
        month: str, *, site: str | None = None, zone: str = "Asia/Shanghai", as_of: AsOf = None
    ) -> None:
        """Show the mean rating of the work that was done in MONTH, with the number of ratings."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = device_care.work_orders(connection, position, site=site)
        of = satisfaction((one.order for one in found), Month.parse(month).interval(zone_of(zone)))
        mean = "none" if of.mean is None else f"{_hundredths(of.mean)} of 5"
        print(f"satisfaction {mean}, {of.count} rated")


def _milestones(app: App, session: Session) -> None:
    group = App(name="milestone", help="Grid-code status and project milestones of sites.")
    app.command(group)

    @group.command(name="state")
    def state_milestone(
        site: str,
        kind: MilestoneKind,
        *,
        due: date | None = None,
        done: date | None = None,
        evidence: Annotated[str, Parameter(help="what proves that it was reached")] = "",
        by: As,
    ) -> None:
        """State when a milestone of SITE is due, or when it was reached; a newer statement replaces it."""
        milestone = Milestone(kind=kind, due=due, done=done, evidence=evidence)
        _execute(session, StateMilestone(site, milestone, by), by, f"milestone {kind} of {site}")

    @group.command(name="list")
    def list_milestones(site: str, *, as_of: AsOf = None) -> None:
        """List what was stated last of each of SITE's milestones."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = device_care.milestones(connection, position, site)
        for one in found:
            state = f"reached {one.done}: {one.evidence}" if one.done else f"due {one.due}"
            print(f"{one.kind:<24}{state}")


def _execute(session: Session, command: TimedCommand, by: str, what: str) -> None:
    with session.open() as stack:
        receipt = stack.door.execute(command, command_id=once(), actor=by)
    print(f"{what}: event {receipt.sequence}")


def _orders(stack: Stack) -> tuple[tuple[WorkOrder, ...], dict[str, int]]:
    """Every work order, and the energy of every device."""
    position = moment(stack, None).position
    with stack.database.reading(stack.settings.book) as connection:
        found = device_care.work_orders(connection, position)
        return tuple(one.order for one in found), _energies(connection, position)


def _energies(connection: Connection, position: int) -> dict[str, int]:
    rows = registered_page.page(connection, "device", Device, position, limit=100_000)
    return {one.id: one.document.energy_wh for one in rows}


def _site(stack: Stack, name: str) -> Site:
    history = stack.door.state(f"site.{name}")
    if not isinstance(history, History):
        raise Refused("unknown_site", f"no site {name!r} is registered", place="SITE")
    document = history.latest.document
    assert isinstance(document, Site)
    return document


def _contract_sites(stack: Stack, contract: str) -> dict[str, int]:
    """The Wh of each site of the contract's newest version."""
    history = stack.door.state(f"contract.{contract}")
    if not isinstance(history, History):
        raise Refused("unknown_contract", f"no contract {contract!r} is registered", place="CONTRACT")
    document = history.latest.document
    assert isinstance(document, Contract)
    return {name: _site(stack, name).storage_energy_wh for name in document.sites}


def _outage(text: str) -> Outage:
    start, slash, end = text.partition("/")
    if not slash:
        raise Refused("interval", f"{text!r} is not START/END", place="--outage")
    return Outage(_instant(start, "--outage"), _instant(end, "--outage"))


def _instant(text: str, place: str) -> datetime:
    try:
        return msgspec.convert(text, Instant)
    except msgspec.ValidationError:
        allowed = "an instant with its offset such as 2026-08-01T00:00:00Z"
        raise Refused("instant", f"{text!r} is not {allowed}", place=place) from None


def _hundredths(value: Fraction) -> str:
    whole = int(value * 100 + Fraction(1, 2))
    return f"{whole // 100}.{whole % 100:02}"
