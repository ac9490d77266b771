"""Commands about netting: positions with counterparties, agreements, nettings."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from cyclopts import App, Parameter

from adapters import lives
from adapters.cli.as_of import AsOf, EffectiveDay, moment
from adapters.cli.close import As
from adapters.cli.contract_facts import Proof
from adapters.cli.market_cash import Currency
from adapters.cli.session import Session
from adapters.cli.submitting import submit
from adapters.founded import book_of
from adapters.netting import net
from adapters.queries.netting import counterparties, nettings
from ledger.clauses.flow import grouped
from ledger.netting import AgreeNetting, NettingAgreement


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    netting = App(name="netting", help="What the book's owner and each counterparty owe each other.")
    app.command(netting)

    @netting.command
    def show(party: str | None = None, *, as_of: AsOf = None, effective: EffectiveDay = None) -> None:
        """Show what is open with each counterparty over all contracts, both ways and net: what is issued and
        unpaid, and what was paid in advance."""
        with session.open() as stack:
            at = moment(stack, as_of)
            position, today = at.position, at.day(stack, effective)
            with stack.database.reading(stack.settings.book) as connection:
                found = counterparties(connection, position, party, today)
                held = nettings(connection, position)
        if not found:
            print(f"nothing is open{'' if party is None else f' with {party}'}")
        for one in found:
            agreements = held[one.party].agreements if one.party in held else ()
            agreed = bool(agreements) and agreements[-1].holds_on(today)
            print(
                f"{one.party:<24} receivable {grouped(str(one.receivable))}, payable"
                f" {grouped(str(one.payable))}, net {grouped(str(one.net))} {one.currency}"
                f"{', netting agreed' if agreed else ''}"
            )
            for each in one.statements:
                key = each.key
                due = "" if each.due_on is None else f", due {each.due_on}"
                what = ", paid in advance" if each.advance else due
                print(f"    {key.contract} {key.month} run {key.run}: {grouped(str(each.open))}{what}")

    @netting.command
    def agree(
        party: str,
        *,
        since: Annotated[date, Parameter(name="--from", help="the first day on which it holds")],
        until: Annotated[date | None, Parameter(name="--to", help="the first day without it")] = None,
        evidence: Proof,
        by: As,
    ) -> None:
        """Record that the owner and PARTY net what they owe each other."""
        agreement = NettingAgreement(effective_from=since, effective_to=until, evidence=evidence)
        submit(session, AgreeNetting(party, agreement), by, f"netting with {party} agreed")

    @netting.command(name="set-off")
    def set_off(party: str, name: str, *, currency: Currency = None, by: As) -> None:
        """Set off, today, all that is open both ways with PARTY; NAME is the netting's id."""
        with session.open() as stack:
            currency = currency or book_of(stack.door).currency
            position = stack.caught_up()
            with stack.database.reading(stack.settings.book) as connection:
                done = net(
                    stack.door,
                    connection,
                    position,
                    name=name,
                    party=party,
                    currency=currency,
                    on=lives.today(stack.door, stack.clock),
                    actor=by,
                )
        waits = done.submitted.proposal
        where = f"waits for approval as {waits}" if waits else f"event {done.submitted.receipt.sequence}"
        print(f"netting {name}: {grouped(str(done.netting.amount))} {currency} each way, {where}")
        for part in done.netting.parts:
            key = part.key
            print(f"    {key.contract} {key.month} run {key.run}: {grouped(str(part.amount))}")
