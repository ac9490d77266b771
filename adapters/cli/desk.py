"""Commands about the desk: its risk policy, its switch, what units can do and are committed to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from cyclopts import App, Parameter

from adapters.cli import given_file
from adapters.cli.as_of import AsOf, moment
from adapters.cli.bid_text import quarter_hours
from adapters.cli.close import As
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.cli.submitting import once
from adapters.decoder_refusal import decoder_refusal
from adapters.desk.bid_csv import mw
from adapters.queries.as_of import recorded_at_max
from adapters.queries.desk_rules import DeskRules, StatedPolicy, desk_rules, prepared_policy
from adapters.queries.unit_day import UnitDayAnswer, unit_day
from ledger.clauses.flow import grouped
from ledger.effective import Period
from ledger.interval import midnight, zone_of
from ledger.refusal import Refused
from trading import risk, risk_file
from trading.commitment import StateDayEnvelope
from trading.envelope import DayEnvelope, StateEnvelope, UnitEnvelope

_DIGEST_MIN = 8

Reason = Annotated[str, Parameter(help="why; it is on record")]
T = TypeVar("T", UnitEnvelope, DayEnvelope)


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="desk", help="The trading desk: risk policy, kill switch, envelopes of units.")
    app.command(group)
    _add_rules(group, session)
    _add_units(group, session)


def _add_rules(group: App, session: Session) -> None:
    @group.command
    def policy(file: Path, *, by: As) -> None:
        """Prepare the desk's risk policy from a TOML file (examples/risk); another person approves it."""
        found = risk_file.parse(given_file.read(file, "a risk policy in TOML (examples/risk/desk.toml)"))
        with session.open() as stack:
            command = risk.PreparePolicy(found, by)
            receipt = stack.door.execute(command, command_id=once(), actor=by)
        digest = StatedPolicy.of(found).digest
        print(f"risk policy prepared: digest {digest[:16]} waits for approval, event {receipt.sequence}")

    @group.command
    def approve(
        *,
        digest: Annotated[
            str, Parameter(help="of the policy read: the first 8 or more characters that desk show prints")
        ],
        by: As,
    ) -> None:
        """Put the prepared policy in force, as another person than who prepared it."""
        with session.open() as stack:
            if len(digest) < _DIGEST_MIN:
                raise Refused("risk_policy", f"{_DIGEST_MIN} or more characters", place="--digest")
            found = prepared_policy(stack.door.state(risk.AGGREGATE), digest)
            command = risk.ApprovePolicy(found, by)
            receipt = stack.door.execute(command, command_id=once(), actor=by)
        print(f"risk policy in force: event {receipt.sequence}")

    @group.command
    def stop(reason: Reason, *, by: As) -> None:
        """Stop trading at once: nothing is submitted or sent, and gateways ask back what they can."""
        with session.open() as stack:
            command = risk.StopTrading(by, reason)
            receipt = stack.door.execute(command, command_id=once(), actor=by)
        print(f"trading is stopped: event {receipt.sequence}")

    @group.command
    def resume(reason: Reason, *, by: As) -> None:
        """Trade again, as another person than who stopped it."""
        with session.open() as stack:
            command = risk.ResumeTrading(by, reason)
            receipt = stack.door.execute(command, command_id=once(), actor=by)
        print(f"trading goes on: event {receipt.sequence}")

    @group.command
    def show(*, format: Literal["text", "json"] = "text", as_of: AsOf = None) -> None:
        """Show the policy in force and the one that waits, the switch, and how far each limit is used."""
        with session.open() as stack:
            at = moment(stack, as_of)
            with stack.database.reading(stack.settings.book) as connection:
                instant = at.instant or recorded_at_max(connection, at.position)
                found = desk_rules(connection, at.position, instant)
        if format == "json":
            print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        else:
            print("\n".join(_rules(found)))


