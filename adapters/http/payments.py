"""Payments: of one statement, or over several statements of a party."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters import lives
from adapters.http.addressed import ADDRESSED, PATH, Addressed, Decimal, Id
from adapters.http.intake import Intake, Stored, replayable
from adapters.http.life_body import PaymentBody
from adapters.http.netting import Currency
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.statements import PartyName
from adapters.settling import wait_until
from adapters.spreading import pay
from ledger.accounting.document import checked_day
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.life import Payment
from ledger.statement.money import RecordPayment
from ledger.statement.spread import PaidPart, Spread

_WAIT_S: Final = 10.0


class PartyPaymentBody(msgspec.Struct, frozen=True):
    """Above zero the party received it; `id` is its own, such as the bank's booking number."""

    id: Id
    on: date
    currency: Currency
    amount: Decimal
    reference: Annotated[str, msgspec.Meta(max_length=200)] = ""


class PaidPartBody(msgspec.Struct, frozen=True):
    """What a statement got of the payment."""

    contract: str
    month: str
    run: int
    amount: str

    @classmethod
    def of(cls, one: PaidPart) -> PaidPartBody:
        return cls(one.key.contract, one.key.month, one.key.run, str(one.amount))


class SpreadDone(msgspec.Struct, frozen=True):
    """The parts add up to `amount`; what is more than was open stands on the last, as paid too much."""

    sequence: int
    id: str
    party: str
    on: date
    currency: str
    amount: str
    parts: tuple[PaidPartBody, ...]

    @classmethod
    def of(cls, one: Spread, sequence: int) -> SpreadDone:
        parts = tuple(PaidPartBody.of(part) for part in one.parts)
        return cls(sequence, one.id, one.party, one.on, one.amount.currency, str(one.amount), parts)


@post(
    "/parties/{party:str}/payments",
    summary="Record one payment over all statements that ask for it, those due first being paid first",
    responses=WRITE_PROBLEMS,
    tags=["Receivables"],
    sync_to_thread=True,
)
def spread_payment(
    intake: NamedDependency[Intake], party: PartyName, data: JSONBody[PartyPaymentBody]
) -> Response[SpreadDone]:
    service = intake.service
    try:
        amount = Money.parse(data.amount, data.currency)
    except Refused as error:
        raise Refused(error.code, error.reason, place="amount") from None

    day = checked_day(data.on, lives.today(service.door, service.clock), "on")

    def work() -> SpreadDone:
        position = service.last_sequence()
        wait_until(service.database, service.book, position, _WAIT_S)
        with service.database.reading(service.book) as connection:
            found, sequence = pay(
                service.door,
                connection,
                position,
                name=data.id,
                party=party,
                amount=amount,
                on=day,
                reference=data.reference,
                actor=intake.actor,
            )
        return SpreadDone.of(found, sequence)

    answer, repeated = intake.once([party, data], SpreadDone, work)
    return replayable(answer, repeated=repeated)


@post(
    f"{PATH}/payments",
    summary="Record a payment, a bank charge or late interest",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def record_payment(at: NamedDependency[Addressed], data: JSONBody[PaymentBody]) -> Response[Stored]:
    amount = at.money(data.amount, "amount")
    one = Payment(id=data.id, on=at.day(data.on), amount=amount, kind=data.kind, reference=data.reference)
    return at.intake.execute(RecordPayment(at.key, one))


ROUTES = (record_payment, spread_payment)
