"""Commands about disputes of issued statements: raise one, decide it, name what corrects it, list them."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from adapters import lives
from adapters.cli.as_of import AsOf, moment
from adapters.cli.close import As
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.cli.submitting import once, submit_to
from adapters.documents.readable import readable_sum
from adapters.queries import lives as life_rows
from adapters.stack import Stack
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.run import Runs
from ledger.statement.asking import first_disputable
from ledger.statement.dispute import CorrectDispute, DecideDispute, Decision, RaiseDispute
from ledger.statement.held_back import held_back
from ledger.statement.life import Dispute, DisputeStatus, Life, StatementKey

Run = Annotated[
    int | None,
    Parameter(
        help="the statement's run; if not stated, the first on which the lines are open, or the disputed one"
    ),
]

_CORRECTING = "; name the run that corrects it with --with-run"


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="dispute", help="Objections to lines of an issued statement; only they are frozen.")
    app.command(group)

    @group.command(name="raise")
    def raise_dispute(
        contract: str,
        month: str,
        party: str,
        name: Annotated[str, Parameter(help="the dispute's id")],
        *lines: Annotated[int, Parameter(help="the numbers of the statement's lines")],
        reason: str,
        by: As,
        run: Run = None,
    ) -> None:
        """Object to lines of an issued statement, while it may be queried."""
        with session.open() as stack:
            found = [one for one in _lives(stack, contract, month, party) if one.issued_on is not None]
            today = lives.today(stack.door, stack.clock)
            named = run is not None or not found
            missing = f"no issued statement of {month} to {party} under {contract}"
            life = _latest(found, run, missing) if named else first_disputable(found, lines, today)
            command = RaiseDispute(life.key, name, lines, reason, by, today)
            receipt = stack.door.execute(command, command_id=once(), actor=by)
            stands, raised = _of(stack, life.key, name)
        print(
            f"dispute {name}: {_numbers(raised)}, {readable_sum(stands.frozen_by(name))}"
            f" of {life.key.aggregate} frozen, to be answered until {raised.answer_until},"
            f" event {receipt.sequence}"
        )
        print(f"    {held_back(stands, raised)}")

    @group.command
    def decide(
        contract: str,
        month: str,
        party: str,
        name: str,
        decision: Decision,
        *,
        answer: Annotated[str, Parameter(help="what the party reads")],
        by: As,
        run: Run = None,
    ) -> None:
        """Uphold or reject a dispute, with the answer that its party reads.

        A rejected one frees its lines; an upheld one keeps them frozen until a run corrects them, or until
        another person rejects it after all, since settling again changes nothing.
        """
        with session.open() as stack:
            key = _disputed(stack, contract, month, party, name, run)
            command = DecideDispute(key, name, decision, answer, by)
            submit_to(stack, command, by, f"dispute {name} {decision}")

    @group.command
    def correct(
        contract: str,
        month: str,
        party: str,
        name: str,
        *,
        by: As,
        with_run: Annotated[
            int | None, Parameter(help="the run whose delta ends the dispute; the latest, if not stated")
        ] = None,
        run: Run = None,
    ) -> None:
        """End an upheld dispute: name the later run whose delta corrects its lines."""
        with session.open() as stack:
            key = _disputed(stack, contract, month, party, name, run, _CORRECTING)
            runs = stack.door.state(f"settlement.{key.contract}_{key.month}")
            assert isinstance(runs, Runs), "a disputed statement is of a run"
            latest = runs.latest
            assert latest is not None, "a disputed statement is of a run"
            number = latest.number if with_run is None else with_run
            receipt = stack.door.execute(CorrectDispute(key, name, number), command_id=once(), actor=by)
            delta = next(
                (run.delta[party] for run in runs.runs if run.number == number and party in run.delta), None
            )
        print(f"dispute {name}: corrected by run {number}, delta {delta}, event {receipt.sequence}")

    @group.command(name="list")
    def list_disputes(
        month: str | None = None,
        *,
        party: Annotated[str | None, Parameter(help="only this party's")] = None,
        status: Annotated[DisputeStatus | None, Parameter(help="only those that stand so")] = None,
        as_of: AsOf = None,
    ) -> None:
        """List disputes with what they freeze and how they were answered."""
        wanted = None if month is None else str(Month.parse(month))
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = life_rows.page(connection, position, month=wanted, party=party)
        shown = [
            (life, one) for life in found for one in life.disputes if status is None or one.status == status
        ]
        for life, one in shown:
            print("\n".join(_told(life, one)))
        print(f"{counted(len(shown), 'dispute')}")


def _told(life: Life, one: Dispute) -> list[str]:
    key = life.key
    ended = "" if one.corrected_by_run is None else f" by run {one.corrected_by_run}"
    waits = f", to be answered until {one.answer_until}" if one.status == "open" else ""
    holds = f", {readable_sum(life.frozen_by(one.id))} frozen" if one.freezes else ""
    of = f"{key.contract} {key.month} {key.party} run {key.run}"
    lines = [
        f"{one.id}  {one.status}{ended}  {of}: {_numbers(one)}, {readable_sum(one.amount)}{holds}{waits}",
        f"    raised by {one.raised_by} on {one.raised_on}: {one.reason}",
    ]
    if one.freezes:
        lines.append(f"    {held_back(life, one)}")
    if one.upheld is not None:
        lines.append(f"    upheld first by {one.upheld.decided_by}: {one.upheld.answer}")
    if one.answer:
        lines.append(f"    answered by {one.decided_by}: {one.answer}")
    return lines


def _numbers(one: Dispute) -> str:
    numbers = ", ".join(str(line) for line in one.lines)
    return f"line{'s' if len(one.lines) > 1 else ''} {numbers}"


def _lives(stack: Stack, contract: str, month: str, party: str) -> list[Life]:
    """The party's statements of a month, by run."""
    name = str(Month.parse(month))
    position = stack.caught_up()
    with stack.database.reading(stack.settings.book) as connection:
        found = life_rows.page(connection, position, month=name, party=party)
    return sorted((one for one in found if one.key.contract == contract), key=lambda one: one.key.run)


