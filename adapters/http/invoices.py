"""Tax invoices of a statement, ours or its party's."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.addressed import ADDRESSED, PATH, Addressed
from adapters.http.booked import Booked, booked
from adapters.http.life_body import InvoiceBody
from adapters.http.problem import WRITE_PROBLEMS
from ledger.statement.invoice import Invoice
from ledger.statement.invoice_check import differing
from ledger.statement.life import Life
from ledger.statement.money import RecordInvoice


@post(
    f"{PATH}/invoices",
    summary="Record a tax invoice of the statement, ours or the party's",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def record_invoice(at: NamedDependency[Addressed], data: JSONBody[InvoiceBody]) -> Response[Booked]:
    """One whose net or tax is not what the statement had still to be invoiced is recorded with a warning."""
    one = _invoice(at, data)

    def warnings() -> tuple[str, ...]:
        life = at.door.state(at.key.aggregate)
        told = differing(life, one) if isinstance(life, Life) else ""
        return (told,) if told else ()

    return booked(at.intake, [at.key, data], RecordInvoice(at.key, one).commands, data.on, warnings)


def _invoice(at: Addressed, body: InvoiceBody) -> Invoice:
    return Invoice(
        number=body.number,
        direction=body.direction,
        on=at.day(body.on),
        net=at.money(body.net, "net"),
        tax=at.money(body.tax, "tax"),
        gross=at.money(body.gross, "gross"),
        reverses=body.reverses,
        in_next_invoice=body.in_next_invoice,
    )


ROUTES = (record_invoice,)
