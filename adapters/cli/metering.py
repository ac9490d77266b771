"""Commands about meter data: validate a month, record register reads, substitute what is missing or wrong."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime, time
from typing import Annotated, Final, TypeVar

from cyclopts import App, Parameter

from adapters import substituting
from adapters.cli.as_of import AsOf, moment
from adapters.cli.counted import counted
from adapters.cli.session import ACTOR, Session
from adapters.method_choice import Choice, choose
from adapters.queries import registered
from adapters.queries.meter_month import Key
from adapters.queries.validation import Validated, validated
from adapters.settling import lowest_position
from adapters.substituting import Wanted
from ledger.interval import Interval, Month
from ledger.metering.finding import MeterFinding
from ledger.metering.method import (
    EfficiencyFactor,
    HoldFlat,
    LinearInterpolation,
    Method,
    MultiplierError,
    PvHours,
    ReferenceMeter,
    SimilarDays,
    WiringError,
    ZeroError,
)
from ledger.metering.register_read import RecordRegisterReads, RegisterRead
from ledger.metering.substitution import Replaces
from ledger.quantity import decimal_text, round_half_away
from ledger.readings import REGISTERS, instant_text
from ledger.refusal import Refused
from ledger.site import Site

T = TypeVar("T")

AUTO: Final = "auto"
_METHODS: Final = (
    AUTO, "linear_interpolation", "reference_meter", "efficiency_factor", "similar_days", "hold_flat",
    "zero_error", "multiplier_error", "wiring_error",
)  # fmt: skip


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="meter-data", help="Validate readings, and substitute what is missing or wrong.")
    app.command(group)

    @group.command
    def validate(month: str, *, site: str | None = None, as_of: AsOf = None) -> int:
        """Check a month of readings: range, registers, energy balance, sums, clock, gaps. Exit code 1 says
        that a value is missing, which keeps the month from being settled."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                sites = registered.load(connection, "site", Site, position).versions
                found = [
                    validated(connection, stack.settings.book, name, Month.parse(month), position)
                    for name in ([site] if site else sorted(sites))
                ]
        for one in found:
            print(validation_text(one))
        return 1 if any(finding.check == "missing" for one in found for finding in one.findings) else 0

    @group.command
    def read(
        register: Annotated[str, Parameter(help="METER/REGISTER, such as S1-STORAGE/charge")],
        at: Annotated[str, Parameter(help="when, with its offset: 2026-08-01T00:00+08:00")],
        total_wh: Annotated[int, Parameter(help="what it showed, times the multiplier, in Wh")],
        *,
        step_wh: Annotated[int, Parameter(help="what the last digit of the display is worth")] = 1,
    ) -> None:
        """Record what an accumulating register showed: a gap's energy is known from the reads around it."""
        meter, name = _key(register)
        instant = _instant(at, "at")
        command = RecordRegisterReads(
            meter, f"{instant:%Y-%m}", (RegisterRead(name, instant, total_wh, step_wh),)
        )
        with session.open() as stack:
            receipt = stack.door.record(command, actor=ACTOR)
        print(f"{meter}/{name} read {total_wh} at {instant_text(instant)}: event {receipt.sequence}")

    @group.command
    def substitute(
        register: Annotated[str, Parameter(help="METER/REGISTER, such as S1-STORAGE/charge")],
        *,
        since: Annotated[str, Parameter(name="--from", help="the gap's start, with its offset")],
        until: Annotated[str, Parameter(help="its end, not included")],
        reason: Annotated[str, Parameter(help="why; it is stored")],
        method: Annotated[str, Parameter(help=f"one of {', '.join(_METHODS)}")] = AUTO,
        replaces: Annotated[Replaces, Parameter(help="what is there now")] = "missing",
        reference: Annotated[str | None, Parameter(help="METER/REGISTER of the reference meter")] = None,
        day: Annotated[tuple[date, ...], Parameter(help="a similar day; four of them")] = (),
        pv_hours: Annotated[str | None, Parameter(help="when PV generates: 06:00-19:00")] = None,
        error_since: Annotated[str | None, Parameter(help="an error's period: last known right")] = None,
        error_until: Annotated[str | None, Parameter(help="an error's period: when it ended")] = None,
        percent: Annotated[str | None, Parameter(help="an error in percent, or its difference rate")] = None,
        multiplier: Annotated[str | None, Parameter(help="USED:ACTUAL of a wrong multiplier")] = None,
        dry_run: Annotated[bool, Parameter(help="compute and show only; record nothing")] = False,
    ) -> None:
        """Substitute one register's gap, or correct a meter's error. `auto` takes the first method, in the
        order of the metering rules, that can; and says why the ones before it cannot."""
        key = _key(register)
        gap = Interval(_instant(since, "from"), _instant(until, "until"))
        hours = None if pv_hours is None else _pv_hours(pv_hours)
        other = None if reference is None else _key(reference)
        with session.open() as stack:
            stack.caught_up()
            with stack.database.reading(stack.settings.book) as connection:
                position = lowest_position(connection)
                book = stack.settings.book
                chosen: Method
                if method == AUTO:
                    choice = choose(connection, book, key, gap, position, pv_hours=hours, reference=other)
                    print(choice_text(choice))
                    chosen = choice.method
                else:
                    chosen = _method(
                        method, other, day, hours, (error_since, error_until), percent, multiplier
                    )
                wanted = Wanted(*key, gap.start, gap.end, chosen, replaces, reason)
                commands = substituting.prepare(
                    connection, book, wanted, position, prepared_by=ACTOR, now=session.clock()
                )
            done = (
                [None] * len(commands)
                if dry_run
                else substituting.submit(
                    stack.door, commands, command_id=f"cli:{secrets.token_hex(8)}", actor=ACTOR
                )
            )
        for command, one in zip(commands, done, strict=True):
            total = sum(int(run.values.sum()) for run in command.runs)
            state = (
                "not recorded"
                if one is None
                else f"event {one.receipt.sequence}"
                if one.proposal is None
                else f"waits for another person as proposal {one.proposal}"
            )
            count = counted(sum(run.count for run in command.runs), "interval")
            print(f"{key[0]}/{key[1]} {command.month}: {count}, {total} Wh, quality"
                  f" {command.runs[0].quality}: {state}")  # fmt: skip
        if commands[0].levelling_wh:
            print(f"  {commands[0].levelling_wh} Wh of the registers' difference is left for levelling")


