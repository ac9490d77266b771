"""Netting per counterparty: what is open both ways, what was agreed, and what was set off."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from adapters import lives
from adapters.founded import book_at
from adapters.http.contract_facts import Evidence, Id
from adapters.http.intake import Intake, Stored, replayable
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.statements import PartyName
from adapters.http.view import EffectiveDay, View
from adapters.netting import net
from adapters.queries import lives as life_rows
from adapters.queries.netting import contracts_of, nettings
from adapters.settling import wait_until
from ledger.netting import (
    AgreeNetting,
    CounterpartyPosition,
    NettedStatement,
    Netting,
    NettingAgreement,
    OpenStatement,
    positions,
)
from ledger.quantity import MINOR_DIGITS
from ledger.statement.as_posted import standing

Currency = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(MINOR_DIGITS)})$")]
_PATH: Final = "/netting"
_WAIT_S: Final = 10.0


class NettingOpenBody(msgspec.Struct, frozen=True):
    """What the statement still asks for; above zero the owner owes it to the party. An `advance` is what was
    paid beyond it, which is owed back."""

    contract: str
    month: str
    run: int
    due_on: date | None
    open: str
    advance: bool

    @classmethod
    def of(cls, one: OpenStatement) -> NettingOpenBody:
        return cls(one.key.contract, one.key.month, one.key.run, one.due_on, str(one.open), one.advance)


class PositionBody(msgspec.Struct, frozen=True):
    """`receivable` is what the party owes, `payable` what the owner owes it, advances among both; `net` the
    first less the second. `agreed` says whether an agreement to net is in force on that day."""

    party: str
    currency: str
    receivable: str
    payable: str
    net: str
    agreed: bool
    statements: tuple[NettingOpenBody, ...]

    @classmethod
    def of(cls, one: CounterpartyPosition, *, agreed: bool) -> PositionBody:
        return cls(
            one.party,
            one.currency,
            str(one.receivable),
            str(one.payable),
            str(one.net),
            agreed,
            tuple(NettingOpenBody.of(found) for found in one.statements),
        )


class PositionAnswer(msgspec.Struct, frozen=True):
    position: int
    today: date
    items: tuple[PositionBody, ...]


class AgreementBody(msgspec.Struct, frozen=True):
    """It holds from `effective_from` up to and without `effective_to`; the last one recorded counts."""

    effective_from: date
    evidence: Evidence
    effective_to: date | None = None


class PartBody(msgspec.Struct, frozen=True):
    """What was set off of a statement; above zero the party received it."""

    contract: str
    month: str
    run: int
    amount: str

    @classmethod
    def of(cls, one: NettedStatement) -> PartBody:
        return cls(one.key.contract, one.key.month, one.key.run, str(one.amount))


class NettingBody(msgspec.Struct, frozen=True):
    """`amount` was set off of each side."""

    id: str
    on: date
    currency: str
    amount: str
    parts: tuple[PartBody, ...]

    @classmethod
    def of(cls, one: Netting) -> NettingBody:
        parts = tuple(PartBody.of(part) for part in one.parts)
        return cls(one.id, one.on, one.amount.currency, str(one.amount), parts)


class NettingHistory(msgspec.Struct, frozen=True):
    position: int
    party: str
    agreements: tuple[AgreementBody, ...]
    nettings: tuple[NettingBody, ...]


class NettingRequest(msgspec.Struct, frozen=True):
    """Set off, today, all that is open both ways in the currency."""

    id: Id
    currency: Currency


class NettingDone(msgspec.Struct, frozen=True, omit_defaults=True):
    """`proposal` names what waits for a second person's approval; nothing is set off before it."""

    sequence: int
    netting: NettingBody
    proposal: str | None = None


@get(
    _PATH,
    summary="What is open with each counterparty over all contracts, unpaid or in advance, and net",
    responses=READ_PROBLEMS,
    tags=["Netting"],
    sync_to_thread=True,
)
def list_positions(
    view: NamedDependency[View],
    party: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    effective: EffectiveDay = None,
) -> PositionAnswer:
    """A partner's position is made of its own statements; what stands beside them is read with the ledger's
    rights."""
    service = view.service
    today = view.day(effective)
    with view.reading() as (connection, position):
        own = life_rows.page(connection, position, party=party)
    with service.database.reading(service.book) as connection:
        owner = book_at(connection, position).owner
        then = standing(own, today, every=False)
        found = positions(owner, then, contracts_of(connection, position, owner))
        held = nettings(connection, position)
    agreed = {name for name, one in held.items() if one.agreements and one.agreements[-1].holds_on(today)}
    items = tuple(PositionBody.of(one, agreed=one.party in agreed) for one in found)
    return PositionAnswer(position, today, items)


@get(
    f"{_PATH}/{{party:str}}",
    summary="What was agreed with a party, and every netting",
    responses=READ_PROBLEMS,
    tags=["Netting"],
    sync_to_thread=True,
)
def show_nettings(view: NamedDependency[View], party: PartyName) -> NettingHistory:
    with view.reading() as (connection, position):
        found = nettings(connection, position).get(party)
    return NettingHistory(
        position,
        party,
        tuple(
            AgreementBody(one.effective_from, one.evidence, one.effective_to)
            for one in (() if found is None else found.agreements)
        ),
        tuple(NettingBody.of(one) for one in (() if found is None else found.nettings)),
    )


@post(
    f"{_PATH}/{{party:str}}/agreement",
    summary="Record that owner and party net what they owe each other",
    responses=WRITE_PROBLEMS,
    tags=["Netting"],
    sync_to_thread=True,
)
def agree_netting(
    intake: NamedDependency[Intake], party: PartyName, data: JSONBody[AgreementBody]
) -> Response[Stored]:
    agreement = NettingAgreement(
        effective_from=data.effective_from, effective_to=data.effective_to, evidence=data.evidence
    )
    return intake.submit(AgreeNetting(party, agreement))


@post(
    f"{_PATH}/{{party:str}}",
    summary="Set off what is open both ways: it pays the statements and is posted",
    responses=WRITE_PROBLEMS,
    tags=["Netting"],
    sync_to_thread=True,
)
def net_party(
    intake: NamedDependency[Intake], party: PartyName, data: JSONBody[NettingRequest]
) -> Response[NettingDone]:
    service = intake.service

    def work() -> NettingDone:
        today = lives.today(service.door, service.clock)
        position = service.last_sequence()
        wait_until(service.database, service.book, position, _WAIT_S)
        with service.database.reading(service.book) as connection:
            done = net(
                service.door,
                connection,
                position,
                name=data.id,
                party=party,
                currency=data.currency,
                on=today,
                actor=intake.actor,
            )
        submitted = done.submitted
        return NettingDone(submitted.receipt.sequence, NettingBody.of(done.netting), submitted.proposal)

    answer, repeated = intake.once([party, data], NettingDone, work)
    return replayable(answer, repeated=repeated)


ROUTES = (list_positions, show_nettings, agree_netting, net_party)
