"""Capital accounts of a contract: what the parties paid in, and what it gave them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, assert_never

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.addressed import Decimal
from adapters.http.contract_facts import Evidence, Id, check_contract
from adapters.http.intake import Intake, Stored
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.settlements import ContractName
from adapters.http.view import EffectiveDay, View
from adapters.queries.capital import settled_flows
from adapters.queries.contract_facts import ContractFacts
from ledger.appraisal.finance import Answer
from ledger.capital.account import CashFlow
from ledger.capital.entry import (
    CapitalEntry,
    CapitalReturn,
    CapitalTransfer,
    CashContribution,
    InKindContribution,
    StruckEntry,
)
from ledger.capital.party_statement import PartyCapital, Return, party_capital
from ledger.capital.record import RecordCapital
from ledger.clauses.flow import exact_text
from ledger.contract import Contract
from ledger.effective import History
from ledger.quantity import Money
from ledger.refusal import Refused

_PATH: Final = "/contracts/{contract:str}/capital"
_RATE_PLACES: Final = 4


class _Dated(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="none"):
    """`on` is the local day, `evidence` what proves the entry."""

    on: date
    evidence: Evidence


class CashBody(_Dated, frozen=True, kw_only=True, tag="cash_contribution"):
    """Money that a party paid in."""

    party: Id
    amount: Decimal


class InKindBody(_Dated, frozen=True, kw_only=True, tag="in_kind_contribution"):
    """Equipment, a site or a platform at its agreed value."""

    party: Id
    asset: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    valuation: Decimal


class TransferBody(_Dated, frozen=True, kw_only=True, tag="transfer"):
    """Paid-in capital that changes hands for a price."""

    seller: Id
    buyer: Id
    amount: Decimal
    price: Decimal


class ReturnBody(_Dated, frozen=True, kw_only=True, tag="return"):
    """Paid-in capital that a party got back."""

    party: Id
    amount: Decimal


class StruckBody(_Dated, frozen=True, kw_only=True, tag="struck_entry"):
    """Entry number `entry`, from 1, was wrong and never counted."""

    entry: Annotated[int, msgspec.Meta(ge=1)]


EntryBody = CashBody | InKindBody | TransferBody | ReturnBody | StruckBody


class NewEntry(msgspec.Struct, frozen=True):
    entry: EntryBody


class NumberedEntry(msgspec.Struct, frozen=True):
    """`sequence` is the event that recorded it; a struck entry stays on record and does not count."""

    number: int
    sequence: int
    struck: bool
    entry: EntryBody


class FlowBody(msgspec.Struct, frozen=True):
    """Above zero the party received it."""

    on: date
    amount: str

    @classmethod
    def of(cls, flow: CashFlow) -> FlowBody:
        return cls(flow.on, str(flow.amount))


class RateBody(msgspec.Struct, frozen=True):
    """A yearly rate with four decimals and how it was computed; null where there is none, and why."""

    rate: str | None
    formula: str
    reason: str

    @classmethod
    def of(cls, one: Return) -> RateBody:
        match one.answer:
            case Answer() as answer:
                return cls(answer.shown(_RATE_PLACES), answer.formula, "")
            case None:
                return cls(None, "", f"{one.refused}: {one.reason}")


class PartyBody(msgspec.Struct, frozen=True):
    """`settled` is what settlements gave the party in all. One return counts what moved up to the day, the
    other also the paid-in balance as if it were returned on it. `share` is exact."""

    party: str
    balance: str
    share: str | None
    settled: str
    capital_flows: tuple[FlowBody, ...]
    settled_flows: tuple[FlowBody, ...]
    return_to_date: RateBody
    return_with_balance: RateBody

    @classmethod
    def of(cls, one: PartyCapital) -> PartyBody:
        return cls(
            one.party,
            str(one.balance),
            None if one.share is None else exact_text(one.share),
            str(one.settled),
            tuple(FlowBody.of(flow) for flow in one.capital_flows),
            tuple(FlowBody.of(flow) for flow in one.settled_flows),
            RateBody.of(one.return_to_date),
            RateBody.of(one.return_with_balance),
        )


class CapitalAnswer(msgspec.Struct, frozen=True):
    """The accounts at the end of the local day `at`; entries in the order of recording."""

    position: int
    contract: str
    at: date
    currency: str
    entries: tuple[NumberedEntry, ...]
    parties: tuple[PartyBody, ...]


@get(
    _PATH,
    summary="Capital accounts at a day: entries, balances, shares, and each party's return",
    responses=READ_PROBLEMS,
    tags=["Capital"],
    sync_to_thread=True,
)
def show_capital(
    view: NamedDependency[View],
    contract: ContractName,
    effective: EffectiveDay = None,
) -> CapitalAnswer:
    day = view.day(effective)
    with view.reading() as (connection, position):
        check_contract(connection, position, contract)
        facts = ContractFacts(connection, position)
        settled = settled_flows(connection, contract, position)
    accounts = facts.capital(contract)
    if accounts is None:
        raise Refused("unknown_capital", f"no capital of contract {contract} is recorded", place="contract")
    recorded = zip(accounts.entries, facts.capital_sequences(contract), strict=True)
    return CapitalAnswer(
        position,
        contract,
        day,
        accounts.currency,
        tuple(
            NumberedEntry(number, sequence, number in accounts.struck, _body(entry))
            for number, (entry, sequence) in enumerate(recorded, 1)
        ),
        tuple(PartyBody.of(one) for one in party_capital(accounts, settled, day)),
    )


@post(
    _PATH,
    summary="Record a contribution, a transfer or a return of capital, or strike a wrong entry",
    responses=WRITE_PROBLEMS,
    tags=["Capital"],
    sync_to_thread=True,
)
def record_capital(
    intake: NamedDependency[Intake], contract: ContractName, data: JSONBody[NewEntry]
) -> Response[Stored]:
    history = intake.service.door.state(f"contract.{contract}")
    if not isinstance(history, History):
        raise Refused("unknown_contract", f"no contract {contract!r} is registered", place="contract")
    document = history.latest.document
    assert isinstance(document, Contract)
    return intake.submit(RecordCapital(contract, _entry(data.entry, document.currency)))


def _entry(body: EntryBody, currency: str) -> CapitalEntry:
    """Raises:
    Refused: `money` for what the currency cannot hold, and what the entry refuses."""
    match body:
        case CashBody(on=on, evidence=evidence, party=party):
            amount = _money(body.amount, currency, "entry.amount")
            return CashContribution(on=on, evidence=evidence, party=party, amount=amount)
        case InKindBody(on=on, evidence=evidence, party=party, asset=asset):
            value = _money(body.valuation, currency, "entry.valuation")
            return InKindContribution(on=on, evidence=evidence, party=party, asset=asset, valuation=value)
        case TransferBody(on=on, evidence=evidence, seller=seller, buyer=buyer):
            amount = _money(body.amount, currency, "entry.amount")
            price = _money(body.price, currency, "entry.price")
            return CapitalTransfer(
                on=on, evidence=evidence, seller=seller, buyer=buyer, amount=amount, price=price
            )
        case ReturnBody(on=on, evidence=evidence, party=party):
            amount = _money(body.amount, currency, "entry.amount")
            return CapitalReturn(on=on, evidence=evidence, party=party, amount=amount)
        case StruckBody(on=on, evidence=evidence, entry=entry):
            return StruckEntry(on=on, evidence=evidence, entry=entry)
        case never:
            assert_never(never)


def _body(entry: CapitalEntry) -> EntryBody:
    match entry:
        case CashContribution(on=on, evidence=evidence, party=party, amount=amount):
            return CashBody(on=on, evidence=evidence, party=party, amount=str(amount))
        case InKindContribution(on=on, evidence=evidence, party=party, asset=asset, valuation=value):
            return InKindBody(on=on, evidence=evidence, party=party, asset=asset, valuation=str(value))
        case CapitalTransfer(on=on, evidence=evidence, seller=seller, buyer=buyer):
            return TransferBody(
                on=on,
                evidence=evidence,
                seller=seller,
                buyer=buyer,
                amount=str(entry.amount),
                price=str(entry.price),
            )
        case CapitalReturn(on=on, evidence=evidence, party=party, amount=amount):
            return ReturnBody(on=on, evidence=evidence, party=party, amount=str(amount))
        case StruckEntry(on=on, evidence=evidence, entry=number):
            return StruckBody(on=on, evidence=evidence, entry=number)
        case never:
            assert_never(never)


def _money(text: str, currency: str, place: str) -> Money:
    try:
        return Money.parse(text, currency)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=place) from None


ROUTES = (show_capital, record_capital)