def _add_units(group: App, session: Session) -> None:
    @group.command
    def envelope(
        unit: str,
        file: Path,
        *,
        since: Annotated[
            date | None, Parameter(name="--from", help="the unit's local day from which it holds")
        ] = None,
        until: Annotated[date | None, Parameter(name="--to", help="the first local day without it")] = None,
        day: Annotated[date | None, Parameter(help="for this delivery day alone")] = None,
        by: As,
    ) -> None:
        """State what a trading unit can do, from a JSON file: standing with --from, or for one --day."""
        if (since is None) == (day is None) or (day is not None and until is not None):
            allowed = "state --from (and --to) for a standing envelope, or --day for one day's"
            raise Refused("envelope", allowed, place="--from")
        text = given_file.read(file, "an envelope in JSON (docs/trading.md has one)")
        with session.open() as stack:
            command: StateDayEnvelope | StateEnvelope
            if day is not None:
                command = StateDayEnvelope(unit, day, _decoded(text, DayEnvelope, file))
            else:
                assert since is not None, "one of the two is stated"
                position = stack.caught_up()
                with stack.database.reading(stack.settings.book) as connection:
                    zone = zone_of(unit_day(connection, position, unit, since).zone)
                end = None if until is None else midnight(until, zone).astimezone(UTC)
                period = Period(midnight(since, zone).astimezone(UTC), end)
                command = StateEnvelope(unit, period, _decoded(text, UnitEnvelope, file))
            receipt = stack.door.execute(command, command_id=once(), actor=by)
        print(f"envelope of {unit}{'' if day is None else f' on {day}'}: event {receipt.sequence}")

    @group.command(name="unit-day")
    def show_day(
        unit: str, day: date, *, format: Literal["text", "json"] = "text", as_of: AsOf = None
    ) -> None:
        """Show what a unit can do on a delivery day, and what it is committed to."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = unit_day(connection, position, unit, day)
        if format == "json":
            print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        else:
            print("\n".join(_day(found)))


def _decoded(text: bytes, kind: type[T], file: Path) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise decoder_refusal(error, kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused("json", f"{file} is not JSON: {error}", place=str(file)) from None


def _rules(found: DeskRules) -> Iterator[str]:
    for stop in found.stops:
        yield f"TRADING IS STOPPED by {stop.by}: {stop.reason}"
    if found.in_force is None:
        yield "no risk policy is in force: nothing can be submitted"
    else:
        yield f"risk policy {found.in_force.digest[:16]} in force, matrix {found.in_force.policy.exclusivity}"
        yield from _policy(found.in_force)
    if found.prepared is not None:
        yield f"risk policy {found.prepared.digest[:16]} prepared by {found.prepared_by} waits for approval"
        yield from _policy(found.prepared)
    for one in found.limits:
        when = "open book" if one.day is None else f"{one.day}"
        unit = "Wh" if one.currency is None else one.currency
        yield (
            f"used: {one.limit} of {one.each} {one.value}, {when}: {grouped(one.used)} of {grouped(one.most)}"
            f" {unit} ({', '.join(one.bids)})"
        )


def _policy(one: StatedPolicy) -> Iterator[str]:
    for limit in one.policy.limits:
        unit = "Wh" if limit.currency is None else limit.currency
        only = f" (only {', '.join(limit.only)})" if limit.only else ""
        most = f"{limit.measure} {grouped(limit.most)} {unit}"
        yield f"    limit {limit.id}: {most} a {limit.each}{only}, {limit.span}"
    for rule in one.policy.approvals:
        kinds = ", ".join(rule.kinds)
        others = counted(rule.persons, "other person")
        yield f"    {others} for {kinds} from {grouped(rule.above)} of exposure on"


def _day(found: UnitDayAnswer) -> Iterator[str]:
    yield f"unit {found.unit} on {found.day} ({found.zone}, {found.slots} quarter-hours)"
    if found.envelope is None:
        yield "nobody stated what it can do: it can offer nothing"
    else:
        limits = found.envelope.limits
        own = "of this day" if found.stated == "day" else "standing"
        yield (
            f"envelope {own}: discharge {mw(limits.discharge_w)} MW, charge {mw(limits.charge_w)} MW, stored"
            f" {mw(limits.stored_wh)} MWh of {mw(limits.floor_wh)} to {mw(limits.ceiling_wh)} MWh"
        )
    for one in found.commitments:
        whose = "" if one.of is None else f" of unit {one.of}"
        kind = "awarded" if one.awarded else "bound"
        yield f"{one.bid}{whose} ({one.product}, {one.stream}) {kind}"
        for span, up, down in quarter_hours(found, one):
            yield f"    {span}  discharge {mw(up)} MW, charge {mw(down)} MW"
    if not found.commitments:
        yield "committed to nothing"
    if found.short is not None:
        short = found.short
        yield (
            f"NOT COVERED: {', '.join(short.beside)} cannot be kept: up to {mw(max(short.up_w))} MW of"
            f" discharge, {mw(max(short.down_w))} MW of charge and {mw(short.energy_wh)} MWh of storage lack"
        )