def validation_text(found: Validated) -> str:
    """The findings of a site's month, one a line, and how much of it was not measured."""
    share = decimal_text(round_half_away(found.share.of_energy * 1000), 1)
    lines = [f"{found.site} {found.month}: {counted(len(found.findings), 'finding')}, {share} % estimated"]
    lines += [f"  {_finding(one)}" for one in found.findings]
    return "\n".join(lines)


def _finding(one: MeterFinding) -> str:
    where = "site" if one.meter is None else f"{one.meter}/{one.register}"
    when = f"{instant_text(one.start)} to {instant_text(one.end)}, {counted(one.intervals, 'interval')}"
    if one.check == "missing":
        return f"missing            {where}: {when}"
    tolerance = f" +- {one.tolerance}" if one.tolerance else ""
    return f"{one.check:<18} {where}: {when}; {one.measured}, expected {one.expected}{tolerance} {one.unit}"


def choice_text(choice: Choice) -> str:
    """The chosen method and those that were passed over."""
    passed = [f"  not {one.method}: {one.reason}" for one in choice.passed_over]
    return "\n".join([*passed, f"  {choice.method.__struct_config__.tag}: {choice.wh} Wh"])


def _key(text: str) -> Key:
    meter, _, name = text.partition("/")
    for register in REGISTERS:
        if name == register:
            return meter, register
    raise Refused("register", f"{text!r} is not METER/REGISTER with one of {', '.join(REGISTERS)}")


def _instant(text: str, place: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(
            "instant", f"{text!r} is not an instant such as 2026-08-01T00:00+08:00", place=place
        ) from None
    if instant.tzinfo is None:
        raise Refused("naive_time", f"{text} needs its offset, such as +08:00", place=place)
    return instant.astimezone(UTC)


def _pv_hours(text: str) -> PvHours:
    start, _, end = text.partition("-")
    try:
        return PvHours(time.fromisoformat(start), time.fromisoformat(end))
    except ValueError as wrong:
        if isinstance(wrong, Refused):
            raise
        raise Refused("pv_hours", f"{text!r} is not hours such as 06:00-19:00", place="pv-hours") from None


def _method(
    name: str,
    reference: Key | None,
    days: tuple[date, ...],
    hours: PvHours | None,
    period: tuple[str | None, str | None],
    percent: str | None,
    multiplier: str | None,
) -> Method:
    """The method with its parameters.

    Raises:
        Refused: `not_allowed` for an unknown method, `required` for a parameter that it needs.
    """
    match name:
        case "linear_interpolation":
            return LinearInterpolation(hours)
        case "reference_meter":
            return ReferenceMeter(*_needed(reference, "reference"), hours)
        case "efficiency_factor":
            return EfficiencyFactor(*_needed(reference, "reference"), hours)
        case "similar_days":
            return SimilarDays(days, hours)
        case "hold_flat":
            return HoldFlat(_needed(hours, "pv-hours"))
        case "zero_error" | "multiplier_error" | "wiring_error":
            begin = _instant(_needed(period[0], "error-since"), "error-since")
            end = _instant(_needed(period[1], "error-until"), "error-until")
            if name == "multiplier_error":
                used, _, actual = _needed(multiplier, "multiplier").partition(":")
                if not (used.isascii() and used.isdigit() and actual.isascii() and actual.isdigit()):
                    raise Refused("multiplier", f"{multiplier!r} is not USED:ACTUAL", place="multiplier")
                return MultiplierError(begin, end, int(used), int(actual))
            rate = _needed(percent, "percent")
            return ZeroError(begin, end, rate) if name == "zero_error" else WiringError(begin, end, rate)
        case _:
            raise Refused("not_allowed", f"{name!r} is not one of {', '.join(_METHODS)}", place="method")


def _needed(value: T | None, option: str) -> T:
    if value is None:
        raise Refused("required", f"this method needs --{option}", place=option)
    return value
