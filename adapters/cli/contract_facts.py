"""Commands about a contract's facts: days that do not count, and services rendered."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.as_of import AsOf, moment
from adapters.cli.close import As
from adapters.cli.session import Session
from adapters.cli.submitting import submit
from adapters.queries.contract_facts import ContractFacts
from ledger.clauses.facts import Cause, Exclusion, ServiceScore
from ledger.interval import Month
from ledger.recorded_exclusion import RecordExclusion, WithdrawExclusion
from ledger.recorded_service import RecordServiceScore

Proof = Annotated[str, Parameter(help="the document that proves it")]


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    exclusion = App(name="exclusion", help="Days that a contract's carve-outs leave out, with evidence.")
    service = App(name="service-score", help="What parties rendered, where a contract divides by it.")
    app.command(exclusion)
    app.command(service)

    @exclusion.command
    def record(
        contract: str,
        name: str,
        cause: Cause,
        *,
        first: Annotated[date, Parameter(help="the first local day that does not count")],
        end: Annotated[date, Parameter(help="the first day that counts again")],
        evidence: Proof,
        by: As,
    ) -> None:
        """State days that do not count, or state NAME anew; months settled before are corrected when they
        are settled again."""
        stated = Exclusion(cause=cause, first=first, end=end, evidence=evidence)
        submit(session, RecordExclusion(contract, name, stated), by, f"exclusion {name} of {contract}")

    @exclusion.command
    def withdraw(contract: str, name: str, *, evidence: Proof, by: As) -> None:
        """Take an exclusion back: its days count again."""
        command = WithdrawExclusion(contract, name, evidence)
        submit(session, command, by, f"exclusion {name} of {contract} withdrawn")

    @exclusion.command(name="list")
    def list_exclusions(
        contract: str,
        *,
        as_of: AsOf = None,
        effective: Annotated[
            date | None, Parameter(help="only what leaves this day out (effective time)")
        ] = None,
    ) -> None:
        """List what is stated of a contract's days."""
        for one in _facts(session, as_of).exclusions(contract):
            stated = one.document.exclusion
            if effective is not None and not (stated and stated.first <= effective < stated.end):
                continue
            if stated is None:
                print(f"{one.document.name}  withdrawn, event {one.sequence}: {one.document.withdrawn_for}")
            else:
                print(
                    f"{one.document.name}  {stated.cause} {stated.first} to {stated.end},"
                    f" event {one.sequence}: {stated.evidence}"
                )

    @service.command(name="record")
    def record_score(
        contract: str,
        month: str,
        party: str,
        score: str,
        *,
        measure: Annotated[
            str, Parameter(help="what it counts, such as availability; the same for all parties of a clause")
        ] = "",
        evidence: Proof,
        by: As,
    ) -> None:
        """Record what PARTY rendered in MONTH, or record it anew; 0 says that it rendered nothing.

        A clause divides by scores of one measure: that which the contract states, else the month's others'.
        """
        found = ServiceScore(party=party, score=score, evidence=evidence)
        command = RecordServiceScore(contract, Month.parse(month), found, measure)
        submit(session, command, by, f"score of {party} for {month}")

    @service.command(name="list")
    def list_scores(
        contract: str,
        *,
        month: Annotated[str | None, Parameter(help="only of this month")] = None,
        as_of: AsOf = None,
    ) -> None:
        """List the scores that hold."""
        wanted = None if month is None else Month.parse(month)
        for one in _facts(session, as_of).services(contract):
            if wanted not in (None, one.document.month):
                continue
            score = one.document.score
            held = f"{one.document.month}  {score.party:<24}{score.score:>16}"
            measure = f" ({one.document.measure})" if one.document.measure else ""
            print(f"{held}{measure}  event {one.sequence}: {score.evidence}")


def _facts(session: Session, as_of: str | None) -> ContractFacts:
    with session.open() as stack:
        position = moment(stack, as_of).position
        with stack.database.reading(stack.settings.book) as connection:
            return ContractFacts(connection, position)
