"""Commands for emergencies: stop, hold, limit export, respond now, end one, show them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from cyclopts import App, Parameter

from adapters.cli.as_of import AsOf, moment
from adapters.cli.close import As
from adapters.cli.session import Session
from adapters.cli.submitting import once
from adapters.queries.as_of import recorded_at_max
from adapters.queries.told_devices import EmergenciesShown, emergencies
from adapters.settings import Settings
from dispatch.control.emergency import EmergencyKind, EmergencyOrder, EndEmergency, OrderEmergency, Scope
from ledger.interval import Instant
from ledger.refusal import Refused

Reason = Annotated[str, Parameter(help="why; it is on record")]
Sites = Annotated[list[str] | None, Parameter(name="--site", negative=(), help="only this site; repeatable")]
Devices = Annotated[
    list[str] | None, Parameter(name="--device", negative=(), help="only this device; repeatable")
]
Until = Annotated[
    str | None, Parameter(help="until when, an instant with its offset; if not stated until it is ended")
]

_SILENT_S: Final = 0.2
"""So long nobody is told that a server is waited for."""


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="emergency", help="Emergencies come before every plan: order one, end one, show them.")
    app.command(group)

    def ordered(kind: EmergencyKind, reason: str, by: str, scope: Scope, **more: object) -> None:
        until = more.get("until")
        power = more.get("power_w")
        assert power is None or isinstance(power, int)
        order = EmergencyOrder(
            kind=kind, scope=scope, power_w=power, until=None if until is None else _instant(str(until))
        )
        with _awaited(session.settings, kind), session.open() as stack:
            command = OrderEmergency(order, by, reason)
            receipt = stack.door.execute(command, command_id=once(), actor=by)
        print(f"emergency {kind} ordered: event {receipt.sequence}")

    @group.command(name="stop-all")
    def stop_all(reason: Reason, *, site: Sites = None, device: Devices = None, by: As) -> None:
        """Stop everything at once; another person ends it.

        It needs NATS and PostgreSQL. Without them: wattledger drive --stop-all, on the driver's machine.
        """
        ordered("stop_all", reason, by, _scope(site, device))

    @group.command
    def hold(
        reason: Reason, *, site: Sites = None, device: Devices = None, until: Until = None, by: As
    ) -> None:
        """Let every device keep the setpoint that it has."""
        ordered("hold", reason, by, _scope(site, device), until=until)

    @group.command(name="limit-export")
    def limit_export(
        power_w: Annotated[int, Parameter(help="W that may leave each site at most")],
        reason: Reason,
        *,
        site: Sites = None,
        device: Devices = None,
        until: Until = None,
        by: As,
    ) -> None:
        """Let no more than POWER_W leave each site; nobody is made to charge by it."""
        ordered("limit_export", reason, by, _scope(site, device), power_w=power_w, until=until)

    @group.command(name="respond-now")
    def respond_now(
        power_w: Annotated[
            int,
            Parameter(help="W from all together, above 0 discharging", allow_leading_hyphen=True),
        ],
        reason: Reason,
        *,
        site: Sites = None,
        device: Devices = None,
        until: Until = None,
        by: As,
    ) -> None:
        """Give POWER_W from all devices together, in place of their plans."""
        ordered("respond_now", reason, by, _scope(site, device), power_w=power_w, until=until)

    @group.command
    def end(number: int, reason: Reason, *, by: As) -> None:
        """End the emergency of that NUMBER: plans hold again."""
        with session.open() as stack:
            receipt = stack.door.execute(EndEmergency(number, by, reason), command_id=once(), actor=by)
        print(f"emergency {number} is over: event {receipt.sequence}")

    @group.command
    def show(*, format: Literal["text", "json"] = "text", as_of: AsOf = None) -> None:
        """Show the emergencies that nobody ended."""
        with session.open() as stack:
            at = moment(stack, as_of)
            with stack.database.reading(stack.settings.book) as connection:
                now = at.instant or recorded_at_max(connection, at.position)
                found = emergencies(connection, at.position, now)
        if format == "json":
            print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        else:
            print("\n".join(_rows(found)))


@contextmanager
def _awaited(settings: Settings, kind: EmergencyKind) -> Iterator[None]:
    """Say what an order still waits for, and what needs no server, unless it is on record at once."""
    waits = f"waiting for {_servers(settings)}: no device is told before the order is on record"
    anyway = "wattledger drive --stop-all REASON --as WHO, on the driver's machine"
    said = f"{waits}\nwithout any server: {anyway}" if kind == "stop_all" else waits
    timer = threading.Timer(_SILENT_S, print, (said,), {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _servers(settings: Settings) -> str:
    """The servers that an order needs, without what proves to them who we are."""
    if settings.nats_url is None or settings.postgres_url is None:
        return f"NATS and PostgreSQL of {settings.state}"
    nats = [_place(one if "//" in one else f"//{one}") for one in settings.nats_url.split(",")]
    postgres = _place(settings.postgres_url)
    at = f" at {postgres}" if postgres else ""
    return f"NATS at {', '.join(nats)} and PostgreSQL{at}"


def _place(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _scope(sites: list[str] | None, devices: list[str] | None) -> Scope:
    if sites and devices:
        raise Refused("emergency_scope", "name sites or devices, not both", place="--site")
    if sites:
        return Scope("site", tuple(sites))
    return Scope("device", tuple(devices)) if devices else Scope("book")


def _instant(text: str) -> Instant:
    try:
        return msgspec.convert(text, Instant)
    except msgspec.ValidationError:
        allowed = "an instant with its offset such as 2026-08-01T00:00:00Z"
        raise Refused("instant", f"{text!r} is not {allowed}", place="--until") from None


def _rows(found: EmergenciesShown) -> list[str]:
    if not found.items:
        return [f"no emergency stands; {found.count} ever"]
    rows = []
    for shown in found.items:
        one = shown.emergency
        order = one.order
        what = order.kind if order.power_w is None else f"{order.kind} {order.power_w} W"
        where = f"{order.scope.kind} {', '.join(order.scope.names)}".rstrip()
        until = "" if order.until is None else f" until {order.until:%Y-%m-%dT%H:%M:%SZ}"
        over = "" if shown.stands else ", its time is over"
        rows.append(
            f"emergency {one.number}: {what}, {where}{until}{over}; {one.by} at {one.at:%Y-%m-%dT%H:%M:%SZ}:"
            f" {one.reason}"
        )
    return rows
