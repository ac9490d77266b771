"""What was paid beyond one statement, for another one of the same party."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters import crediting
from adapters.http.addressed import ADDRESSED, PATH, Addressed, Decimal, Id
from adapters.http.instant import month_of
from adapters.http.intake import Stored, replayable, stored
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.settlements import MONTH_PATTERN
from ledger.statement.credit import Credit
from ledger.statement.life import StatementKey


class CreditBody(msgspec.Struct, frozen=True):
    """`amount`, above zero, of what was paid beyond the statement, for another one of the same party."""

    id: Id
    amount: Decimal
    contract: Id
    month: Annotated[str, msgspec.Meta(pattern=MONTH_PATTERN)]
    run: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


@post(
    f"{PATH}/credits",
    summary="Settle another statement of the party with what was paid beyond this one",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def move_credit(at: NamedDependency[Addressed], data: JSONBody[CreditBody]) -> Response[Stored]:
    """The same credit again, under any key, is answered as it was recorded."""
    to = StatementKey(data.contract, month_of(data.month), at.key.party, data.run)
    amount = at.money(data.amount, "amount")
    moved = Credit(id=data.id, of=at.key, to=to, on=at.today, amount=amount)

    def work() -> Stored:
        return stored(crediting.move(at.door, moved, actor=at.intake.actor))

    answer, repeated = at.intake.once([at.key, data], Stored, work)
    return replayable(answer, repeated=repeated)


ROUTES = (move_credit,)
