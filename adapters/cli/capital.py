"""Commands about capital accounts: contributions, transfers, returns, struck entries, the account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from fractions import Fraction
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.as_of import AsOf, EffectiveDay, moment
from adapters.cli.close import As
from adapters.cli.contract_facts import Proof
from adapters.cli.session import Session
from adapters.cli.submitting import money_of, submit_to
from adapters.documents.readable import readable_text
from adapters.queries.capital import settled_flows
from adapters.queries.contract_facts import ContractFacts
from ledger.capital.account import CapitalAccounts
from ledger.capital.entry import (
    CapitalEntry,
    CapitalReturn,
    CapitalTransfer,
    CashContribution,
    InKindContribution,
    StruckEntry,
)
from ledger.capital.party_return import OVER_DAYS
from ledger.capital.party_statement import PartyCapital, Return, party_capital
from ledger.capital.record import RecordCapital
from ledger.clauses.flow import exact_text, grouped
from ledger.quantity import Money
from ledger.refusal import Refused

On = Annotated[date, Parameter(help="the local day from which it counts")]
_Amounts = Callable[[str, str], Money]


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    capital = App(name="capital", help="Capital accounts: what the parties of a contract paid in and got.")
    app.command(capital)

    @capital.command
    def cash(contract: str, party: str, amount: str, *, on: On, evidence: Proof, by: As) -> None:
        """Record money that a party paid in."""
        _record(
            session,
            contract,
            by,
            lambda money: CashContribution(
                on=on, evidence=evidence, party=party, amount=money(amount, "amount")
            ),
        )

    @capital.command(name="in-kind")
    def in_kind(
        contract: str, party: str, asset: str, valuation: str, *, on: On, evidence: Proof, by: As
    ) -> None:
        """Record equipment, a site or a platform at its agreed value."""
        _record(
            session,
            contract,
            by,
            lambda money: InKindContribution(
                on=on, evidence=evidence, party=party, asset=asset, valuation=money(valuation, "valuation")
            ),
        )

    @capital.command
    def transfer(
        contract: str,
        seller: str,
        buyer: str,
        amount: str,
        *,
        price: Annotated[str, Parameter(help="what the buyer paid the seller; 0 for a gift")],
        on: On,
        evidence: Proof,
        by: As,
    ) -> None:
        """Record paid-in capital that changed hands."""
        _record(
            session,
            contract,
            by,
            lambda money: CapitalTransfer(
                on=on,
                evidence=evidence,
                seller=seller,
                buyer=buyer,
                amount=money(amount, "amount"),
                price=money(price, "price"),
            ),
        )

    @capital.command(name="return")
    def give_back(contract: str, party: str, amount: str, *, on: On, evidence: Proof, by: As) -> None:
        """Record paid-in capital that a party got back; not a return on it."""
        _record(
            session,
            contract,
            by,
            lambda money: CapitalReturn(
                on=on, evidence=evidence, party=party, amount=money(amount, "amount")
            ),
        )

    @capital.command
    def strike(contract: str, entry: int, *, on: On, evidence: Proof, by: As) -> None:
        """Strike entry number ENTRY: it was wrong and never counted; it stays on record."""
        _record(session, contract, by, lambda _: StruckEntry(on=on, evidence=evidence, entry=entry))

    @capital.command
    def show(contract: str, *, as_of: AsOf = None, effective: EffectiveDay = None) -> None:
        """Show the entries, and each party's balance, share and return."""
        with session.open() as stack:
            at = moment(stack, as_of)
            position, day = at.position, at.day(stack, effective)
            with stack.database.reading(stack.settings.book) as connection:
                facts = ContractFacts(connection, position)
                settled = settled_flows(connection, contract, position)
        accounts = facts.capital(contract)
        if accounts is None:
            text = f"no capital of contract {contract} is recorded"
            raise Refused("unknown_capital", text, place="contract")
        print(shown(accounts, party_capital(accounts, settled, day), day))


def shown(accounts: CapitalAccounts, parties: tuple[PartyCapital, ...], day: date) -> str:
    """The accounts as people read them."""
    out = []
    for number, entry in enumerate(accounts.entries, 1):
        told = ", ".join(
            f"{party} {grouped(str(Money(minor, accounts.currency)))}"
            for party, minor in entry.balances().items()
        )
        what = f"strikes entry {entry.entry}" if isinstance(entry, StruckEntry) else told
        struck = " (struck)" if number in accounts.struck else ""
        kind = str(type(entry).__struct_config__.tag).replace("_", " ")
        out.append(f"{number:>3}  {entry.on}  {kind}{struck}: {what}; {entry.evidence}")
    out.append(f"on {day}, in {accounts.currency}")
    for one in parties:
        share = "no capital" if one.share is None else f"share {_percent(one.share)}"
        out.append(f"  {one.party:<24}{grouped(str(one.balance)):>20}  {share}")
        out.append(f"    settlements gave {grouped(str(one.settled))}")
        out.append(f"    return to date: {_rate(one.return_to_date)}")
        out.append(f"    return with the balance given back: {_rate(one.return_with_balance)}")
    return "\n".join(out)


def _percent(share: Fraction) -> str:
    return readable_text(f"{exact_text(100 * share)}%")


def _rate(one: Return) -> str:
    if one.answer is None:
        return f"none ({one.reason})"
    if one.answer.unit == OVER_DAYS:
        return f"{one.answer.shown(4)} over {one.days} days, less than a year"
    return f"{one.answer.shown(4)} a year, each flow on its day"


def _record(session: Session, contract: str, by: str, entry: Callable[[_Amounts], CapitalEntry]) -> None:
    with session.open() as stack:
        made = entry(lambda text, place: money_of(stack, contract, text, place))
        kind = str(type(made).__struct_config__.tag).replace("_", " ")
        submit_to(stack, RecordCapital(contract, made), by, f"{kind} of {contract}")
