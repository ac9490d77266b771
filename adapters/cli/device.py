"""Commands about what devices are told: a day's commands, the lease, the schedule they fall back to."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from adapters.cli import given_file
from adapters.cli.as_of import AsOf, moment
from adapters.cli.close import As
from adapters.cli.session import Session
from adapters.cli.submitting import once
from adapters.decoder_refusal import decoder_refusal
from adapters.driving.undriven_plans import undriven_plans
from adapters.postgres.database import Connection
from adapters.queries import told_devices
from adapters.queries.as_of import recorded_at_max
from adapters.queries.told_devices import CommandsShown, FallbackShown, LeaseShown
from dispatch.control.command_life import Command
from dispatch.control.fallback import AcknowledgeFallback, FallbackSchedule, StoreFallback
from ledger.interval import zone_of
from ledger.refusal import Refused

_WHAT = "a fallback schedule in JSON: device, start, interval_s, setpoint_w"


class DeviceTold(msgspec.Struct, frozen=True):
    """All that stands about what a device is told; None where there is none."""

    commands: CommandsShown
    lease: LeaseShown | None
    fallback: FallbackShown | None


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="device", help="What devices are told, by whom, and what they fall back to.")
    app.command(group)

    @group.command
    def show(
        name: str,
        *,
        day: Annotated[
            date | None, Parameter(help="a local day of its site; if not stated today, or that of --as-of")
        ] = None,
        format: Literal["text", "json"] = "text",
        as_of: AsOf = None,
    ) -> None:
        """Show what device NAME was told on a day, how far each command came, its lease and its fallback.

        The day is its site's, as plans have it; times are UTC, and commands are numbered by UTC days.
        """
        with session.open() as stack:
            at = moment(stack, as_of)
            with stack.database.reading(stack.settings.book) as connection:
                instant = at.instant or recorded_at_max(connection, at.position)
                zone = told_devices.site_zone(connection, at.position, name)
                of = day or instant.astimezone(zone_of(zone)).date()
                found = _told(connection, at.position, name, of)
        if format == "json":
            print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        else:
            print("\n".join(_rows(found, instant, zone)))

    @group.command
    def undriven(*, format: Literal["text", "json"] = "text", as_of: AsOf = None) -> None:
        """Show the registered storages that no living driver holds: nobody tells them anything.

        A driver that died holds its leases for a quarter of an hour at most. A battery that is driven
        through its converter, which is registered beside it, is among them. A site that is planned now and
        of whose storages nobody drives one is told, with its plan.
        """
        with session.open() as stack:
            at = moment(stack, as_of)
            with stack.database.reading(stack.settings.book) as connection:
                instant = at.instant or recorded_at_max(connection, at.position)
                found = told_devices.undriven(connection, at.position, instant)
                plans = undriven_plans(connection, at.position, instant, found)
        if format == "json":
            whole = msgspec.to_builtins(found) | {"plans": msgspec.to_builtins(plans)}
            print(msgspec.json.format(msgspec.json.encode(whole), indent=2).decode())
            return
        for one in found.items:
            last = (
                "never driven" if one.since is None else f"{one.holder} up to {one.since:%Y-%m-%dT%H:%M:%SZ}"
            )
            print(f"{one.device} at {one.site}: {last}")
        print(f"{len(found.items)} of {found.count} storages have no driver")
        for plan in plans:
            to = f"to {plan.until:%Y-%m-%dT%H:%M:%SZ}, {plan.planned_w} W now"
            print(f"{plan.site} is planned {to}, and nobody drives it: {plan.plan}")

    @group.command
    def fallback(file: Path, *, by: As) -> None:
        """Store the schedule of a JSON file, which its device's site is to follow when it hears nothing."""
        data = given_file.read(file, _WHAT)
        try:
            schedule = msgspec.json.decode(data, type=FallbackSchedule)
        except msgspec.ValidationError as error:
            raise decoder_refusal(error, FallbackSchedule) from None
        except msgspec.DecodeError as error:
            raise Refused("json", f"{file} is not JSON: {error}", place=str(file)) from None
        with session.open() as stack:
            receipt = stack.door.execute(StoreFallback(schedule, by), command_id=once(), actor=by)
        print(f"fallback of {schedule.device}: SHA-256 {schedule.digest}, event {receipt.sequence}")

    @group.command
    def acknowledge(
        name: str,
        digest: Annotated[str, Parameter(help="SHA-256 that the site worked out from what it holds")],
        *,
        by: As,
    ) -> None:
        """Tell that the site of device NAME holds the fallback schedule of that DIGEST."""
        with session.open() as stack:
            receipt = stack.door.execute(AcknowledgeFallback(name, digest), command_id=once(), actor=by)
        print(f"fallback of {name} is held: event {receipt.sequence}")


