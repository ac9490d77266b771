"""What is given up of a statement."""

from __future__ import annotations

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.addressed import ADDRESSED, PATH, Addressed, Decimal, Id, Reason
from adapters.http.intake import Stored
from adapters.http.problem import WRITE_PROBLEMS
from ledger.statement.money import WriteOff


class WriteOffBody(msgspec.Struct, frozen=True):
    id: Id
    amount: Decimal
    reason: Reason


@post(
    f"{PATH}/write-offs",
    summary="Give up what is open of a statement, or a part of it",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def write_off(at: NamedDependency[Addressed], data: JSONBody[WriteOffBody]) -> Response[Stored]:
    return at.intake.submit(WriteOff(at.key, data.id, at.today, at.money(data.amount, "amount"), data.reason))


ROUTES = (write_off,)