def _latest(found: list[Life], run: int | None, missing: str, otherwise: str = "") -> Life:
    """Raises:
    Refused: `unknown_statement`, with what else may be meant."""
    asked = [one for one in found if run is None or one.key.run == run]
    if not asked:
        runs = ", ".join(str(one.key.run) for one in found)
        there = f"; there is run {runs}" if runs else ""
        of = "" if run is None else f", run {run}"
        raise Refused(
            "unknown_statement",
            f"{missing}{of}{there}{otherwise if run else ''}",
            place="run" if run else "party",
        )
    return asked[-1]


def _disputed(
    stack: Stack,
    contract: str,
    month: str,
    party: str,
    name: str,
    run: int | None,
    otherwise: str = "",
) -> StatementKey:
    """The statement on which the dispute is.

    Raises:
        Refused: `unknown_dispute`, listing those of the party's month.
    """
    found = _lives(stack, contract, month, party)
    of_name = [one for one in found if any(dispute.id == name for dispute in one.disputes)]
    if not of_name and found:
        there = ", ".join(dispute.id for one in found for dispute in one.disputes) or "none"
        raise Refused(
            "unknown_dispute", f"no dispute {name!r} of {month} by {party}; there is: {there}", place="name"
        )
    return _latest(
        of_name, run, f"no statement with dispute {name} of {month} to {party} under {contract}", otherwise
    ).key


def _of(stack: Stack, key: StatementKey, name: str) -> tuple[Life, Dispute]:
    life = stack.door.state(key.aggregate)
    assert isinstance(life, Life), "it was disputed"
    return life, next(one for one in life.disputes if one.id == name)