def _told(connection: Connection, position: int, name: str, day: date) -> DeviceTold:
    commands = told_devices.local_commands(connection, position, name, day)
    lease: LeaseShown | None = None
    fallback: FallbackShown | None = None
    try:
        lease = told_devices.lease(connection, position, name)
    except Refused as refused:
        if refused.code != "unknown_lease":
            raise
    try:
        fallback = told_devices.fallback(connection, position, name)
    except Refused as refused:
        if refused.code != "unknown_fallback":
            raise
    return DeviceTold(commands, lease, fallback)


def _rows(found: DeviceTold, now: datetime, zone: str) -> list[str]:
    told = found.commands
    rows = [f"device {told.device} on {told.day} ({zone}, times UTC): {_read(found, now)}"]
    if found.lease is None:
        rows.append("nobody ever held its lease")
    else:
        lease = found.lease.lease
        rows.append(
            f"lease: {lease.holder}, token {lease.token}, to {lease.until:%Y-%m-%dT%H:%M:%SZ},"
            f" free from {found.lease.free_at:%Y-%m-%dT%H:%M:%SZ}"
        )
    if found.fallback is None:
        rows.append("no fallback is stored")
    else:
        held = "the site holds it" if found.fallback.agreed else "the site does not hold it"
        kept = "its driver has it" if found.fallback.kept else "no driver has it"
        rows.append(f"fallback: SHA-256 {found.fallback.digest[:16]}, {held}, {kept}")
    rows += [_row(one) for one in told.items] or ["it was told nothing"]
    return rows


def _read(found: DeviceTold, now: datetime) -> str:
    """What the record says of the setpoint: what was read last, and whether anybody would know of another."""
    told = found.commands
    written = [one for one in told.items if one.written_at is not None]
    if told.standing_w is None or not written:
        return "nobody knows what it has"
    last = max(written, key=lambda one: (one.written_at, one.sequence))
    expires_at, lease = last.setpoint.expires_at, found.lease
    band = f", a signal may move it by {last.setpoint.band_w} W" if last.setpoint.band_w else ""
    read = f"{told.standing_w} W was read back last, of {last.sequence} of {last.written_at:%H:%M:%S}{band}"
    if expires_at <= now:
        return f"nobody knows what it has; {read}, which was over at {expires_at:%H:%M:%S}"
    if lease is None or lease.lease.until <= now:
        return f"nobody knows what it has; {read}, and nobody drives it now"
    return (
        f"{read}, which holds to {expires_at:%H:%M:%S}; a change that no driver has read since is not in it"
    )


def _row(one: Command) -> str:
    point = one.setpoint
    band = f" ±{point.band_w} W" if point.band_w else ""
    what = f"{point.setpoint_w} W{band} to {point.expires_at:%H:%M:%S} ({point.origin}: {point.cause})"
    parts = [f"{one.sequence:>4} {one.at:%H:%M:%S} {what} {one.status}"]
    if one.superseded_by:
        parts.append(f"by {one.superseded_by}")
    if one.interlocks:
        parts.append(f"forbidden by {', '.join(one.interlocks)}")
    if one.written_at is not None:
        parts.append(f"written {one.written_at:%H:%M:%S}")
    if one.found_w is not None:
        parts.append(f"read {one.found_w} W")
    if one.meter:
        parts.append(f"seen by {one.meter}: {one.measured_w} W")
    if one.writer is not None:
        parts.append(f"overwritten by {one.writer}")
    return "; ".join(parts)
