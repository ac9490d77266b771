"""Payments: of one statement, or over several statements of a party, each under an id of its own."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters import lives
from adapters.http.addressed import ADDRESSED, PATH, Addressed, Decimal, Id
from adapters.http.booked import Booked
from adapters.http.intake import Intake, replayable
from adapters.http.life_body import PaymentBody
from adapters.http.netting import Currency
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.statements import PartyName
from adapters.posting_day import posted_late
from adapters.settling import wait_until
from adapters.spreading import Paying, Recorded, doubts, pay, pay_statement
from ledger.accounting.document import checked_day
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.life import Payment
from ledger.statement.named_payment import PaidPart

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


class SpreadDone(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts add up to `amount`; what is more than was open stands on the last, as paid too much.

    `posted_on` is the first open day, where the month of `on` is closed.
    """

    sequence: int
    id: str
    party: str
    on: date
    currency: str
    amount: str
    parts: tuple[PaidPartBody, ...]
    posted_on: date | None = None

    @classmethod
    def of(cls, done: Recorded, posted_on: date | None) -> SpreadDone:
        one = done.payment
        parts = tuple(PaidPartBody.of(part) for part in one.parts)
        return cls(
            done.sequence, one.id, one.party, one.on, one.amount.currency, str(one.amount), parts, posted_on
        )


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
    """The same payment again, under any key, is answered as it was recorded."""
    service = intake.service
    try:
        amount = Money.parse(data.amount, data.currency)
    except Refused as error:
        raise Refused(error.code, error.reason, place="amount") from None
    today = lives.today(service.door, service.clock)
    asked = Paying(
        id=data.id,
        party=party,
        amount=amount,
        on=checked_day(data.on, today, "on"),
        today=today,
        reference=data.reference,
    )

    def work() -> SpreadDone:
        position = service.last_sequence()
        wait_until(service.database, service.book, position, _WAIT_S)
        with service.database.reading(service.book) as connection:
            done = pay(service.door, connection, position, asked, actor=intake.actor)
        return SpreadDone.of(done, posted_late(service.door, data.on))

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
def record_payment(at: NamedDependency[Addressed], data: JSONBody[PaymentBody]) -> Response[Booked]:
    """The same payment again, under any key, is answered as it was recorded. `warnings` say where interest is
    recorded of a day on which nothing was late."""
    amount = at.money(data.amount, "amount")
    one = Payment(id=data.id, on=at.day(data.on), amount=amount, kind=data.kind, reference=data.reference)

    def work() -> Booked:
        done = pay_statement(at.door, at.key, one, actor=at.intake.actor)
        return Booked.of(done.receipts[1], posted_late(at.door, one.on), doubts(at.door, done))

    answer, repeated = at.intake.once([at.key, data], Booked, work)
    return replayable(answer, repeated=repeated)


ROUTES = (record_payment, spread_payment)
