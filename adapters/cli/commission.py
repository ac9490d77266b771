"""Commands about commissioning: the step test of a device, and what tests found."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from adapters.cli.as_of import AsOf, moment
from adapters.cli.close import As
from adapters.cli.session import Session
from adapters.commissioning.commissioning import clock_ms, commission
from adapters.commissioning.connection import Bearing, Bounded, OnRecord, bounded, on_record, unmeasured
from adapters.commissioning.other_tests import refuse_beside
from adapters.driving import fleet_file
from adapters.driving.driver_folder import DriverFolder
from adapters.driving.fleet_file import FleetDevice
from adapters.driving.port import DevicePort
from adapters.driving.reached import reached
from adapters.queries import device_care
from adapters.queries.prequalification import prequalification as read_prequalification
from adapters.queries.prequalification import report_lines
from adapters.settling import lowest_position
from dispatch.commissioning.report import CommissioningReport
from dispatch.commissioning.report_text import report_text
from dispatch.commissioning.step_plan import step_plan
from dispatch.commissioning.step_result import StepResult
from ledger.interval import Month
from ledger.refusal import Refused

Format = Literal["text", "json"]


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="commission", help="The step test that a device passes before it is dispatched.")
    app.command(group)
    _prequalification(app, session)

    @group.default
    def test(
        device: str,
        *,
        fleet: Annotated[
            Path | None, Parameter(help="the file with its address; if not stated WATTLEDGER_DEVICES")
        ] = None,
        meter: Annotated[
            str | None, Parameter(help="a meter of the fleet file that sees the device's power alone")
        ] = None,
        step_w: Annotated[int | None, Parameter(help="the first steps; a fifth of the full power")] = None,
        discharge_w: Annotated[
            int | None, Parameter(help="the full power out, where the connection bears less than the device")
        ] = None,
        charge_w: Annotated[int | None, Parameter(help="the full power in")] = None,
        format: Format = "text",
        by: As,
    ) -> int:
        """Test DEVICE by steps, with power, and record the report; ends with 1 when it does not pass.

        It drives the device to its full power both ways and then falls silent. Somebody should stand by.
        """
        devices = _fleet(fleet or session.settings.devices)
        found = _of(devices, device, "DEVICE")
        beside = None if meter is None else _of(devices, meter, "--meter")
        run = f"commission-{secrets.token_hex(4)}"

        def told(result: StepResult) -> None:
            if format == "text":
                print(f"{result.step}: {result.verdict}", flush=True)

        settings = session.settings
        folder = DriverFolder(settings.state / "driving" / settings.book)
        with session.open() as stack:
            stack.caught_up()
            moment_now = stack.clock()
            with stack.database.reading(settings.book) as connection:
                record = on_record(connection, lowest_position(connection), found.id, devices, moment_now)
            # Before its power is read, which tells nothing of the connection while the other runs.
            refuse_beside(stack.door, record.others, moment_now, folder.holders)

            def reach(*each: FleetDevice) -> dict[str, DevicePort]:
                return reached(each, run, lambda: clock_ms(stack.clock))

            stated = {"discharge_w": discharge_w, "charge_w": charge_w}
            bounds = _bounds(record, found, reach, stated)
            if bounds.why and format == "text":
                print(f"{bounds.discharge_w or 'all'} W out, {bounds.charge_w or 'all'} W in: {bounds.why}")
            plan = step_plan(
                found.profile,
                step_w=step_w,
                discharge_w=bounds.discharge_w,
                charge_w=bounds.charge_w,
                safe_w=found.safe_w,
            )
            ports = reach(found, *([] if beside is None else [beside]), *record.meters)
            report, receipt = commission(
                stack.door,
                stack.clock,
                found,
                ports[found.id],
                plan,
                by=by,
                meter_port=None if beside is None else ports[beside.id],
                meter=meter or "",
                told=told,
                bearing=_bearing(record, ports, found),
                holders=folder.holders,
                others=record.others,
            )
        if format == "text":
            print()
        _print(report, format)
        if format == "text":
            print(f"recorded: event {receipt.sequence}")
        return 0 if report.passed else 1

    @group.command
    def show(device: str, *, format: Format = "text", as_of: AsOf = None) -> None:
        """Show the newest step test of DEVICE."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = device_care.step_tests(connection, position, device)
        if not found:
            raise Refused("unknown_commissioning", f"device {device!r} was never tested", place="DEVICE")
        _print(found[-1].report, format)


def _prequalification(app: App, session: Session) -> None:
    @app.command
    def prequalification(
        unit: str,
        *,
        month: Annotated[str | None, Parameter(help="with the availability of this month")] = None,
        format: Format = "text",
        as_of: AsOf = None,
    ) -> None:
        """Show what a trading unit's devices were proven to do: capability, ramps, latency, availability.

        A step of a test that passed by the device's own reading, and that no meter saw, is unmetered.
        """
        of = None if month is None else Month.parse(month)
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = read_prequalification(connection, position, unit, of)
        if format == "json":
            print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
            return
        print("\n".join(report_lines(found)))


def _print(report: CommissioningReport, format: Format) -> None:
    if format == "text":
        print(report_text(report))
        return
    verdict = {"passed": report.passed, "failed_step": report.failed_step}
    whole = verdict | msgspec.to_builtins(report)
    print(msgspec.json.format(msgspec.json.encode(whole), indent=2).decode())


def _bearing(record: OnRecord, ports: Mapping[str, DevicePort], device: FleetDevice) -> Bearing | None:
    if record.terms is None or not record.meters:
        return None
    meters = [ports[one.id] for one in record.meters]
    return Bearing(record.site, record.terms.import_w, record.terms.export_w, ports[device.id], meters)


def _bounds(
    record: OnRecord,
    device: FleetDevice,
    reach: Callable[..., dict[str, DevicePort]],
    stated: Mapping[str, int | None],
) -> Bounded:
    """The full powers that the connection bears now, read before anything is on record."""
    unmeasured(record, stated)
    ports = reach(device, *record.meters)
    bearing = _bearing(record, ports, device)
    if bearing is None:
        return Bounded(stated["discharge_w"], stated["charge_w"], "")

    async def measured(bearing: Bearing) -> Bounded:
        try:
            return await bounded(bearing, device.profile, stated)
        finally:
            for port in ports.values():
                await port.close()

    return asyncio.run(measured(bearing))


def _fleet(file: Path | None) -> tuple[FleetDevice, ...]:
    if file is None:
        raise Refused("file", "name the fleet file, or set WATTLEDGER_DEVICES to it", place="--fleet")
    try:
        return fleet_file.load(file)
    except OSError as error:
        raise Refused("file", f"{file}: {error.strerror}", place="--fleet") from None


def _of(devices: tuple[FleetDevice, ...], name: str, place: str) -> FleetDevice:
    found = next((one for one in devices if one.id == name), None)
    if found is None:
        known = ", ".join(one.id for one in devices)
        raise Refused("unknown_device", f"the fleet file has no {name!r}: {known}", place=place)
    return found
